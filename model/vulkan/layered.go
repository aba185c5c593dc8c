package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// walk are the buffers of one direction of an LSTM layer. The second direction takes the steps in reverse, from the last to the
// first, and keeps them in their places: what it puts out at step t is slot t of h, the first direction's is slot t + 1.
type walk struct {
	gates  f32 // [K][T][R][4H]: z, then activated gates, then dz
	h, c   f32 // [K][T+1][R][H], 0 in the slot where the walk begins; c on the general path alone
	pairs  f32 // [K][T][R][H][2], what BPTT multiplies with; on the resident path alone, where it replaces c
	dh, dc f32 // [K][R][H]; dc on the general path alone
	flow   f32 // [K][T][R][H], the gradient by what the layer puts out; none for the last layer, of which the end alone is read
	scale  f32 // [K][2]: what dz is multiplied by in float16, and the inverse
}

// newWalk makes the buffers of a direction of so many units; inner is set for layers with another above them, resident where one
// dispatch takes all steps.
func newWalk(a *alloc, units int, s shape, train, inner, resident bool) walk {
	rows := s.K * s.R
	w := walk{
		gates: a.floats("lstm.gates", rows*s.T*4*units),
		h:     a.floats("lstm.h", rows*(s.T+1)*units),
	}
	switch {
	case !resident:
		w.c = a.floats("lstm.c", rows*(s.T+1)*units)
	case train:
		w.pairs = a.floats("lstm.pairs", rows*s.T*2*units)
	default:
		w.pairs = a.floats("unused.pairs", 4)
	}
	if train {
		w.dh = a.floats("lstm.dh", rows*units)
		if !resident {
			w.dc = a.floats("lstm.dc", rows*units)
			w.scale = a.floats("grads.scale", s.K*2)
		}
		if inner {
			w.flow = a.floats("lstm.flow", rows*s.T*units)
		}
	}
	return w
}

// columns are a part of those of what comes into an LSTM layer: a direction of the layer below, or the network's input.
type columns struct {
	gemmInput
	first, width int
}

// inputs are the parts of what comes into layer i. The outputs of two directions lie in buffers of their own, so that no kernel
// puts them side by side: a product with both is the sum of two.
func (n *network) inputs(i int) []columns {
	T, R := n.T, n.R
	if i == 0 {
		return []columns{{gemmInput{gpu.As[float32](n.act.cells), 0, T * R * n.F}, 0, n.F}}
	}
	below := n.chain.LSTMs[i-1]
	var list []columns
	for d, w := range n.act.walks[i-1] {
		slot := R * below.Units
		list = append(list, columns{gemmInput{w.h, slot * (1 - d), (T + 1) * slot}, d * below.Units, below.Units})
	}
	return list
}

// last is where the state behind a direction's last step lies in h.
func (n *network) last(d int, w walk, units int) gemmInput {
	slot := n.R * units
	return gemmInput{w.h, slot * n.T * (1 - d), (n.T + 1) * slot}
}

// recordLayer records layer i forward: z[T·R][4H] = x·kernel + bias for all steps at once, then the steps, both directions side
// by side.
func (n *network) recordLayer(rec *gpu.Recording, i int, train bool) {
	R, T, layer := n.R, n.T, n.chain.LSTMs[i]
	H, walks := layer.Units, n.act.walks[i]
	for d, w := range walks {
		first := layer.First + 3*d
		for j, x := range n.inputs(i) {
			kernel.Matmul{
				A: x.buf, B: n.params, C: w.gates, BiasVector: n.params,
				M: T * R, N: 4 * H, Inner: x.width, Models: n.K, Bias: j == 0, Accumulate: j > 0,
				OffsetA: x.offset, StrideA: x.stride, OffsetB: n.offset(first+model.Kernel) + x.first*4*H, StrideB: n.P, StrideC: T * R * 4 * H,
				OffsetBias: n.offset(first + model.Bias), StrideBias: n.P,
			}.Record(rec)
		}
	}
	if n.walkers != nil {
		for d, w := range walks {
			kernel.ResidentDirectionForward{ResidentDirection: n.residentDirection(i, d), Hidden: w.h, Train: train}.Record(rec)
		}
		return
	}
	if i == 0 {
		kernel.ActiveRows{Mask: n.act.mask, Rows: n.act.rows, Count: n.act.count, K: n.K, R: R, T: T}.Record(rec)
	}
	for s := range T {
		for d, w := range walks {
			kernel.LSTMStepForward{
				Gates: w.gates, Rows: n.act.rows, Count: n.act.count, Params: n.params, Hidden: w.h, Cell: w.c,
				K: n.K, R: R, T: T, H: H, P: n.P, KernelOffset: n.offset(layer.First + 3*d + model.RecurrentKernel),
				Step: taken(s, T, d), Reverse: d == 1, Half: n.half,
			}.Record(rec)
		}
	}
}

