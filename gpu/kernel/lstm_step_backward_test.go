package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// backwardTol bounds the errors of dz, dh and dc for gates in their ranges, |c| ≤ 2, |dc| ≤ 1, and |dh| ≤ 2, of which half is dh
// and what flows in, and half dz of the later step times recurrent_kernelᵀ, whose terms' sizes add up to 1 at most: 4H + 1 units
// for that sum, as many slices as 8 included, and 2 for adding it, 2 for what flows in. tanh(c') errs by 16 units of 2⁻²⁴ of its
// value, so 1 − tanh² by 2·tanh²·16 + 2; times o·dh, and with dc added, 2·34 + 2·2 + 4 = 76 for the gradient by c', which is at
// most 3 in size. It is multiplied by g·i·(1−i), c·f·(1−f), i·(1−g²) or f, none above 1, which takes at most four more roundings
// of at most 3: 90.
func backwardTol(h int) float64 { return (128 + float64(4*h+3)) * u }

// activated turns the gates at the step into such as lstm_step_forward leaves, and those of the later step into dz.
func (v *cell) activated() {
	for k := range v.K {
		from, to := v.gate(k, v.step)
		for i := from; i < to; i++ {
			g := &v.gates[i]
			if *g /= 2; i/v.H%4 != 2 {
				*g = (*g + 1) / 2
			}
		}
		if next := v.next(1); next >= 0 {
			from, to = v.gate(k, next)
			for i := from; i < to; i++ {
				if v.gates[i] /= 2; !v.valid(k, next)[(i-from)/(4*v.H)] {
					v.gates[i] = 0
				}
			}
		}
		for i := range v.kernel(k) {
			v.kernel(k)[i] /= 8 // of the sum's 4H terms each is at most 1/4H
		}
		a, b := v.after(k)
		copy(v.c[a:b], randoms(rand.New(rand.NewPCG(7, uint64(k))), b-a, 2))
	}
}

// flown adds to dh[R][H] of model k what flows into its valid rows.
func (v *cell) flown(k int, dh []float64) {
	for i := range dh {
		if v.flow != nil && (v.toMasked || v.valid(k, v.step)[i/v.H]) {
			dh[i] += float64(v.flow[(k*v.T+v.step)*v.R*v.H+i])
		}
	}
}

func (v *cell) backward(tb testing.TB, d *gpu.Device) kernel.LSTMStepBackward {
	rows, count := ordered(v.mask, v.K*v.T, v.R)
	step := kernel.LSTMStepBackward{
		Gates: put(tb, d, "gates", v.gates), Rows: put(tb, d, "rows", rows), Count: put(tb, d, "count", count), Mask: put(tb, d, "mask", v.mask),
		Params: put(tb, d, "params", v.params), Cell: put(tb, d, "c", v.c), DHidden: put(tb, d, "dh", v.dh), DCell: put(tb, d, "dc", v.dc),
		K: v.K, R: v.R, T: v.T, H: v.H, P: v.P, KernelOffset: v.offset, Step: v.step, Reverse: v.reverse, Relu: v.relu, FlowsToMasked: v.toMasked,
	}
	if v.flow != nil {
		step.Flow = put(tb, d, "flow", v.flow)
	}
	return step
}

func TestLSTMStepBackward(t *testing.T) {
	forCells(t, func(t *testing.T, d *gpu.Device, v cell) {
		v.activated()
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
			z, dh0, dc0 := reference.LSTMStepBackward(v.act(), wide(v.gates[from:to]), wide(v.c[a:b]), wide(v.c[e:f]), v.valid(k, v.step), later, wide(v.kernel(k)), dh[i:j], dc[i:j])
			dz = append(dz, z)
			copy(dh[i:j], dh0)
			copy(dc[i:j], dc0)
		}
		k := v.backward(t, d)
		run(t, d, k)
		tol := backwardTol(v.H)
		if v.relu {
			tol *= 2 // relu(c) is at most 2, where a tanh is 1
		}
		v.near(t, "dz[R][4H]", get(t, k.Gates), v.gates, func(k int) (int, int) { return v.gate(k, v.step) }, func(k int) []float64 { return dz[k] }, tol, v.R, 4*v.H)
		gputest.Near(t, "dh[K][R][H]", get(t, k.DHidden), dh, tol, v.K, v.R, v.H)
		gputest.Near(t, "dc[K][R][H]", get(t, k.DCell), dc, tol, v.K, v.R, v.H)
		for i, g := range get(t, k.DHidden) { // to which the step before adds
			k, r := i/v.H/v.R, i/v.H%v.R
			if v.valid(k, v.step)[r] && g != 0 {
				t.Fatalf("dh[%d][%d][%d] = %v after a valid step, want 0", k, r, i%v.H, g)
			}
		}
	})
}

// A row that is masked at the step and at the later one passes dh and dc on bit for bit, and gives no gradient, whatever its gates
// hold.
func TestLSTMStepBackwardMasked(t *testing.T) {
	d := gputest.Device(t)
	v := newCell(source(t), cellCase{K: 1, R: 32, T: 3, H: 64, step: 1, masked: 1})
	for i := range v.gates {
		v.gates[i] = 3e38
	}
	k := v.backward(t, d)
	run(t, d, k)
	equal(t, "dh", get(t, k.DHidden), v.dh, v.R, v.H)
	equal(t, "dc", get(t, k.DCell), v.dc, v.R, v.H)
	from, to := v.gate(0, v.step)
	equal(t, "dz", get(t, k.Gates)[from:to], make([]float32, to-from), v.R, 4*v.H)
}

// The kernel reads vectors of parameters, so they must lie at multiples of 4.
func TestLSTMStepBackwardPanics(t *testing.T) {
	d := gputest.Device(t)
	for name, spoil := range map[string]func(*kernel.LSTMStepBackward){
		"offset": func(k *kernel.LSTMStepBackward) { k.KernelOffset++ },
		"P":      func(k *kernel.LSTMStepBackward) { k.P++ },
		"step":   func(k *kernel.LSTMStepBackward) { k.Step = k.T },
	} {
		t.Run(name, func(t *testing.T) {
			v := newCell(source(t), cellCase{K: 1, R: 32, T: 3, H: 64, step: 2, masked: 0.25})
			k := v.backward(t, d)
			spoil(&k)
			rec := d.NewRecording("panics")
			defer rec.Free()
			defer func() {
				if recover() == nil {
					t.Error("Record did not panic")
				}
			}()
			k.Record(rec)
		})
	}
}

func BenchmarkLSTMStepBackward(b *testing.B) {
	for _, s := range stepShapes {
		b.Run(fmt.Sprintf("B=%d/H=%d", s[0], s[1]), func(b *testing.B) {
			d, v := gputest.Device(b), benchCell(b, s)
			bench(b, d, float64(8*v.R*v.H*v.H), float64(4*v.H*(4*v.H+v.R*(4+4+4+2+4))), v.backward(b, d))
		})
	}
}
