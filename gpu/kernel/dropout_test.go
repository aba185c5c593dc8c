package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/philox"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

func TestDropout(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		K, R, H, row0, offset, extra int // extra elements between the models
		rate                         float64
		train                        bool
	}{
		{"one unit", 1, 1, 1, 0, 0, 0, 0.5, true},
		{"ragged, second pass", 3, 7, 13, 7, 0, 0, 0.3, true},
		{"last slot of h", 3, 5, 21, 0, 4 * 5 * 21, 4 * 5 * 21, 0.3, true},
		{"production shape", 1, 32, 64, 0, 60 * 32 * 64, 0, 0.3, true},
		{"rate 0", 1, 4, 9, 0, 0, 0, 0, true},
		{"rate close to 1", 2, 16, 33, 3, 5, 2, 0.999, true},
		{"evaluation", 3, 7, 13, 0, 8, 1, 0.3, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				rng := source(t)
				n, steps, step := tc.R*tc.H, 3, 1
				stride := n + tc.extra
				x := randoms(rng, tc.offset+(tc.K-1)*stride+n, 2)
				var options, schedule []uint32
				var want []float32
				for range steps * tc.K * 4 {
					schedule = append(schedule, rng.Uint32N(1000))
				}
				for k := range tc.K {
					seed := rng.Uint64()
					options = append(options, optionsOf(model.Options{Seed: seed}, tc.rate, 0)...)
					in := x[tc.offset+k*stride:][:n]
					if !tc.train {
						want = append(want, in...)
						continue
					}
					time := schedule[(step*tc.K+k)*words.Schedule+words.Time]
					for _, v := range reference.Dropout(wide(in), 1, tc.H, uint32(tc.row0), time, 0, philox.Key(seed), tc.rate) {
						want = append(want, float32(v)) // the float64 product is exact, so this is its correct rounding
					}
				}
				out := blank[float32](t, d, "out", tc.K*n)
				run(t, d, kernel.Dropout{
					In: put(t, d, "in", x), Options: put(t, d, "options", options), Schedule: put(t, d, "schedule", schedule),
					Cursor: put(t, d, "cursor", []uint32{uint32(step)}), Out: out,
					K: tc.K, T: 1, R: tc.R, H: tc.H, W: tc.H, S: steps, Row0: tc.row0, InOffset: tc.offset, InStride: stride, InPitch: tc.H, OutPitch: tc.H,
					Below: below(tc.rate, tc.train), Scale: scale(tc.rate, tc.train),
				})
				equal(t, "out[K][R][H]", get(t, out), want, tc.K, tc.R, tc.H)
			})
		})
	}
}

// The parts of a layer's output, each from its own buffer, make what the whole makes; and the gradient's parts take it apart.
func TestDropoutParts(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		const K, R, row0, rate, time = 2, 5, 3, 0.3, 9
		parts := []int{7, 6, 1}
		const W = 14
		rng := source(t)
		var options, schedule []uint32
		var want []float32
		x := randoms(rng, K*R*W, 2)
		for k := range K {
			seed := rng.Uint64()
			options = append(options, optionsOf(model.Options{Seed: seed}, rate, 0)...)
			schedule = append(schedule, 0, 0, 0, time)
			for _, v := range reference.Dropout(wide(x[k*R*W:][:R*W]), 1, W, row0, time, 0, philox.Key(seed), rate) {
				want = append(want, float32(v))
			}
		}
		whole := kernel.Dropout{
			Options: put(t, d, "options", options), Schedule: put(t, d, "schedule", schedule), Cursor: put(t, d, "cursor", []uint32{0}),
			K: K, T: 1, R: R, W: W, S: 1, Row0: row0, Below: below(rate, true), Scale: scale(rate, true),
		}
		out := blank[float32](t, d, "out", K*R*W)
		for unit, i := 0, 0; i < len(parts); i++ {
			h := parts[i]
			one := make([]float32, 0, K*R*h)
			for row := range K * R {
				one = append(one, x[row*W+unit:][:h]...)
			}
			together := whole
			together.In, together.Out, together.H, together.Unit0 = put(t, d, "in", one), out, h, unit
			together.InStride, together.InPitch, together.OutOffset, together.OutPitch = R*h, h, unit, W
			apart := together
			apart.In, apart.InOffset, apart.InStride, apart.InPitch = put(t, d, "whole", x), unit, R*W, W
			apart.Out, apart.OutOffset, apart.OutPitch = blank[float32](t, d, "part", K*R*h), 0, h
			run(t, d, together, apart)
			got := get(t, apart.Out)
			for row := range K * R {
				equal(t, "out of a part", got[row*h:][:h], want[row*W+unit:][:h])
			}
			unit += h
		}
		equal(t, "out[K][R][W]", get(t, out), want, K, R, W)
	})
}

