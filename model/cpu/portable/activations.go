package portable

import "math"

// The activations are polynomials in float32 without a branch, so that they are the same numbers when a vector
// register computes several at once.
//
// exp(x) = 2ⁿ·exp(r), r = x − n·ln 2, |r| ≤ ln(2)/2. The product n·ln2High is exact, since ln2High has 9 bits and n
// at most 8. exp(r) = 1 + r + r²·(e0 + e1·r + … + e4·r⁴), the minimax polynomial of (exp(r) − 1 − r)/r²: it is off by
// less than 0.06 units of 2⁻²⁴.
const (
	log2e   = 1.44269504
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
	toInt   = 3 << 22 // adding 1.5·2²³ rounds a float32 to an integer

	e0 = 0.49999994
	e1 = 0.1666652
	e2 = 0.041668393
	e3 = 0.008368781
	e4 = 0.0013814467

	// exp(−104) rounds to 0, and so do the exponentials below.
	minExp = -104
)

// tanh(x) = x + x³·(t0 + t1·x² + … + t4·x⁸) for |x| < tanhSmall, the minimax polynomial of (tanh(x)/x − 1)/x² (off by
// less than 0.05 units of 2⁻²⁴); (1 − e)/(1 + e) with e = exp(−2|x|) above, where 1 − e > 0.69 keeps its digits.
const (
	tanhSmall = 0.6

	t0 = -0.33333299
	t1 = 0.13331959
	t2 = -0.053786684
	t3 = 0.020805385
	t4 = -0.0059058685
)

const signBit = 1 << 31

// expNegative returns exp(x) for x ≤ 0 or NaN. Its result is at most 1.5 ulp off, subnormal results included (a unit
// there is 2⁻¹⁴⁹).
func expNegative(x float32) float32 {
	x = max(x, minExp)
	t := float32(x*log2e) + toInt
	n := t - toInt
	r := x - float32(n*ln2High)
	r -= float32(n * ln2Low)
	p := float32(e4*r) + e3
	p = float32(p*r) + e2
	p = float32(p*r) + e1
	p = float32(p*r) + e0
	p = float32(float32(p*r)*r) + r + 1
	// 2ⁿ in two factors, as n reaches −150: t's low bits hold n.
	i := int32(math.Float32bits(t)) - int32(toIntBits)
	half := i >> 1
	return float32(p*power(half)) * power(i-half)
}

const toIntBits = 0x4B400000 // the bits of toInt

// power returns 2ⁿ, −126 ≤ n ≤ 127.
func power(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// choose returns a where mask is all ones and b where it is 0.
func choose(mask uint32, a, b float32) float32 {
	return math.Float32frombits(math.Float32bits(a)&mask | math.Float32bits(b)&^mask)
}

// sigmoid replaces every element z by 1/(1 + exp(−z)): with e = exp(−|z|), 1/(1 + e) or, below 0, e/(1 + e).
func sigmoid(z []float32) {
	for i, v := range z {
		b := math.Float32bits(v)
		e := expNegative(math.Float32frombits(b | signBit))
		z[i] = choose(uint32(int32(b)>>31), e, 1) / (1 + e)
	}
}

// tanh writes the hyperbolic tangent of each element of x to out, which may be x.
func tanh(out, x []float32) {
	out = out[:len(x)]
	for i, v := range x {
		b := math.Float32bits(v)
		a := math.Float32frombits(b &^ signBit)
		y := float32(a * a)
		p := float32(t4*y) + t3
		p = float32(p*y) + t2
		p = float32(p*y) + t1
		p = float32(p*y) + t0
		small := a + float32(float32(a*y)*p)
		e := expNegative(-2 * a)
		large := (1 - e) / (1 + e)
		// Positive floats are ordered as their bits are; a NaN is not small.
		below := uint32((int32(b&^signBit) - int32(tanhSmallBits)) >> 31)
		out[i] = math.Float32frombits(math.Float32bits(choose(below, small, large)) | b&signBit)
	}
}

var tanhSmallBits = math.Float32bits(tanhSmall)
