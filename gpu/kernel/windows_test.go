package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/shaders/words"
)

// windows are loaded windows, and a step that takes some of them: what mask, gather, time_warp and augment start from.
type windows struct {
	K, R, B, T, F, N int
	S, step          int // steps of the epoch, and the current one
	row0             int
	chunks           []int    // first window of each chunk
	raw              []uint32 // raw[N][T][F], bits
	order            []uint32 // order_window[S][K][B]
	opts             []model.Options
	epochs           []uint32
	tables           augment.Tables
}

// windowCase is a shape that the input kernels are tested on.
type windowCase struct {
	name                   string
	K, R, B, T, F, N, row0 int
	chunks                 []int // first window of each
	aug                    model.Augment
}

var windowCases = []windowCase{
	{name: "one cell", K: 1, R: 1, B: 1, T: 1, F: 1, N: 6, chunks: []int{0},
		aug: model.Augment{Prob: 1, Warp: 0.5, Noise: 0.1, Drop: 0.3}},
	{name: "two steps, one feature", K: 1, R: 7, B: 7, T: 2, F: 1, N: 9, chunks: []int{0, 4},
		aug: model.Augment{Prob: 1, Warp: 0.9, Noise: 0.05, Drop: 0.1}},
	{name: "ragged, second pass, three chunks", K: 3, R: 5, B: 11, T: 7, F: 3, N: 40, row0: 6, chunks: []int{0, 13, 14},
		aug: model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}},
	{name: "production shape", K: 1, R: 32, B: 32, T: 60, F: 6, N: 100, chunks: []int{0, 50},
		aug: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}},
	{name: "three models, 17 features", K: 3, R: 4, B: 9, T: 31, F: 17, N: 30, row0: 5, chunks: []int{0},
		aug: model.Augment{Prob: 1, Warp: 0.9, Noise: 0.5, Drop: 0.5}},
	{name: "no augmentation", K: 3, R: 8, B: 8, T: 13, F: 6, N: 20, chunks: []int{0, 7}},
	{name: "all cells dropped", K: 1, R: 3, B: 3, T: 5, F: 2, N: 10, chunks: []int{0},
		aug: model.Augment{Prob: 1, Drop: 1}},
	{name: "one triplet, moved", K: 1, R: 9, B: 9, T: 3, F: 3, N: 12, chunks: []int{0},
		aug: model.Augment{MoveProb: 1, Rotate: 180, Triplets: 1}},
	{name: "shifted by up to all but a step", K: 1, R: 9, B: 9, T: 10, F: 2, N: 20, chunks: []int{0, 11},
		aug: model.Augment{Prob: 0.5, Noise: 0.1, MoveProb: 1, Shift: 0.9}},
	{name: "two triplets and a feature, moved and warped, three models", K: 3, R: 5, B: 11, T: 17, F: 7, N: 40, row0: 6, chunks: []int{0, 13, 14},
		aug: model.Augment{Prob: 0.7, Warp: 0.2, Noise: 0.07, Drop: 0.1, MoveProb: 0.7, Shift: 0.35, Magnitude: 0.4, Rotate: 60, Triplets: 2}},
	{name: "production shape, moved", K: 1, R: 32, B: 32, T: 60, F: 6, N: 100, chunks: []int{0, 50},
		aug: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, MoveProb: 1, Shift: 0.1, Magnitude: 0.1, Rotate: 30, Triplets: 2}},
}

