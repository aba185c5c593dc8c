package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model/reference"
)

// normal makes what goes into a product in float16 large enough for it: a device may take its subnormal numbers for 0.
func (v *cell) normal() {
	for _, values := range [][]float32{v.params, v.h, v.gates} {
		for i, x := range values {
			if x > -0x1p-14 && x < 0x1p-14 && x != 0 {
				values[i] = 0x1p-14
			}
		}
	}
}

// forHalfCells runs f on cells and devices with the rounding to float16 that holds for them.
func forHalfCells(t *testing.T, f func(t *testing.T, d *gpu.Device, v cell, mode reference.HalfRounding)) {
	withoutMatrices(t, func(t *testing.T, d *gpu.Device) {
		for _, s := range cellCases {
			s.relu = false // products of float16 are those of tanh
			t.Run(s.name, func(t *testing.T) { f(t, d, newCell(source(t), s), halfMode(t, d, s.H%4 == 0)) })
		}
	})
}

// With Half, the product is that of rounded operands, and nothing else is rounded.
func TestLSTMStepForwardHalf(t *testing.T) {
	forHalfCells(t, func(t *testing.T, d *gpu.Device, v cell, mode reference.HalfRounding) {
		v.normal()
		gates, h, c := make([][]float64, v.K), make([][]float64, v.K), make([][]float64, v.K)
		for k := range v.K {
			from, to := v.gate(k, v.step)
			a, b := v.before(k)
			gates[k], h[k], c[k] = reference.LSTMStepForwardHalf(wide(v.gates[from:to]), v.valid(k, v.step), wide(v.kernel(k)), wide(v.h[a:b]), wide(v.c[a:b]), mode)
		}
		k := v.forward(t, d)
		k.Half = true
		run(t, d, k)
		tol := forwardTol(v.H)
		v.near(t, "gates[R][4H]", get(t, k.Gates), v.gates, func(k int) (int, int) { return v.gate(k, v.step) }, func(k int) []float64 { return gates[k] }, tol, v.R, 4*v.H)
		v.near(t, "h[R][H]", get(t, k.Hidden), v.h, v.after, func(k int) []float64 { return h[k] }, tol, v.R, v.H)
		v.near(t, "c[R][H]", get(t, k.Cell), v.c, v.after, func(k int) []float64 { return c[k] }, tol, v.R, v.H)
	})
}

func BenchmarkLSTMStepForwardHalf(b *testing.B) {
	for _, s := range stepShapes {
		b.Run(fmt.Sprintf("B=%d/H=%d", s[0], s[1]), func(b *testing.B) {
			d, v := gputest.Device(b), benchCell(b, s)
			k := v.forward(b, d)
			k.Half = true
			bench(b, d, float64(8*v.R*v.H*v.H), float64(4*v.H*(4*v.H+v.R*(4+4+2+1+1))), k)
		})
	}
}
