package vulkan

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// resident is the path of one LSTM layer of one direction whose recurrent weights fit the registers of a workgroup: a workgroup takes
// a window through the whole network and back, and then the next one.
type resident struct {
	site
	kernel.ResidentNet
	workgroups
	parts int // of the gradient
	ahead int // steps whose input is prepared at once; 0: as many as fit inputBytes
}

// residentParts is the number of parts of a gradient. It is the same on every device and for any number of models, because
// the order of sums follows from it.
const residentParts = 128

// inputBytes bounds the input that is prepared at once.
const inputBytes = 32 << 20

func (r *resident) describe(why string, trained shape) string {
	each := "several windows each where a batch has more"
	if trained.B > 0 {
		each = fmt.Sprintf("up to %d windows each in batches of %d", r.rounds(trained.K*trained.R), trained.B)
	}
	return fmt.Sprintf("resident path (%s, float32), because %s: workgroups of %d threads, %d at once, %s, sums over %d lanes",
		units(r.chain), why, 4*r.HP, r.groups, each, r.lanes)
}

// plan chooses the rows per pass for a batch: all of them, or as few passes as keep every buffer within the device's binding range,
// what they keep within a quarter of its memory, and indices within 31 bits.
func (r *resident) plan(k, batch int) (shape, error) {
	T := uint64(r.chain.T)
	perRow := 4 * uint64(k) * max(T*uint64(4*r.HP), uint64(r.HeadWidth()))
	total := 4 * uint64(k) * (T*uint64(7*r.HP) + uint64(r.HeadWidth()))
	return r.divide(k, batch, perRow, total, min(r.info.Limits.StorageRange, 4<<31), "use a shorter window, or the general path")
}

// planEvaluation counts the input alone: nothing is kept for a way back.
func (r *resident) planEvaluation(k, n, most int, _ shape) (shape, error) {
	rows := min(inputBytes, int(r.info.Limits.StorageRange)) / (4 * k * r.chain.T * r.InputWidth())
	b := evenBatch(n, rows, most)
	return r.shape(k, b, b), nil
}

func (r *resident) planPrediction(rows int) (shape, error) {
	rows = max(1, min(rows, int(r.info.Limits.StorageRange)/(4*r.chain.T*max(r.InputWidth(), r.F))))
	return r.shape(1, rows, rows), nil
}

// residentPass are the buffers between the kernels of a step.
type residentPass struct {
	*network
	plan    *resident
	factors f32 // [K][R][T][4][HP]: what BPTT multiplies with, then dz
	pairs   f32 // [K][R][T][HP][2]
	hidden  f32 // [K][R][T][HP], h before each time step
	head    f32 // [K][R][HeadWidth]
	parts   f32 // [K][parts][P], of the gradient
	taken   u32 // [1], the step that resident_weight took, for resident_update

	// The prepared input.
	prepared int // steps that are prepared at once
	place    u32 // order_place[S][K][B]
	x        f32 // [prepared][K][B][T][FP]
	slots    u32 // [prepared][K][B][4]
}

func (r *resident) newPass(n *network, a *alloc, train bool) pass {
	rows := n.K * n.R
	p := &residentPass{network: n, plan: r}
	if !train { // nothing is kept: the buffers only fill the bindings
		p.factors, p.pairs = a.floats("unused.factors", 4), a.floats("unused.pairs", 4)
		p.hidden, p.head = a.floats("unused.hidden", 4), a.floats("unused.head", 4)
		return p
	}
	p.factors = a.floats("resident.dz", rows*n.T*4*r.HP)
	p.pairs = a.floats("resident.pairs", rows*n.T*2*r.HP)
	p.hidden = a.floats("resident.h", rows*n.T*r.HP)
	p.head = a.floats("resident.head", rows*r.HeadWidth())
	p.parts = a.floats("grads.parts", n.K*min(r.parts, n.B)*n.P)
	p.taken = a.words("cursor.taken", 1)
	return p
}

func (p *residentPass) epochBuffers(a *alloc, steps int) {
	step := p.K * p.B * p.T * p.plan.InputWidth()
	p.prepared = p.plan.ahead
	if p.prepared == 0 {
		p.prepared = inputBytes / (4 * step)
	}
	p.prepared = max(1, min(p.prepared, int(a.dev.Limits().StorageRange)/(4*step), steps))
	p.place = a.words("order.place", steps*p.K*p.B)
	p.x = a.floats("resident.x", p.prepared*step)
	p.slots = a.words("resident.slots", p.prepared*p.K*p.B*4)
}