// taken is the step that direction d takes after s others.
func taken(s, t, d int) int {
	if d == 1 {
		return t - 1 - s
	}
	return s
}

// recordLayerBack records layer i back through time, from dh behind its last steps or from what flows into each, to the
// gradients of its kernels and biases, and to what flows into the layer below.
func (n *network) recordLayerBack(rec *gpu.Recording, grads f32, add bool, i int) {
	R, T, layer := n.R, n.T, n.chain.LSTMs[i]
	H, walks := layer.Units, n.act.walks[i]
	if n.walkers != nil {
		for d, w := range walks {
			kernel.ResidentDirectionBackward{ResidentDirection: n.residentDirection(i, d), DHidden: w.dh, Flow: w.flow, LG: n.walkers[i].lanes}.Record(rec)
		}
	} else {
		n.recordStepsBack(rec, i)
	}
	for d, w := range walks {
		first, dz, slot := layer.First+3*d, gemmInput{w.gates, 0, T * R * 4 * H}, R*H
		for _, x := range n.inputs(i) {
			n.recordWeight(rec, grads, add, n.offset(first+model.Kernel)+x.first*4*H, x.gemmInput, x.width, dz, 4*H, T*R, f32{})
		}
		before := gemmInput{w.h, slot * d, (T + 1) * slot} // h before each step
		n.recordWeight(rec, grads, add, n.offset(first+model.RecurrentKernel), before, H, dz, 4*H, T*R, w.scale)
		n.recordBias(rec, grads, add, first+model.Bias, w.gates, 4*H, T*R)
	}
	if i == 0 {
		return
	}
	below := n.chain.LSTMs[i-1]
	for e, to := range n.act.walks[i-1] {
		for d, w := range walks {
			kernel.Matmul{ // dx[T·R][H below] of this part = dz·kernelᵀ
				A: w.gates, B: n.params, C: to.flow, TransposeB: true, Accumulate: d > 0,
				M: T * R, N: below.Units, Inner: 4 * H, Models: n.K,
				StrideA: T * R * 4 * H, OffsetB: n.offset(layer.First+3*d+model.Kernel) + e*below.Units*4*H, StrideB: n.P, StrideC: T * R * below.Units,
			}.Record(rec)
		}
	}
}

// recordStepsBack records the steps of layer i back through time on the general path, both directions side by side.
func (n *network) recordStepsBack(rec *gpu.Recording, i int) {
	R, T, layer := n.R, n.T, n.chain.LSTMs[i]
	H, walks, inner := layer.Units, n.act.walks[i], i+1 < len(n.chain.LSTMs)
	for _, w := range walks {
		rec.Fill(w.dc, 0)
		incoming, size := w.dh, R*H
		if inner {
			rec.Fill(w.dh, 0)
			incoming, size = w.flow, T*R*H
		}
		if n.half {
			kernel.GradientScale{
				D: gpu.As[uint32](incoming), Scale: gpu.As[uint32](w.scale), Parts: gpu.As[uint32](n.act.parts), K: n.K, N: size,
			}.Record(rec)
		}
	}
	for s := T - 1; s >= 0; s-- {
		for d, w := range walks {
			kernel.LSTMStepBackward{
				Gates: w.gates, Rows: n.act.rows, Count: n.act.count, Mask: n.act.mask, Params: n.params, Cell: w.c,
				DHidden: w.dh, DCell: w.dc, Flow: w.flow,
				K: n.K, R: R, T: T, H: H, P: n.P, KernelOffset: n.offset(layer.First + 3*d + model.RecurrentKernel),
				Step: taken(s, T, d), Reverse: d == 1, Half: n.half, Scale: w.scale,
			}.Record(rec)
		}
	}
}

// residentDirection is direction d of layer i, in as few rounds as the device's workgroups allow, and then no more workgroups than those
// rounds need.
func (n *network) residentDirection(i, d int) kernel.ResidentDirection {
	layer, p, w := n.chain.LSTMs[i], n.walkers[i], n.act.walks[i][d]
	rounds := p.rounds(n.R * n.K * layer.Directions())
	return kernel.ResidentDirection{
		Params: n.params, Mask: n.act.mask, Gates: w.gates, Pairs: w.pairs,
		K: n.K, R: n.R, T: n.T, W: (n.R + rounds - 1) / rounds, H: layer.Units, P: n.P, HP: p.hp,
		KernelOffset: n.offset(layer.First + 3*d + model.RecurrentKernel), Reverse: d == 1,
	}
}