// newWindows makes windows with missing cells, masked steps, and the places of the step partly empty.
func newWindows(rng *rand.Rand, c windowCase) windows {
	w := windows{K: c.K, R: c.R, B: c.B, T: c.T, F: c.F, N: c.N, S: 3, step: 1, row0: c.row0, chunks: c.chunks}
	nans := []uint32{0x7fc00000, 0xffc00000, 0x7f800001, 0x7fffffff, 0xff812345}
	for n := range w.N {
		lost := rng.IntN(2 * w.F) // this feature is missing throughout
		for range w.T {
			masked := rng.IntN(5) == 0
			for f := range w.F {
				v := math.Float32bits(float32(rng.NormFloat64()))
				switch {
				case n == 0 || masked && rng.IntN(3) > 0:
					v = uint32(rng.IntN(2)) << 31 // ±0
				case n == 1 || masked || f == lost || rng.IntN(6) == 0:
					v = nans[rng.IntN(len(nans))]
				case rng.IntN(8) == 0:
					v = 0 // a zero beside other values is a value
				}
				w.raw = append(w.raw, v)
			}
		}
	}
	for range w.S * w.K * w.B {
		v := uint32(rng.IntN(w.N))
		if rng.IntN(5) == 0 {
			v = words.NoWindow
		}
		w.order = append(w.order, v)
	}
	for k := range w.K {
		o := model.Options{Augment: c.aug, Seed: rng.Uint64()}
		o.Augment.Rotate /= float64(k + 1)
		if k == 1 && c.aug.Triplets > 1 {
			o.Augment.Triplets--
		}
		if k != 1 { // model 1 is unscaled
			o.Scaling = model.Scaling{Offset: randoms(rng, w.F, 1), Factor: randoms(rng, w.F, 2), Low: make([]float32, w.F), High: make([]float32, w.F)}
			for f := range w.F {
				o.Scaling.Low[f], o.Scaling.High[f] = -rng.Float32(), rng.Float32()
			}
		}
		w.opts, w.epochs = append(w.opts, o), append(w.epochs, rng.Uint32N(100))
	}
	w.tables = augment.NewTables(w.T, c.aug)
	return w
}

// at is the window at row r of the pass for model k, words.NoWindow for none.
func (w *windows) at(k, r int) uint32 { return w.order[(w.step*w.K+k)*w.B+w.row0+r] }

// values are window n's measured values [T][F].
func (w *windows) values(n uint32) []float32 {
	out := make([]float32, w.T*w.F)
	for i := range out {
		out[i] = math.Float32frombits(w.raw[int(n)*w.T*w.F+i])
	}
	return out
}

// input is what package augment makes of the step: x[K][T][R][F] as bits, and mask[K][T][R]. With change, it sets the
// options first.
func (w *windows) input(train bool, change func(*model.Augment)) (x, mask []uint32) {
	x, mask = make([]uint32, w.K*w.T*w.R*w.F), make([]uint32, w.K*w.T*w.R)
	for k := range w.K {
		o := w.opts[k]
		if change != nil {
			change(&o.Augment)
		}
		in := augment.NewInput(model.Chain{T: w.T, F: w.F, Masked: true}, o, w.tables)
		for r := range w.R {
			n := w.at(k, r)
			if n == words.NoWindow {
				continue
			}
			cells, valid := make([]float32, w.T*w.F), make([]bool, w.T)
			in.Window(cells, valid, w.values(n), train, n, w.epochs[k])
			for t := range w.T {
				row := (k*w.T+t)*w.R + r
				if valid[t] {
					mask[row] = 1
				}
				copy(x[row*w.F:(row+1)*w.F], bits(cells[t*w.F:(t+1)*w.F]))
			}
		}
	}
	return x, mask
}

// gathered is what gather makes of the step: of windows that are moved what package augment makes of them when it does not vary
// them, of the others what this loop does.
func (w *windows) gathered(train bool) []uint32 {
	x := make([]uint32, w.K*w.T*w.R*w.F)
	for i := range x {
		x[i] = 0x7fc00000
	}
	for k := range w.K {
		s := w.opts[k].Scaling.Fill(w.F)
		o := w.opts[k]
		o.Augment.Prob = 0
		in := augment.NewInput(model.Chain{T: w.T, F: w.F, Masked: true}, o, w.tables)
		for r := range w.R {
			n := w.at(k, r)
			if n == words.NoWindow {
				continue
			}
			raw := w.values(n)
			if moved := make([]float32, w.T*w.F); train && in.Augmented(moved, raw, n, w.epochs[k]) {
				for i, b := range bits(moved) {
					x[((k*w.T+i/w.F)*w.R+r)*w.F+i%w.F] = b
				}
				continue
			}
			for t := range w.T {
				if !augment.Valid(raw[t*w.F:(t+1)*w.F], 0) {
					continue
				}
				for f := range w.F {
					if v := raw[t*w.F+f]; v == v {
						x[((k*w.T+t)*w.R+r)*w.F+f] = math.Float32bits(float32(v-s.Offset[f]) * s.Factor[f])
					}
				}
			}
		}
	}
	return x
}

