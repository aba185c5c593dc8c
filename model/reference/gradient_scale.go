package reference

import "math"

// GradientScale is gradient_scale.comp: the power of two that makes the largest |d| 64 to 128, and 1 where there is none. The
// shader's exponents end at ±126.
func GradientScale(d []float64) float64 {
	most := 0.0
	for _, v := range d {
		if !(math.Abs(v) <= math.MaxFloat64) {
			return 1
		}
		most = math.Max(most, math.Abs(v))
	}
	if most == 0 {
		return 1
	}
	_, exponent := math.Frexp(most) // most is 2^(exponent−1) to twice that
	return math.Ldexp(1, min(7-exponent, 126))
}

// HalfRounding says how a number becomes a float16.
type HalfRounding int

// To the nearest, ties to even; towards 0; away from 0; to either neighbour, which RoundHalf does not know.
const (
	HalfNearest HalfRounding = iota
	HalfCut
	HalfUp
	HalfEither
)

// RoundHalf rounds to float16. What is larger than float16 can hold becomes the largest that it can.
func RoundHalf(v float64, mode HalfRounding) float64 {
	const largest = 65504
	switch {
	case math.Abs(v) >= largest:
		return math.Copysign(largest, v)
	case v == 0 || v != v:
		return v
	}
	_, exponent := math.Frexp(v)
	unit := math.Ldexp(1, max(exponent-11, -24)) // 11 bits, and 2⁻²⁴ below 2⁻¹⁴
	switch mode {
	case HalfCut:
		return math.Trunc(v/unit) * unit
	case HalfUp:
		return math.Copysign(math.Min(largest, math.Ceil(math.Abs(v)/unit)*unit), v)
	}
	return math.RoundToEven(v/unit) * unit
}
