package portable

import (
	"fmt"
	"math"
	"testing"
)

// Over every exponent of float32, and the neighbourhoods of where the formulas change.
func eachFloat(f func(x float32)) {
	for exponent := uint32(0); exponent < 255; exponent++ {
		for i := uint32(0); i < 1<<23; i += 1<<23/1024 + 1 {
			x := math.Float32frombits(exponent<<23 | i)
			f(x)
			f(-x)
		}
	}
	for _, x := range []float32{tanhSmall, 9.01, 17.3, 87.33, 88, 103.97, 104} {
		b := math.Float32bits(x)
		for i := b - 5000; i < b+5000; i++ {
			f(math.Float32frombits(i))
			f(-math.Float32frombits(i))
		}
	}
}

// ulps returns the distance between got and want in units in the last place of want as float32, the smallest unit
// being 2⁻¹⁴⁹.
func ulps(got float32, want float64) float64 {
	_, exponent := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(exponent-24, -149))
}

// The bounds: exp's polynomial errs by 0.06 units of 2⁻²⁴, and its argument, its last two sums and the two factors of
// 2ⁿ by less than 1.4 ulp more; a sum and a division add less than an ulp each to exp's error, which the sigmoid passes
// on by the factor 1 − s ≤ 1 and tanh by 2e/(1 − e²) < 0.67; the polynomial of tanh ends with a product and a sum.
func TestActivations(t *testing.T) {
	one := []float32{0}
	for _, tc := range []struct {
		name  string
		bound float64
		f     func(x float32) float32
		want  func(x float64) float64
	}{
		{"exp", 1.5, func(x float32) float32 { return expNegative(-float32(math.Abs(float64(x)))) },
			func(x float64) float64 { return math.Exp(-math.Abs(x)) }},
		{"sigmoid", 3.5, func(x float32) float32 { one[0] = x; sigmoid(one); return one[0] }, probability},
		{"tanh", 3, func(x float32) float32 { one[0] = x; tanh(one, one); return one[0] }, math.Tanh},
	} {
		worst, at := 0.0, float32(0)
		eachFloat(func(x float32) {
			if e := ulps(tc.f(x), tc.want(float64(x))); e > worst || e != e {
				worst, at = e, x
			}
		})
		t.Logf("%s: at most %.3f ulp, at %v", tc.name, worst, at)
		if !(worst <= tc.bound) {
			t.Errorf("%s(%v) is %v, %.3f ulp from %v; at most %v", tc.name, at, tc.f(at), worst, tc.want(float64(at)), tc.bound)
		}
		if nan := tc.f(float32(math.NaN())); nan == nan {
			t.Errorf("%s(NaN) is %v", tc.name, nan)
		}
	}
	inf := float32(math.Inf(1))
	for _, tc := range []struct {
		x, sigmoid, tanh float32
	}{{inf, 1, 1}, {-inf, 0, -1}, {0, 0.5, 0}} {
		z := []float32{tc.x}
		if sigmoid(z); z[0] != tc.sigmoid {
			t.Errorf("sigmoid(%v) is %v", tc.x, z[0])
		}
		z[0] = tc.x
		if tanh(z, z); z[0] != tc.tanh {
			t.Errorf("tanh(%v) is %v", tc.x, z[0])
		}
	}
	z := []float32{float32(math.Copysign(0, -1))}
	if tanh(z, z); !math.Signbit(float64(z[0])) {
		t.Error("tanh(-0) is not -0")
	}
}

func BenchmarkActivations(b *testing.B) {
	const n = 256
	x, out := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(i%17)/4 - 2
	}
	for _, tc := range []struct {
		name string
		f    func()
	}{{"sigmoid", func() { copy(out, x); sigmoid(out) }}, {"tanh", func() { tanh(out, x) }}} {
		b.Run(fmt.Sprintf("%s/n=%d", tc.name, n), func(b *testing.B) {
			for b.Loop() {
				tc.f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/value")
		})
	}
}
