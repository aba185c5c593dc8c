package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model/reference"
)

// With Half, the product is that of rounded operands, dz times its model's scale, and nothing else is rounded.
func TestLSTMStepBackwardHalf(t *testing.T) {
	forHalfCells(t, func(t *testing.T, d *gpu.Device, v cell, mode reference.HalfRounding) {
		v.activated()
		v.normal()
		var scale []float32
		for k := range v.K {
			scale = append(scale, float32(math.Ldexp(1, 3*k+2)), float32(math.Ldexp(1, -3*k-2)))
		}
		var dz [][]float64
		dh, dc := wide(v.dh), wide(v.dc)
		for k := range v.K {
			from, to := v.gate(k, v.step)
			a, b := v.before(k)
			e, f := v.after(k)
			i, j := k*v.R*v.H, (k+1)*v.R*v.H
			v.flown(k, dh[i:j])
			var later []float64
			if next := v.next(1); next >= 0 {
				from, to := v.gate(k, next)
				later = wide(v.gates[from:to])
			}
			z, dh0, dc0 := reference.LSTMStepBackwardHalf(wide(v.gates[from:to]), wide(v.c[a:b]), wide(v.c[e:f]), v.valid(k, v.step), later,
				wide(v.kernel(k)), dh[i:j], dc[i:j], float64(scale[2*k]), mode)
			dz = append(dz, z)
			copy(dh[i:j], dh0)
			copy(dc[i:j], dc0)
		}
		k := v.backward(t, d)
		k.Half, k.Scale = true, put(t, d, "scale", scale)
		run(t, d, k)
		tol := backwardTol(v.H)
		v.near(t, "dz[R][4H]", get(t, k.Gates), v.gates, func(k int) (int, int) { return v.gate(k, v.step) }, func(k int) []float64 { return dz[k] }, tol, v.R, 4*v.H)
		gputest.Near(t, "dh[K][R][H]", get(t, k.DHidden), dh, tol, v.K, v.R, v.H)
		gputest.Near(t, "dc[K][R][H]", get(t, k.DCell), dc, tol, v.K, v.R, v.H)
	})
}

func BenchmarkLSTMStepBackwardHalf(b *testing.B) {
	for _, s := range stepShapes {
		b.Run(fmt.Sprintf("B=%d/H=%d", s[0], s[1]), func(b *testing.B) {
			d, v := gputest.Device(b), benchCell(b, s)
			k := v.backward(b, d)
			k.Half, k.Scale = true, put(b, d, "scale", []float32{1, 1})
			bench(b, d, float64(8*v.R*v.H*v.H), float64(4*v.H*(4*v.H+v.R*(4+4+4+2+4))), k)
		})
	}
}
