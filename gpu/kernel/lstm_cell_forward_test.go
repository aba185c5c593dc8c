package kernel_test

import (
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// cellTol bounds the errors of gates, h and c for |z| ≤ 4, |c| ≤ 2, in absolute terms. A sigmoid errs by 12 + 4|z|
// units of its value at most, which over |z| ≤ 4 never exceeds 14 units of 2⁻²⁴ absolute; a tanh by 16 (TestActivations).
// c' = f·c + i·g: 2·14 + 14 + 16 and 4 for products and sum, 62; h' = o·tanh(c'): 62 + 16 + 14 and 1, 93.
const cellTol = 128 * u

// cell is the state around one LSTM step of K models.
type cell struct {
	K, R, T, H, step int
	gates            []float32 // [K][T][R][4H]
	mask             []uint32  // [K][T][R]
	h, c             []float32 // [K][T+1][R][H]
	dh, dc           []float32 // [K][R][H]
}

// cellCases are the shapes of both cell kernels.
var cellCases = []struct {
	name             string
	K, R, T, H, step int
	masked           float64 // share of masked rows
}{
	{"one unit", 1, 1, 1, 1, 0, 0},
	{"one masked unit", 1, 1, 1, 1, 0, 1},
	{"last group partly idle", 1, 3, 2, 21, 1, 0},
	{"three models, primes, half masked", 3, 7, 5, 13, 3, 0.5},
	{"first step of three models", 3, 5, 4, 11, 0, 0.3},
	{"production shape", 1, 32, 3, 64, 2, 0.25},
	{"three models of the production shape", 3, 32, 2, 64, 0, 0.25},
	{"all rows masked", 1, 32, 2, 64, 1, 1},
}

// newCell fills a cell; gates holds pre-activations in ±4.
func newCell(rng *rand.Rand, i int) cell {
	s := cellCases[i]
	v := cell{K: s.K, R: s.R, T: s.T, H: s.H, step: s.step}
	v.gates = randoms(rng, v.K*v.T*v.R*4*v.H, 4)
	v.h, v.c = randoms(rng, v.K*(v.T+1)*v.R*v.H, 1), randoms(rng, v.K*(v.T+1)*v.R*v.H, 2)
	v.dh, v.dc = randoms(rng, v.K*v.R*v.H, 1), randoms(rng, v.K*v.R*v.H, 1)
	for range v.K * v.T * v.R {
		bit := uint32(1)
		if rng.Float64() < s.masked {
			bit = 0
		}
		v.mask = append(v.mask, bit)
	}
	return v
}

// gate is the part of gates[K][T][R][4H] of model k at the step; state is slot t of [K][T+1][R][H].
func (v *cell) gate(k int) (from, to int) {
	n := v.R * 4 * v.H
	return (k*v.T + v.step) * n, (k*v.T + v.step + 1) * n
}

func (v *cell) state(k, t int) (from, to int) {
	n := v.R * v.H
	return (k*(v.T+1) + t) * n, (k*(v.T+1) + t + 1) * n
}

// valid is the step's mask of model k.
func (v *cell) valid(k int) []bool {
	out := make([]bool, v.R)
	for r := range out {
		out[r] = v.mask[(k*v.T+v.step)*v.R+r] != 0
	}
	return out
}

// forCells runs f on every case and both devices.
func forCells(t *testing.T, f func(t *testing.T, d *gpu.Device, v cell)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for i, s := range cellCases {
			t.Run(s.name, func(t *testing.T) { f(t, d, newCell(source(t), i)) })
		}
	})
}