// device are the windows' buffers.
type device struct {
	raw, valid                                       []gpu.Buffer[uint32] // of each chunk
	order, options, cursor, x, warped, mask, present gpu.Buffer[uint32]
	scaling, quantile, reciprocal, turns             gpu.Buffer[float32]
	maskKernel, gatherKernel, warpKernel, varied     []recorder
}

// upload puts the windows on the device and makes the kernels; x and what follows it hold canaries.
func (w *windows) upload(tb testing.TB, d *gpu.Device, train bool) device {
	var v device
	cells := w.K * w.T * w.R * w.F
	v.x, v.warped = blank[uint32](tb, d, "x", cells), blank[uint32](tb, d, "warped", cells)
	v.mask, v.present = blank[uint32](tb, d, "mask", w.K*w.T*w.R), blank[uint32](tb, d, "present", w.K*w.R)
	v.order = put(tb, d, "order", w.order)
	v.cursor = put(tb, d, "cursor", []uint32{uint32(w.step)})
	v.quantile, v.reciprocal = put(tb, d, "quantile", w.tables.Quantile), put(tb, d, "reciprocal", w.tables.Reciprocal)
	var options []uint32
	var scaling []float32
	turns := slices.Clone(w.tables.Axis)
	for k, o := range w.opts {
		options = append(options, optionsOf(o, 0, w.epochs[k])...)
		turns = append(turns, augment.AngleTable(o.Augment.Rotate)...)
		s := o.Scaling.Fill(w.F)
		for _, a := range [][]float32{s.Offset, s.Factor, s.Low, s.High} {
			scaling = append(scaling, a...)
		}
	}
	v.turns = put(tb, d, "turns", turns)
	v.options, v.scaling = put(tb, d, "options", options), put(tb, d, "scaling", scaling)
	for i, first := range w.chunks {
		end := w.N
		if i+1 < len(w.chunks) {
			end = w.chunks[i+1]
		}
		raw := put(tb, d, "raw", w.raw[first*w.T*w.F:end*w.T*w.F])
		valid := blank[uint32](tb, d, "valid", (end-first)*w.T)
		v.raw, v.valid = append(v.raw, raw), append(v.valid, valid)
		v.maskKernel = append(v.maskKernel, kernel.Mask{Raw: raw, Valid: valid, N: end - first, T: w.T, F: w.F, Masked: true})
		v.gatherKernel = append(v.gatherKernel, kernel.Gather{
			Raw: raw, Valid: valid, OrderWindow: v.order, Scaling: v.scaling, Cursor: v.cursor,
			Options: v.options, Turns: v.turns, X: v.x,
			K: w.K, R: w.R, B: w.B, T: w.T, F: w.F, S: w.S, Row0: w.row0, ChunkFirst: first, ChunkCount: end - first, Train: train,
		})
	}
	v.warpKernel = []recorder{kernel.TimeWarp{
		X: v.x, OrderWindow: v.order, Options: v.options, Reciprocal: v.reciprocal, Cursor: v.cursor, Out: v.warped,
		K: w.K, R: w.R, B: w.B, T: w.T, F: w.F, S: w.S, Row0: w.row0,
	}}
	v.varied = []recorder{kernel.Augment{
		X: v.x, OrderWindow: v.order, Options: v.options, Scaling: v.scaling, Quantile: v.quantile, Cursor: v.cursor, Mask: v.mask, Present: v.present, Masked: true,
		K: w.K, R: w.R, B: w.B, T: w.T, F: w.F, S: w.S, Row0: w.row0, Train: train,
	}}
	return v
}

// forWindows runs f on every case and both devices.
func forWindows(t *testing.T, f func(t *testing.T, d *gpu.Device, w windows)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, c := range windowCases {
			t.Run(c.name, func(t *testing.T) { f(t, d, newWindows(source(t), c)) })
		}
	})
}

// benchWindows are 32 windows of the production shape out of 1,000.
func benchWindows(b *testing.B) windows {
	w := newWindows(source(b), windowCase{K: 1, R: 32, B: 32, T: 60, F: 6, N: 100, chunks: []int{0, 50}, aug: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}})
	w.N, w.chunks = 1000, []int{0}
	for len(w.raw) < w.N*w.T*w.F {
		w.raw = append(w.raw, w.raw...)
	}
	w.raw = w.raw[:w.N*w.T*w.F]
	for i := range w.opts {
		w.opts[i].Augment.Prob = 1
	}
	return w
}
