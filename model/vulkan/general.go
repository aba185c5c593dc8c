package vulkan

import (
	"fmt"
	"slices"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// general is the path of any network on any device: a dispatch for each time step, which takes the product with the recurrent kernel
// and the cell together. Rows whose time step is masked cost no product: active_rows puts the others first.
type general struct {
	layerwise
	half bool // recurrent products of float16
}

// halves reports whether a layer's recurrent products are of float16: those whose h is bounded. What relu puts out may lie anywhere.
func (g *general) halves(r model.Recurrent) bool { return g.half && r.Activation != model.Relu }

func newGeneral(s site, half bool) *general { return &general{layerwise{site: s}, half} }

func (g *general) describe(why string, _ shape) string {
	precision := "float32"
	if g.half {
		l := g.info.Limits
		precision = fmt.Sprintf("mixed precision: recurrent products of float16 on cooperative matrices of %d × %d × %d", l.HalfMatrix[0], l.HalfMatrix[1], l.HalfMatrix[2])
		without := 0
		for _, r := range g.chain.LSTMs {
			if !kernel.UsesMatrices(r.Units, l) || !g.halves(r) {
				without++
			}
		}
		switch without {
		case 0:
		case len(g.chain.LSTMs):
			precision = "mixed precision: recurrent products of operands rounded to float16, no faster than float32, since the device has no cooperative matrices for them"
		default:
			precision += " where a layer's units are a multiple of 4 and its activation is tanh"
		}
	}
	return fmt.Sprintf("general path (%s, %s), because %s", units(g.chain), precision, why)
}

func (g *general) newPass(n *network, a *alloc, train bool) pass {
	rows := n.K * n.R
	p := newLayersPass(n, a, train)
	s := &generalSteps{layersPass: p, halves: g.halves, rows: a.words("lstm.rows", rows*n.T), count: a.words("lstm.count", n.K*n.T)}
	for i, r := range n.chain.LSTMs {
		s.cells = append(s.cells, make([]cell, r.Directions()))
		for d := range s.cells[i] {
			v := &s.cells[i][d]
			v.c = a.floats("lstm.c", rows*(n.T+1)*r.Units)
			if train {
				v.dc = a.floats("lstm.dc", rows*r.Units)
			}
			if train && g.halves(r) {
				p.layers[i][d].scale = a.floats("grads.scale", n.K*2)
			}
		}
	}
	p.steps = s
	return p
}

// generalSteps are the time steps of general.
type generalSteps struct {
	*layersPass
	halves      func(model.Recurrent) bool // whether a layer's products are of float16
	rows, count u32                        // [K][T][R], [K][T]: each time step's valid rows first, and how many they are
	cells       [][]cell                   // of each LSTM layer, its directions
}

// cell are the states of one direction of an LSTM layer, beside those in direction.
type cell struct {
	c  f32 // [K][T+1][R][H], as h
	dc f32 // [K][R][H]
}

func (s *generalSteps) recordStart(rec *gpu.Recording) {
	for _, v := range slices.Concat(s.cells...) {
		rec.Fill(v.c, 0)
	}
}

func (s *generalSteps) forward(rec *gpu.Recording, i int, _ bool) {
	layer := s.chain.LSTMs[i]
	if i == 0 {
		kernel.ActiveRows{Mask: s.mask, Rows: s.rows, Count: s.count, K: s.K, R: s.R, T: s.T}.Record(rec)
	}
	for t := range s.T {
		for d, v := range s.layers[i] {
			kernel.LSTMStepForward{
				Gates: v.gates, Rows: s.rows, Count: s.count, Params: s.params, Hidden: v.h, Cell: s.cells[i][d].c,
				K: s.K, R: s.R, T: s.T, H: layer.Units, P: s.P, KernelOffset: s.offset(layer.First + 3*d + model.RecurrentKernel),
				Step: taken(t, s.T, reversed(layer, d)), Reverse: reversed(layer, d), Half: s.halves(layer), Relu: layer.Activation == model.Relu,
			}.Record(rec)
		}
	}
}

// taken is the time step that a direction takes after n others.
func taken(n, t int, reverse bool) int {
	if reverse {
		return t - 1 - n
	}
	return n
}

func (s *generalSteps) back(rec *gpu.Recording, i int) {
	layer, inner := s.chain.LSTMs[i], i+1 < len(s.layers)
	for d, v := range s.layers[i] {
		rec.Fill(s.cells[i][d].dc, 0)
		incoming, size := v.dh, s.R*layer.Units
		if inner {
			rec.Fill(v.dh, 0)
			incoming, size = v.flow, s.T*s.R*layer.Units
		}
		if s.halves(layer) {
			kernel.GradientScale{
				D: gpu.As[uint32](incoming), Scale: gpu.As[uint32](v.scale), Parts: gpu.As[uint32](s.parts), K: s.K, N: size,
			}.Record(rec)
		}
	}
	for t := s.T - 1; t >= 0; t-- {
		for d, v := range s.layers[i] {
			kernel.LSTMStepBackward{
				Gates: v.gates, Rows: s.rows, Count: s.count, Mask: s.mask, Params: s.params, Cell: s.cells[i][d].c,
				DHidden: v.dh, DCell: s.cells[i][d].dc, Flow: v.flow,
				K: s.K, R: s.R, T: s.T, H: layer.Units, P: s.P, KernelOffset: s.offset(layer.First + 3*d + model.RecurrentKernel),
				Step: taken(t, s.T, reversed(layer, d)), Reverse: reversed(layer, d), Half: s.halves(layer), Scale: v.scale, Relu: layer.Activation == model.Relu,
				FlowsToMasked: inner && layer.GoBackwards,
			}.Record(rec)
		}
	}
}
