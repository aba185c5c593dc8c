package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// backwardTol bounds the errors of dz, dh and dc for gates in their ranges, |c| ≤ 2 and |dh|, |dc| ≤ 1. tanh(c') errs by
// 16 units of 2⁻²⁴ of its value, so 1 − tanh² by 2·tanh²·16 + 2; times o·dh, and with dc added, 34 + 2 + 3 = 39 for the
// gradient by c', which is at most 2 in size. It is multiplied by g·i·(1−i), c·f·(1−f), i·(1−g²) or f, none above 1,
// which takes at most four more roundings of at most 2: 47.
const backwardTol = 64 * u

// activated turns the pre-activations into gates such as lstm_cell_forward leaves.
func (v *cell) activated() {
	H := v.H
	for row := range v.K * v.T * v.R {
		for i := range 4 * H {
			g := &v.gates[row*4*H+i]
			if *g /= 4; i/H != 2 {
				*g = (*g + 1) / 2
			}
		}
	}
}

func TestLSTMCellBackward(t *testing.T) {
	forCells(t, func(t *testing.T, d *gpu.Device, v cell) {
		v.activated()
		gates, c, dh, dc := wide(v.gates), wide(v.c), wide(v.dh), wide(v.dc)
		for k := range v.K {
			from, to := v.gate(k)
			a, b := v.state(k, v.step)
			e, f := v.state(k, v.step+1)
			i, j := k*v.R*v.H, (k+1)*v.R*v.H
			dz, dh0, dc0 := reference.LSTMCellBackward(gates[from:to], c[a:b], c[e:f], v.valid(k), dh[i:j], dc[i:j])
			copy(gates[from:to], dz)
			copy(dh[i:j], dh0)
			copy(dc[i:j], dc0)
		}
		k := kernel.LSTMCellBackward{
			Gates: put(t, d, "gates", v.gates), Mask: put(t, d, "mask", v.mask), Cell: put(t, d, "c", v.c),
			DHidden: put(t, d, "dh", v.dh), DCell: put(t, d, "dc", v.dc),
			K: v.K, R: v.R, T: v.T, H: v.H, Step: v.step,
		}
		run(t, d, k)
		gputest.Near(t, "dz[K][T][R][4H]", get(t, k.Gates), gates, backwardTol, v.K, v.T, v.R, 4*v.H)
		gputest.Near(t, "dh[K][R][H]", get(t, k.DHidden), dh, backwardTol, v.K, v.R, v.H)
		gputest.Near(t, "dc[K][R][H]", get(t, k.DCell), dc, backwardTol, v.K, v.R, v.H)
		for i, g := range get(t, k.DHidden) { // to which the matmul that follows adds
			k, r := i/v.H/v.R, i/v.H%v.R
			if v.valid(k)[r] && g != 0 {
				t.Fatalf("dh[%d][%d][%d] = %v behind a valid step, want 0", k, r, i%v.H, g)
			}
		}
	})
}

// A masked row passes dh and dc on bit for bit, and gives no gradient, whatever its gates hold.
func TestLSTMCellBackwardMasked(t *testing.T) {
	d := gputest.Device(t)
	v := newCell(source(t), 7)
	k := kernel.LSTMCellBackward{
		Gates: put(t, d, "gates", v.gates), Mask: put(t, d, "mask", v.mask), Cell: put(t, d, "c", v.c),
		DHidden: put(t, d, "dh", v.dh), DCell: put(t, d, "dc", v.dc),
		K: v.K, R: v.R, T: v.T, H: v.H, Step: v.step,
	}
	run(t, d, k)
	equal(t, "dh", get(t, k.DHidden), v.dh, v.R, v.H)
	equal(t, "dc", get(t, k.DCell), v.dc, v.R, v.H)
	from, to := v.gate(0)
	equal(t, "dz", get(t, k.Gates)[from:to], make([]float32, to-from), v.R, 4*v.H)
}

func BenchmarkLSTMCellBackward(b *testing.B) {
	b.Run("B=32/H=64", func(b *testing.B) {
		d, v := gputest.Device(b), newCell(source(b), 5)
		v.activated()
		k := kernel.LSTMCellBackward{
			Gates: put(b, d, "gates", v.gates), Mask: put(b, d, "mask", v.mask), Cell: put(b, d, "c", v.c),
			DHidden: put(b, d, "dh", v.dh), DCell: put(b, d, "dc", v.dc),
			K: 1, R: v.R, T: v.T, H: v.H, Step: v.step,
		}
		bench(b, d, 0, float64(4*v.R*v.H*(4+4+2+4)), k)
	})
}
