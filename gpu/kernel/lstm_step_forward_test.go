package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

// cellTol bounds the errors of gates, h and c for an exact |z| ≤ 4, |c| ≤ 2, in absolute terms. A sigmoid errs by 12 + 4|z|
// units of its value at most, which over |z| ≤ 4 never exceeds 14 units of 2⁻²⁴ absolute; a tanh by 16 (TestActivations).
// c' = f·c + i·g: 2·14 + 14 + 16 and 4 for products and sum, 62; h' = o·tanh(c'): 62 + 16 + 14 and 1, 93.
const cellTol = 128 * u

// forwardTol is cellTol where z = z of the input + h·recurrent_kernel, with Σ|h·recurrent_kernel| ≤ 2: z errs by
// e = 2(H + 1) + 4 units. A sigmoid passes a quarter of that on, a tanh all: c' errs by 2·e/4 + e/4 + e more, h' by e/4 more
// than that.
func forwardTol(h int) float64 { return cellTol + 2*float64(2*(h+1)+4)*u }

// cell is the state around one LSTM step of K models.
type cell struct {
	K, R, T, H, step int
	P, offset        int       // of a model's parameters, and where recurrent_kernel starts in them
	gates            []float32 // [K][T][R][4H]
	mask             []uint32  // [K][T][R]
	h, c             []float32 // [K][T+1][R][H]
	dh, dc           []float32 // [K][R][H]
	params           []float32 // [K][P]
	reverse          bool
	flow             []float32 // [K][T][R][H], or nil
	relu, toMasked   bool      // relu in place of tanh; flow goes into masked rows too
}

// act is the cell's activation.
func (v *cell) act() model.Activation {
	if v.relu {
		return model.Relu
	}
	return model.Tanh
}

// cellCase is a shape of both step kernels.
type cellCase struct {
	name             string
	K, R, T, H, step int
	masked           float64 // share of masked rows
	reverse, flows   bool
	relu, toMasked   bool
}

var cellCases = []cellCase{
	{name: "one unit", K: 1, R: 1, T: 1, H: 1},
	{name: "one masked unit", K: 1, R: 1, T: 1, H: 1, masked: 1},
	{name: "one unit, later", K: 2, R: 3, T: 2, H: 1, step: 1, masked: 0.3},
	{name: "last group partly idle", K: 1, R: 3, T: 2, H: 21, step: 1},
	{name: "three models, primes, half masked", K: 3, R: 7, T: 5, H: 13, step: 3, masked: 0.5},
	{name: "first step of three models", K: 3, R: 5, T: 4, H: 11, masked: 0.3},
	{name: "production shape", K: 1, R: 32, T: 3, H: 64, step: 2, masked: 0.25},
	{name: "all rows masked", K: 1, R: 32, T: 3, H: 64, step: 1, masked: 1},
	{name: "three models of the production shape", K: 3, R: 32, T: 3, H: 64, step: 1, masked: 0.25},
	{name: "a tile and one", K: 1, R: 17, T: 3, H: 65, step: 1, masked: 0.1},
	{name: "129 units, most rows masked", K: 2, R: 50, T: 3, H: 129, step: 1, masked: 0.8},
	{name: "256 units", K: 1, R: 20, T: 3, H: 256, step: 1, masked: 0.2},
	{name: "tiles of 32", K: 4, R: 300, T: 3, H: 130, step: 1, masked: 0.5},
	{name: "tiles of 64", K: 4, R: 420, T: 3, H: 132, step: 1, masked: 0.5},
	{name: "flow into the last step", K: 2, R: 7, T: 4, H: 13, step: 3, masked: 0.5, flows: true},
	{name: "flow into the first step", K: 2, R: 7, T: 4, H: 12, masked: 0.5, flows: true},
	{name: "in reverse, its first step", K: 2, R: 7, T: 4, H: 13, step: 3, masked: 0.5, reverse: true, flows: true},
	{name: "in reverse, its last step", K: 2, R: 7, T: 4, H: 12, masked: 0.5, reverse: true},
	{name: "in reverse, in between, three models", K: 3, R: 33, T: 5, H: 21, step: 2, masked: 0.3, reverse: true, flows: true},
	{name: "relu", K: 2, R: 9, T: 4, H: 21, step: 2, masked: 0.3, flows: true, relu: true},
	{name: "relu, tiles of 64, in reverse", K: 4, R: 420, T: 3, H: 132, step: 1, masked: 0.5, reverse: true, relu: true},
	{name: "flow into masked steps", K: 2, R: 7, T: 4, H: 13, step: 1, masked: 0.5, reverse: true, flows: true, toMasked: true},
	{name: "one step in reverse", K: 1, R: 5, T: 1, H: 4, masked: 0.3, reverse: true, flows: true},
}

