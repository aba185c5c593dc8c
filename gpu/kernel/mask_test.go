package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestMask(t *testing.T) {
	forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
		v := w.upload(t, d, false)
		run(t, d, v.maskKernel...)
		var got []uint32
		for _, b := range v.valid {
			got = append(got, get(t, b)...)
		}
		raw := make([]float32, len(w.raw))
		for i, bits := range w.raw {
			raw[i] = math.Float32frombits(bits)
		}
		want := make([]uint32, w.N*w.T)
		for i, valid := range reference.Mask(raw, w.F) {
			if valid {
				want[i] = 1
			}
		}
		equal(t, "valid[N][T]", got, want, w.N, w.T)
	})
}

// One step of two features for every kind of number: only ±0 and NaN do not count.
func TestMaskValues(t *testing.T) {
	cases := []struct{ bits, want uint32 }{
		{0, 0}, {0x80000000, 0}, {0x7fc00000, 0}, {0xffc00000, 0}, {0x7f800001, 0}, {0xffffffff, 0},
		{0x3f800000, 1}, {0xbf800000, 1}, {1, 1}, {0x80000001, 1}, {0x00800000, 1}, {0x7f7fffff, 1}, {0x7f800000, 1},
	}
	var raw, want []uint32
	for _, c := range cases {
		raw, want = append(raw, c.bits, 0x80000000, 0x7fc00000, c.bits), append(want, c.want, c.want)
	}
	d := gputest.Device(t)
	valid := blank[uint32](t, d, "valid", len(want))
	run(t, d, kernel.Mask{Raw: put(t, d, "raw", raw), Valid: valid, N: len(cases), T: 2, F: 2, Masked: true})
	equal(t, "valid", get(t, valid), want, len(cases), 2)
}

// Of another value and of none: 0 is a value like others then, and without a mask all steps count.
func TestMaskOf(t *testing.T) {
	d := gputest.Device(t)
	nan := float32(math.NaN())
	x := []float32{-1, -1, -1, 0, 0, 0, -1, nan, nan, nan, float32(math.Copysign(0, -1)), 0}
	for _, tc := range []struct {
		kernel.Mask
		want []uint32
	}{
		{kernel.Mask{Masked: true, Value: -1}, []uint32{0, 1, 1, 0, 0, 1}},
		{kernel.Mask{Masked: true, Value: float32(math.Copysign(0, -1))}, []uint32{1, 1, 0, 1, 0, 0}},
		{kernel.Mask{Value: -1}, []uint32{1, 1, 1, 1, 1, 1}},
	} {
		k := tc.Mask
		k.Raw, k.Valid, k.N, k.T, k.F = put(t, d, "raw", bits(x)), blank[uint32](t, d, "valid", 6), 3, 2, 2
		run(t, d, k)
		equal(t, "valid", get(t, k.Valid), tc.want, 3, 2)
		for i, valid := range reference.MaskOf(x, 2, k.Value) {
			if k.Masked && valid != (tc.want[i] == 1) {
				t.Errorf("the reference says %v of step %d, masked by %v", valid, i, k.Value)
			}
		}
	}
}

func BenchmarkMask(b *testing.B) {
	b.Run("N=1000/T=60/F=6", func(b *testing.B) {
		w, d := benchWindows(b), gputest.Device(b)
		bench(b, d, 0, float64(4*w.N*w.T*(w.F+1)), w.upload(b, d, false).maskKernel...)
	})
}
