//go:build cgo

package cpu

import (
	"math"
	"slices"
	"testing"
)

// nearBy calls f with every exponent of float32 and the neighbourhoods of where formulas change.
func nearBy(f func(x []float32)) {
	part := make([]float32, 0, 1<<12)
	add := func(x float32) {
		if part = append(part, x, -x); len(part) == cap(part) {
			f(part)
			part = part[:0]
		}
	}
	for exponent := range uint32(255) {
		for i := uint32(0); i < 1<<23; i += 1<<23/1024 + 1 {
			add(math.Float32frombits(exponent<<23 | i))
		}
	}
	for _, x := range []float32{0.17328679, 0.34657359, 21.4, 31.1, 42.9, 43.67, 62, 87.33, 88.02} {
		b := math.Float32bits(x)
		for i := b - 3000; i < b+3000; i++ {
			add(math.Float32frombits(i))
		}
	}
	for len(part)%16 != 0 {
		part = append(part, 0)
	}
	f(part)
}

// An engine needs absolute accuracy of activations, and of tanh near 0 a relative one, as c is small at first. For
// sigmoid = 1/(1 + 2^z): z is a product, off by half an ulp of itself, which is (ln 2)·|z|/2·s(1 − s) ≤ 0.23 units of
// 2⁻²⁴; the polynomial and its six roundings add 1.6 ulp of 2^z, times s(1 − s) ≤ 1/4; the sum and the reciprocal (a
// Newton step, or a division) 1.6 ulp of s ≤ 1: 2.3 in all. tanh = e/(e + 2): e = 2^z − 1 is off by 2 ulp beside z's
// rounding, the sum and quotient by 2; relative, and 1 at most: 6 units of 2⁻²⁴ of tanh itself.
func TestActivations(t *testing.T) {
	for _, isa := range instructionSets() {
		name := InstructionSets()[slices.Index(instructionSets(), isa)]
		for which, tc := range []struct {
			name  string
			want  func(float64) float64
			bound func(want float64) float64
		}{
			{"sigmoid", func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, func(float64) float64 { return 2.3 * 0x1p-24 }},
			{"tanh", math.Tanh, func(want float64) float64 { return 6*0x1p-24*math.Abs(want) + 0x1p-125 }},
		} {
			worst, at, got := 0.0, float32(0), float32(0)
			nearBy(func(x []float32) {
				for i, y := range activated(isa, which, x) {
					want := tc.want(float64(x[i]))
					if r := math.Abs(float64(y)-want) / tc.bound(want); !(r <= worst) {
						worst, at, got = r, x[i], y
					}
				}
			})
			t.Logf("%s %s: at most %.2f of the bound, at %v", name, tc.name, worst, at)
			if !(worst <= 1) {
				t.Errorf("%s: %s(%v) is %v, want %v: %.2f times the bound", name, tc.name, at, got, tc.want(float64(at)), worst)
			}
			x := make([]float32, 16)
			x[0], x[1], x[2] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
			y := activated(isa, which, x)
			if y[0] == y[0] || float64(y[1]) != 1 || math.Abs(float64(y[2])-tc.want(math.Inf(-1))) > 1e-18 {
				t.Errorf("%s: %s of NaN, +Inf, -Inf is %v", name, tc.name, y[:3])
			}
		}
	}
}

// The machine's peak is a rate that the kernels cannot pass; a loop that the compiler dropped would be far above.
func TestPeak(t *testing.T) {
	if p := Peak(); !(p > 1e8 && p < 1e12) {
		t.Errorf("a core does %.3g floating-point operations a second", p)
	}
}