// newCell fills a cell; gates holds the input's part of z in ±2. What a step must not read is NaN: parameters but the recurrent
// kernel, and h and c of other steps.
func newCell(rng *rand.Rand, s cellCase) cell {
	v := cell{K: s.K, R: s.R, T: s.T, H: s.H, step: s.step, relu: s.relu, toMasked: s.toMasked, offset: 12, P: (12+4*s.H*s.H+3)/4*4 + 8, reverse: s.reverse}
	v.gates = randoms(rng, v.K*v.T*v.R*4*v.H, 2)
	v.h, v.c = nans(v.K*(v.T+1)*v.R*v.H), nans(v.K*(v.T+1)*v.R*v.H)
	v.dh, v.dc = randoms(rng, v.K*v.R*v.H, 1), randoms(rng, v.K*v.R*v.H, 1)
	v.params = nans(v.K * v.P)
	for k := range v.K {
		a, b := v.before(k)
		copy(v.h[a:b], randoms(rng, b-a, 1))
		copy(v.c[a:b], randoms(rng, b-a, 2))
		if v.next(-1) < 0 {
			clear(v.h[a:b])
		}
		copy(v.kernel(k), randoms(rng, 4*v.H*v.H, 2/float64(v.H)))
	}
	for range v.K * v.T * v.R {
		bit := uint32(1)
		if rng.Float64() < s.masked {
			bit = 0
		}
		v.mask = append(v.mask, bit)
	}
	if !s.flows {
		return v
	}
	for i := range v.dh {
		v.dh[i] /= 2 // with what flows in at most 1 in size
	}
	v.flow = nans(v.K * v.T * v.R * v.H) // what flows into masked rows and other steps is not read
	for k := range v.K {
		for r, valid := range v.valid(k, v.step) {
			if valid || v.toMasked {
				copy(v.flow[((k*v.T+v.step)*v.R+r)*v.H:], randoms(rng, v.H, 0.5))
			}
		}
	}
	return v
}

// nans are n NaN.
func nans(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(math.NaN())
	}
	return out
}

// gate is the part of gates[K][T][R][4H] of model k at step t; state is slot t of [K][T+1][R][H]; kernel is recurrent_kernel.
func (v *cell) gate(k, t int) (from, to int) {
	n := v.R * 4 * v.H
	return (k*v.T + t) * n, (k*v.T + t + 1) * n
}

func (v *cell) state(k, t int) (from, to int) {
	n := v.R * v.H
	return (k*(v.T+1) + t) * n, (k*(v.T+1) + t + 1) * n
}

// before and after are the slots of h and c on either side of the step.
func (v *cell) before(k int) (from, to int) { return v.state(k, v.step+btoi(v.reverse)) }
func (v *cell) after(k int) (from, to int)  { return v.state(k, v.step+btoi(!v.reverse)) }

// next is the step that is taken n steps after the cell's, and −1 where there is none.
func (v *cell) next(n int) int {
	if v.reverse {
		n = -n
	}
	if t := v.step + n; t < v.T {
		return t
	}
	return -1
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v *cell) kernel(k int) []float32 { return v.params[k*v.P+v.offset:][:4*v.H*v.H] }

// valid is step t's mask of model k.
func (v *cell) valid(k, t int) []bool {
	out := make([]bool, v.R)
	for r := range out {
		out[r] = v.mask[(k*v.T+t)*v.R+r] != 0
	}
	return out
}

// forward is the kernel with the cell in its buffers.
func (v *cell) forward(tb testing.TB, d *gpu.Device) kernel.LSTMStepForward {
	rows, count := ordered(v.mask, v.K*v.T, v.R)
	return kernel.LSTMStepForward{
		Gates: put(tb, d, "gates", v.gates), Rows: put(tb, d, "rows", rows), Count: put(tb, d, "count", count), Params: put(tb, d, "params", v.params),
		Hidden: put(tb, d, "h", v.h), Cell: put(tb, d, "c", v.c),
		K: v.K, R: v.R, T: v.T, H: v.H, P: v.P, KernelOffset: v.offset, Step: v.step, Reverse: v.reverse, Relu: v.relu,
	}
}

// forCells runs f on every case and both devices.
func forCells(t *testing.T, f func(t *testing.T, d *gpu.Device, v cell)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, s := range cellCases {
			t.Run(s.name, func(t *testing.T) { f(t, d, newCell(source(t), s)) })
		}
	})
}

// near compares the part of got that a step writes, and what it must leave as it was, bit for bit.
func (v *cell) near(t *testing.T, name string, got, before []float32, part func(k int) (from, to int), want func(k int) []float64, tol float64, shape ...int) {
	t.Helper()
	for k := range v.K {
		from, to := part(k)
		gputest.Near(t, fmt.Sprintf("%s of model %d", name, k), got[from:to], want(k), tol, shape...)
		copy(got[from:to], before[from:to])
	}
	equal(t, name+" elsewhere", got, before)
}