// below and scale are what a rate comes to in training.
func below(rate float64, train bool) uint32 {
	if !train {
		return 0
	}
	return philox.Below(rate)
}

func scale(rate float64, train bool) float32 {
	if !train {
		return 1
	}
	return float32(1 / (1 - rate))
}

// At each time step other units are dropped, and another layer drops others. In reverse the input's steps change places, not the draws.
func TestDropoutSteps(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		const T, R, H, row0, rate, time, layer, seed = 5, 3, 7, 2, 0.4, 11, 3, 99
		x := randoms(source(t), T*R*H, 2)
		k := kernel.Dropout{
			In: put(t, d, "in", x), Options: put(t, d, "options", optionsOf(model.Options{Seed: seed}, 0, 0)), Schedule: put(t, d, "schedule", []uint32{0, 0, 0, time}),
			Cursor: put(t, d, "cursor", []uint32{0}), K: 1, T: T, R: R, H: H, W: H, S: 1, Row0: row0, InPitch: H, OutPitch: H,
			Below: below(rate, true), Scale: scale(rate, true), Layer: layer,
		}
		for _, reverse := range []bool{false, true} {
			in := x
			if reverse {
				in = nil
				for step := T - 1; step >= 0; step-- {
					in = append(in, x[step*R*H:][:R*H]...)
				}
			}
			var want []float32
			for _, v := range reference.Dropout(wide(in), T, H, row0, time, layer, philox.Key(seed), rate) {
				want = append(want, float32(v))
			}
			k.Out, k.Reverse = blank[float32](t, d, "out", T*R*H), reverse
			run(t, d, k)
			equal(t, "out[T][R][H]", get(t, k.Out), want, T, R, H)
		}
	})
}

// Of many units the share dropped is the rate, within 5 standard deviations.
func TestDropoutRate(t *testing.T) {
	const R, H, rate = 256, 64, 0.3
	d := gputest.Device(t)
	x := make([]float32, R*H)
	for i := range x {
		x[i] = 1
	}
	out := blank[float32](t, d, "out", R*H)
	run(t, d, kernel.Dropout{
		In: put(t, d, "in", x), Options: put(t, d, "options", optionsOf(model.Options{Seed: 42}, rate, 0)),
		Schedule: put(t, d, "schedule", make([]uint32, 4)), Cursor: put(t, d, "cursor", []uint32{0}), Out: out, K: 1, T: 1, R: R, H: H, W: H, S: 1, Below: below(rate, true), Scale: scale(rate, true), InPitch: H, OutPitch: H,
	})
	dropped := 0
	for _, v := range get(t, out) {
		if v == 0 {
			dropped++
		}
	}
	if e := math.Abs(float64(dropped)-R*H*rate) / math.Sqrt(R*H*rate*(1-rate)); e > 5 {
		t.Errorf("%d of %d units dropped at rate %v: %.1f standard deviations off", dropped, R*H, rate, e)
	}
}

func BenchmarkDropout(b *testing.B) {
	b.Run("B=32/H=64", func(b *testing.B) {
		d := gputest.Device(b)
		bench(b, d, 0, 4*2*32*64, kernel.Dropout{
			In: put(b, d, "in", make([]float32, 32*64)), Options: put(b, d, "options", optionsOf(model.Options{}, 0.3, 0)),
			Schedule: put(b, d, "schedule", make([]uint32, 4)), Cursor: put(b, d, "cursor", []uint32{0}), Out: blank[float32](b, d, "out", 32*64),
			K: 1, T: 1, R: 32, H: 64, W: 64, S: 1, Below: below(0.3, true), Scale: scale(0.3, true), InPitch: 64, OutPitch: 64,
		})
	})
}