// arrange gives each batch's windows their slots.
func (p *residentPass) arrange(o order) error { return p.place.Write(o.longestFirst(p.B, p.length)) }

func (p *residentPass) recordStart(*gpu.Recording) {}
func (p *residentPass) ahead() int                 { return p.prepared }

func (p *residentPass) recordAhead(rec *gpu.Recording) { p.recordInput(rec, true) }

// recordInput records the input of the next steps, packed.
func (p *residentPass) recordInput(rec *gpu.Recording, train bool) {
	for _, c := range p.chunks {
		kernel.ResidentInput{
			Raw: c.raw, Valid: c.valid, OrderWindow: p.batch.window, OrderWeight: p.batch.weight, OrderPlace: p.place, Label: p.label,
			Options: p.options, Scaling: p.scaling, Quantile: p.tables.quantile, Reciprocal: p.tables.reciprocal, Cursor: p.cursor,
			Turns: p.tables.turns, X: p.x, Slots: p.slots,
			K: p.K, B: p.B, T: p.T, F: p.F, C: p.prepared, S: p.batch.steps, ChunkFirst: c.first, ChunkCount: c.n, Train: train,
		}.Record(rec)
	}
}

// recordWindows records R windows of each model through the network, and back to dz with train set.
func (p *residentPass) recordWindows(rec *gpu.Recording, row0 int, train bool) {
	kernel.ResidentLSTM{
		ResidentNet: p.plan.ResidentNet, LG: p.plan.lanes, Train: train,
		Params: p.params, Options: p.options, Schedule: p.batch.schedule, Cursor: p.cursor, X: p.x, Slots: p.slots,
		Factors: p.factors, Pairs: p.pairs, Hidden: p.hidden, Head: p.head,
		Probability: p.batch.probability, Loss: p.batch.loss,
		K: p.K, R: p.R, B: p.B, T: p.T, C: p.prepared, W: p.plan.perModel(p.R, p.R*p.K), P: p.P, S: p.batch.steps, Row0: row0,
	}.Record(rec)
}

// recordParts records a step's way forward and back, up to the parts of the gradient, and their sum with what update makes of it.
func (p *residentPass) recordParts(rec *gpu.Recording, update int) {
	for row0 := 0; row0 < p.B; row0 += p.R {
		p.recordWindows(rec, row0, true)
		kernel.ResidentWeight{
			ResidentNet: p.plan.ResidentNet, Cursor: p.cursor, Slots: p.slots, X: p.x,
			Hidden: p.hidden, DZ: p.factors, Head: p.head, Parts: p.parts, Taken: p.taken,
			K: p.K, R: p.R, B: p.B, T: p.T, C: p.prepared, P: p.P, Row0: row0, Chunks: p.plan.parts,
		}.Record(rec)
	}
	kernel.ResidentUpdate{
		Parts: p.parts, Options: p.options, Schedule: p.batch.schedule, Taken: p.taken, Grads: p.grads,
		Params: p.params, M: p.m, V: p.v, Cursor: p.cursor,
		K: p.K, P: p.P, S: p.batch.steps, Size: p.layout.Size, Count: min(p.plan.parts, p.B), Update: update,
	}.Record(rec)
}

func (p *residentPass) recordGradient(rec *gpu.Recording) { p.recordParts(rec, kernel.GradientOnly) }

// recordStep leaves the update to the kernel that adds the gradient's parts, where no gradient is changed before it.
func (p *residentPass) recordStep(rec *gpu.Recording) {
	switch {
	case p.corrects():
		p.recordGradient(rec)
		p.recordUpdate(rec)
	case p.opts[0].Optimizer.Kind == model.SGD:
		p.recordParts(rec, kernel.WithSGD)
	default:
		p.recordParts(rec, kernel.WithAdam)
	}
}

func (p *residentPass) recordEvaluation(rec *gpu.Recording) {
	p.recordInput(rec, false)
	p.recordWindows(rec, 0, false)
}