func TestLSTMCellForward(t *testing.T) {
	forCells(t, func(t *testing.T, d *gpu.Device, v cell) {
		gates, h, c := wide(v.gates), wide(v.h), wide(v.c) // other steps and slots must stay as they are
		for k := range v.K {
			from, to := v.gate(k)
			a, b := v.state(k, v.step)
			g, h1, c1 := reference.LSTMCellForward(gates[from:to], v.valid(k), h[a:b], c[a:b])
			copy(gates[from:to], g)
			a, b = v.state(k, v.step+1)
			copy(h[a:b], h1)
			copy(c[a:b], c1)
		}
		k := kernel.LSTMCellForward{
			Gates: put(t, d, "gates", v.gates), Mask: put(t, d, "mask", v.mask), Hidden: put(t, d, "h", v.h), Cell: put(t, d, "c", v.c),
			K: v.K, R: v.R, T: v.T, H: v.H, Step: v.step,
		}
		run(t, d, k)
		gputest.Near(t, "gates[K][T][R][4H]", get(t, k.Gates), gates, cellTol, v.K, v.T, v.R, 4*v.H)
		gputest.Near(t, "h[K][T+1][R][H]", get(t, k.Hidden), h, cellTol, v.K, v.T+1, v.R, v.H)
		gputest.Near(t, "c[K][T+1][R][H]", get(t, k.Cell), c, cellTol, v.K, v.T+1, v.R, v.H)
	})
}

// A masked row keeps its state bit for bit, whatever z holds, and its gates are +0.
func TestLSTMCellForwardMasked(t *testing.T) {
	d := gputest.Device(t)
	v := newCell(source(t), 7)
	for i := range v.gates {
		v.gates[i] = 3e38
	}
	k := kernel.LSTMCellForward{
		Gates: put(t, d, "gates", v.gates), Mask: put(t, d, "mask", v.mask), Hidden: put(t, d, "h", v.h), Cell: put(t, d, "c", v.c),
		K: v.K, R: v.R, T: v.T, H: v.H, Step: v.step,
	}
	run(t, d, k)
	a, b := v.state(0, v.step)
	c, e := v.state(0, v.step+1)
	equal(t, "h", get(t, k.Hidden)[c:e], v.h[a:b], v.R, v.H)
	equal(t, "c", get(t, k.Cell)[c:e], v.c[a:b], v.R, v.H)
	from, to := v.gate(0)
	equal(t, "gates", get(t, k.Gates)[from:to], make([]float32, to-from), v.R, 4*v.H)
}

// Saturated gates give their limits, not infinities.
func TestLSTMCellForwardSaturated(t *testing.T) {
	d := gputest.Device(t)
	v := cell{K: 1, R: 1, T: 1, H: 4, mask: []uint32{1}, h: make([]float32, 8), c: []float32{1, 1, 1, 1, 0, 0, 0, 0}}
	v.gates = []float32{
		1e4, -1e4, 3e38, -3e38, // i
		1e4, 1e4, -1e4, -3e38, // f
		1e4, -1e4, -3e38, 3e38, // c
		1e4, -1e4, 3e38, 100, // o
	}
	k := kernel.LSTMCellForward{
		Gates: put(t, d, "gates", v.gates), Mask: put(t, d, "mask", v.mask), Hidden: put(t, d, "h", v.h), Cell: put(t, d, "c", v.c),
		K: 1, R: 1, T: 1, H: 4,
	}
	run(t, d, k)
	gputest.Near(t, "gates", get(t, k.Gates), []float64{1, 0, 1, 0, 1, 1, 0, 0, 1, -1, -1, 1, 1, 0, 1, 1}, 0, 4, 4)
	gputest.Near(t, "c", get(t, k.Cell)[4:], []float64{2, 1, -1, 0}, 0)
}

func BenchmarkLSTMCellForward(b *testing.B) {
	b.Run("B=32/H=64", func(b *testing.B) {
		d, v := gputest.Device(b), newCell(source(b), 5)
		k := kernel.LSTMCellForward{
			Gates: put(b, d, "gates", v.gates), Mask: put(b, d, "mask", v.mask), Hidden: put(b, d, "h", v.h), Cell: put(b, d, "c", v.c),
			K: 1, R: v.R, T: v.T, H: v.H, Step: v.step,
		}
		bench(b, d, 0, float64(4*v.R*v.H*(4+4+2+1)), k)
	})
}
