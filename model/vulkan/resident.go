package vulkan

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// kept are the buffers between the kernels of a step on the resident path.
type kept struct {
	factors f32 // [K][R][T][4][HP]: what BPTT multiplies with, then dz
	pairs   f32 // [K][R][T][HP][2]
	hidden  f32 // [K][R][T][HP], h before each step
	head    f32 // [K][R][HeadWidth]
	parts   f32 // [K][parts][P], of the gradient
	behind  u32 // [1], the cursor between resident_weight and resident_update
}

// input are the buffers of the prepared input.
type input struct {
	ahead int // steps that are prepared at once
	place u32 // order_place[S][K][B]
	x     f32 // [ahead][K][B][T][FP]
	slots u32 // [ahead][K][B][4]
}

// newKept makes the buffers of shape s. An evaluation keeps nothing: its buffers only fill the bindings.
func newKept(a *alloc, r *resident, s shape, train bool) kept {
	rows := s.K * s.R
	if !train {
		return kept{factors: a.floats("unused.factors", 4), pairs: a.floats("unused.pairs", 4), hidden: a.floats("unused.hidden", 4), head: a.floats("unused.head", 4)}
	}
	return kept{
		factors: a.floats("resident.dz", rows*s.T*4*r.HP),
		pairs:   a.floats("resident.pairs", rows*s.T*2*r.HP),
		hidden:  a.floats("resident.h", rows*s.T*r.HP),
		head:    a.floats("resident.head", rows*r.HeadWidth()),
		parts:   a.floats("grads.parts", s.K*min(r.parts, s.B)*s.P),
		behind:  a.words("cursor.behind", 1),
	}
}

// newInput makes the buffers for epochs of the given number of steps.
func newInput(a *alloc, r *resident, s shape, steps int) input {
	step := s.K * s.B * s.T * r.InputWidth()
	ahead := r.ahead
	if ahead == 0 {
		ahead = inputBytes / (4 * step)
	}
	if limit := int(a.dev.Limits().StorageRange) / (4 * step); ahead > limit {
		ahead = limit
	}
	ahead = max(1, min(ahead, steps))
	return input{
		ahead: ahead,
		place: a.words("order.place", steps*s.K*s.B),
		x:     a.floats("resident.x", ahead*step),
		slots: a.words("resident.slots", ahead*s.K*s.B*4),
	}
}

// planResident chooses the rows per pass for a batch on the resident path: all of them, or as few passes as keep every
// buffer within the device's binding range, what they keep within a quarter of its memory, and indices within 31 bits.
func planResident(c model.Chain, r *resident, k, p, batch int, limits gpu.Limits, memory uint64) (shape, error) {
	perRow := 4 * uint64(k) * max(uint64(c.T)*uint64(4*r.HP), uint64(r.HeadWidth()))
	total := 4 * uint64(k) * (uint64(c.T)*uint64(7*r.HP) + uint64(r.HeadWidth()))
	room := min(limits.StorageRange, 4<<31) / perRow
	if memory > 0 {
		room = min(room, max(1, memory/4/total))
	}
	if room == 0 {
		return shape{}, fmt.Errorf("vulkan: one window of %d steps with %d units and %d models needs %d bytes in one binding, the device's limit is %d; use a shorter window, or the general path",
			c.T, r.H, k, perRow, limits.StorageRange)
	}
	n := min(int(room), batch)
	passes := (batch + n - 1) / n
	rows := (batch + passes - 1) / passes
	return newShape(c, k, p, passes*rows, rows), nil
}

// recordPrepare records the input of the next steps, packed.
func (n *network) recordPrepare(rec *gpu.Recording, train bool) {
	for _, c := range n.chunks {
		kernel.ResidentInput{
			Raw: c.raw, Valid: c.valid, OrderWindow: n.batch.window, OrderWeight: n.batch.weight, OrderPlace: n.input.place, Label: n.label,
			Options: n.options, Scaling: n.scaling, Quantile: n.tables.quantile, Reciprocal: n.tables.reciprocal, Cursor: n.cursor,
			Turns: n.tables.turns, X: n.input.x, Slots: n.input.slots,
			K: n.K, B: n.B, T: n.T, F: n.F, C: n.input.ahead, S: n.batch.steps, ChunkFirst: c.first, ChunkCount: c.n, Train: train,
		}.Record(rec)
	}
}

// recordWindows records R windows of each model through the network, and back to dz with train set.
func (n *network) recordWindows(rec *gpu.Recording, row0 int, train bool) {
	// As few rounds as workgroups allow, and then no more workgroups than those rounds need.
	rounds := n.path.rounds(n.R * n.K)
	kernel.ResidentLSTM{
		ResidentNet: n.path.ResidentNet, LG: n.path.lanes, Train: train,
		Params: n.params, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor, X: n.input.x, Slots: n.input.slots,
		Factors: n.kept.factors, Pairs: n.kept.pairs, Hidden: n.kept.hidden, Head: n.kept.head,
		Probability: n.batch.probability, Loss: n.batch.loss,
		K: n.K, R: n.R, B: n.B, T: n.T, C: n.input.ahead, W: (n.R + rounds - 1) / rounds, P: n.P, S: n.batch.steps, Row0: row0,
	}.Record(rec)
}

// recordParts records a step's forward pass and way back, up to the parts of the gradient.
func (n *network) recordParts(rec *gpu.Recording) {
	for p := range n.passes() {
		n.recordWindows(rec, p*n.R, true)
		kernel.ResidentWeight{
			ResidentNet: n.path.ResidentNet, Cursor: n.cursor, Slots: n.input.slots, X: n.input.x,
			Hidden: n.kept.hidden, DZ: n.kept.factors, Head: n.kept.head, Parts: n.kept.parts, Behind: n.kept.behind,
			K: n.K, R: n.R, B: n.B, T: n.T, C: n.input.ahead, P: n.P, Row0: p * n.R, Chunks: n.path.parts,
		}.Record(rec)
	}
}

// recordSum records the sum of the gradient's parts, and the update that goes with it.
func (n *network) recordSum(rec *gpu.Recording, e *Engine, update int) {
	kernel.ResidentUpdate{
		Parts: n.kept.parts, Options: n.options, Schedule: n.batch.schedule, Behind: n.kept.behind, Grads: e.grads,
		Params: e.params, M: e.m, V: e.v, Cursor: e.cursor,
		K: n.K, P: n.P, S: n.batch.steps, Size: n.layout.Size, Count: min(n.path.parts, n.B), Update: update,
	}.Record(rec)
}