func TestLSTMStepForward(t *testing.T) {
	forCells(t, func(t *testing.T, d *gpu.Device, v cell) {
		gates, h, c := make([][]float64, v.K), make([][]float64, v.K), make([][]float64, v.K)
		for k := range v.K {
			from, to := v.gate(k, v.step)
			a, b := v.before(k)
			gates[k], h[k], c[k] = reference.LSTMStepForward(v.act(), wide(v.gates[from:to]), v.valid(k, v.step), wide(v.kernel(k)), wide(v.h[a:b]), wide(v.c[a:b]))
		}
		k := v.forward(t, d)
		run(t, d, k)
		tol := forwardTol(v.H)
		if v.relu {
			tol *= 8 // g is at most 6, and relu(c) 8, where a tanh is 1
		}
		v.near(t, "gates[R][4H]", get(t, k.Gates), v.gates, func(k int) (int, int) { return v.gate(k, v.step) }, func(k int) []float64 { return gates[k] }, tol, v.R, 4*v.H)
		v.near(t, "h[R][H]", get(t, k.Hidden), v.h, v.after, func(k int) []float64 { return h[k] }, tol, v.R, v.H)
		v.near(t, "c[R][H]", get(t, k.Cell), v.c, v.after, func(k int) []float64 { return c[k] }, tol, v.R, v.H)
	})
}

// A masked row keeps its state bit for bit, whatever z holds, and its gates are +0.
func TestLSTMStepForwardMasked(t *testing.T) {
	d := gputest.Device(t)
	v := newCell(source(t), cellCase{K: 1, R: 32, T: 3, H: 64, step: 1, masked: 1})
	for i := range v.gates {
		v.gates[i] = 3e38
	}
	k := v.forward(t, d)
	run(t, d, k)
	a, b := v.state(0, v.step)
	c, e := v.state(0, v.step+1)
	equal(t, "h", get(t, k.Hidden)[c:e], v.h[a:b], v.R, v.H)
	equal(t, "c", get(t, k.Cell)[c:e], v.c[a:b], v.R, v.H)
	from, to := v.gate(0, v.step)
	equal(t, "gates", get(t, k.Gates)[from:to], make([]float32, to-from), v.R, 4*v.H)
}

// A row that is masked in a tile with others is not read: what it holds cannot spoil them.
func TestLSTMStepForwardMaskedRowIsNotRead(t *testing.T) {
	d := gputest.Device(t)
	v := newCell(source(t), cellCase{K: 1, R: 32, T: 3, H: 64, step: 2, masked: 0.25})
	a, _ := v.state(0, v.step)
	for r, valid := range v.valid(0, v.step) {
		if !valid {
			copy(v.h[a+r*v.H:], nans(v.H))
		}
	}
	k := v.forward(t, d)
	run(t, d, k)
	b, _ := v.state(0, v.step+1)
	h := get(t, k.Hidden)
	for r, valid := range v.valid(0, v.step) {
		for i, x := range h[b+r*v.H:][:v.H] {
			if valid == (x != x) {
				t.Fatalf("h[%d][%d] = %v, row valid: %v", r, i, x, valid)
			}
		}
	}
}

// Saturated gates give their limits, not infinities.
func TestLSTMStepForwardSaturated(t *testing.T) {
	d := gputest.Device(t)
	v := cell{K: 1, R: 1, T: 1, H: 4, P: 64, mask: []uint32{1}, h: make([]float32, 8), c: []float32{1, 1, 1, 1, 0, 0, 0, 0}, params: make([]float32, 64)}
	v.gates = []float32{
		1e4, -1e4, 3e38, -3e38, // i
		1e4, 1e4, -1e4, -3e38, // f
		1e4, -1e4, -3e38, 3e38, // c
		1e4, -1e4, 3e38, 100, // o
	}
	k := v.forward(t, d)
	run(t, d, k)
	gputest.Near(t, "gates", get(t, k.Gates), []float64{1, 0, 1, 0, 1, 1, 0, 0, 1, -1, -1, 1, 1, 0, 1, 1}, 0, 4, 4)
	gputest.Near(t, "c", get(t, k.Cell)[4:], []float64{2, 1, -1, 0}, 0)
}

// stepShapes are B and H of DESIGN's measurements.
var stepShapes = [][2]int{{32, 64}, {64, 128}, {256, 256}, {256, 512}, {128, 1024}}

// benchCell is one step in the middle of three, without a mask.
func benchCell(b *testing.B, shape [2]int) cell {
	v := cell{K: 1, R: shape[0], T: 3, H: shape[1], step: 1}
	v.P = 4 * v.H * v.H
	v.gates, v.params = make([]float32, v.T*v.R*4*v.H), make([]float32, v.P)
	v.h, v.c = make([]float32, (v.T+1)*v.R*v.H), make([]float32, (v.T+1)*v.R*v.H)
	v.dh, v.dc = make([]float32, v.R*v.H), make([]float32, v.R*v.H)
	for range v.T * v.R {
		v.mask = append(v.mask, 1)
	}
	return v
}

func BenchmarkLSTMStepForward(b *testing.B) {
	for _, s := range stepShapes {
		b.Run(fmt.Sprintf("B=%d/H=%d", s[0], s[1]), func(b *testing.B) {
			d, v := gputest.Device(b), benchCell(b, s)
			bench(b, d, float64(8*v.R*v.H*v.H), float64(4*v.H*(4*v.H+v.R*(4+4+2+1+1))), v.forward(b, d))
		})
	}
}
