package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/philox"
)

// stages are the layers without memory that what an LSTM layer puts out passes: at each time step on the way to the next LSTM, or in the
// head once. What the layer's directions put out is first put side by side.
type stages struct {
	of      model.Recurrent
	list    []model.Stage
	steps   int    // T, or 1 in the head
	used    u32    // [K][steps][R], which rows BatchNormalization counts
	keep    bool   // and that it divides by 1e-7 more
	joined  values // the directions side by side
	out     []values
	moments []f32 // of each BatchNormalization, [K][2W+1]
	d, e    f32   // [K][steps][R][most of all widths]: the gradient by what the stages put out, and room for it on its way back
}

// values are [K][steps][R][width].
type values struct {
	buf   f32
	width int
}

// stagesOf returns the stages after layer i, whose output would else be read where the layer puts it.
func stagesOf(c model.Chain, i int) (list []model.Stage, needed bool) {
	if i+1 == len(c.LSTMs) {
		return c.Head, true
	}
	r := c.LSTMs[i]
	return r.Between, len(r.Between) > 0 || r.GoBackwards || merges(r)
}

// merges reports whether a layer's directions are made one.
func merges(r model.Recurrent) bool { return r.Bidirectional && r.Merge != model.Concat }

var mergeModes = map[model.Merge]kernel.Merge{model.Sum: kernel.Sum, model.Average: kernel.Average, model.Product: kernel.Product}

var activationsOf = map[model.Activation]kernel.Activation{
	model.Linear: kernel.Linear, model.Relu: kernel.Relu, model.Sigmoid: kernel.Sigmoid, model.Tanh: kernel.Tanh,
}

// widths are those of the values that pass the stages after layer i: of both directions together, and what each stage puts out.
func widths(c model.Chain, i int) []int {
	list, needed := stagesOf(c, i)
	if !needed {
		return nil
	}
	r := c.LSTMs[i]
	all := []int{r.Directions() * r.Units}
	if merges(r) {
		all = append(all, r.Units)
	}
	if fused(r, list) {
		list = list[1:]
	}
	for _, s := range list {
		all = append(all, s.Out)
	}
	return all
}

// fused reports whether there is a Dropout at the begin, which drops units when the directions are put side by side.
func fused(r model.Recurrent, list []model.Stage) bool {
	return len(list) > 0 && list[0].Kind == model.Dropout && !merges(r) && !r.GoBackwards
}

func total(list []int) (sum, most int) {
	for _, n := range list {
		sum, most = sum+n, max(most, n)
	}
	return sum, most
}

// newStages makes the buffers of the stages after layer i, those of the way back only with train set.
func newStages(n *network, a *alloc, i int, p *activations, train bool) *stages {
	list, needed := stagesOf(n.chain, i)
	if !needed {
		return nil
	}
	s := &stages{of: n.chain.LSTMs[i], list: list, steps: n.T, used: p.mask, keep: n.chain.Masked}
	if i+1 == len(n.chain.LSTMs) {
		s.steps, s.used, s.keep = 1, p.present, false
	}
	rows, all := n.K*s.steps*n.R, widths(n.chain, i)
	make := func(width int) values { return values{a.floats("stage.out", rows*width), width} }
	s.joined = make(all[0])
	if s.fused() {
		s.out = append(s.out, s.joined)
	}
	for _, width := range all[1:] {
		s.out = append(s.out, make(width))
	}
	for _, stage := range list {
		var moments f32
		if stage.Kind == model.BatchNormalization {
			moments = a.floats("batch_normalization.moments", n.K*(2*stage.In+1))
		}
		s.moments = append(s.moments, moments)
	}
	_, most := total(all)
	if s.d = a.floats("stage.d", rows*most); train {
		s.e = a.floats("stage.d", rows*most)
	}
	return s
}

// last is what the stages put out.
func (s *stages) last() values {
	if len(s.out) == 0 {
		return s.joined
	}
	return s.out[len(s.out)-1]
}

// before is what stage j reads.
func (s *stages) before(j int) values {
	if at := len(s.out) - len(s.list) + j; at > 0 {
		return s.out[at-1]
	}
	return s.joined
}

func (s *stages) fused() bool { return fused(s.of, s.list) }

// after is what stage j puts out.
func (s *stages) after(j int) values { return s.out[len(s.out)-len(s.list)+j] }

// drop returns the kernel of a Dropout layer, or of a copy, of the columns from unit on.
func (p *layersPass) drop(s *stages, stage model.Stage, on bool, row0 int) kernel.Dropout {
	k := kernel.Dropout{
		Options: p.options, Schedule: p.batch.schedule, Cursor: p.cursor, K: p.K, T: s.steps, R: p.R, S: p.batch.steps, Row0: row0, Scale: 1,
	}
	if on && stage.Kind == model.Dropout {
		k.Below, k.Scale, k.Layer = philox.Below(stage.Rate), float32(1/(1-stage.Rate)), stage.Stream
	}
	return k
}

// first is the Dropout that is fused, or nothing.
func (s *stages) first() model.Stage {
	if s.fused() {
		return s.list[0]
	}
	return model.Stage{}
}

// recordStages records the stages after layer i forward.
func (p *layersPass) recordStages(rec *gpu.Recording, i, row0 int, train bool) {
	s := p.stages[i]
	if s == nil {
		return
	}
	rows, H, W := p.R*s.steps, s.of.Units, s.joined.width
	for d, v := range p.layers[i] {
		k := p.drop(s, s.first(), train, row0)
		k.In, k.Out, k.H, k.W, k.Unit0 = v.h, s.joined.buf, H, W, d*H
		k.InStride, k.InPitch, k.OutOffset, k.OutPitch, k.Reverse = (p.T+1)*p.R*H, H, d*H, W, s.of.GoBackwards && i+1 < len(p.layers)
		k.InOffset = p.afterStep(i, d, 0)
		if i+1 == len(p.layers) {
			k.InOffset = p.afterStep(i, d, taken(p.T-1, p.T, reversed(s.of, d)))
		}
		k.Record(rec)
	}
	if merges(s.of) {
		kernel.MergeForward{X: s.joined.buf, Y: s.out[0].buf, Merge: mergeModes[s.of.Merge], Rows: p.K * rows, W: s.out[0].width}.Record(rec)
	}
	for j, stage := range s.list {
		if j == 0 && s.fused() {
			continue
		}
		x, y := s.before(j), s.after(j)
		switch stage.Kind {
		case model.Dropout:
			k := p.drop(s, stage, train, row0)
			k.In, k.Out, k.H, k.W, k.InStride, k.InPitch, k.OutPitch = x.buf, y.buf, x.width, x.width, rows*x.width, x.width, x.width
			k.Record(rec)
		case model.Dense:
			kernel.DenseForward{
				X: x.buf, Params: p.params, Y: y.buf, Activation: activationsOf[stage.Activation],
				K: p.K, R: rows, M: x.width, N: y.width, P: p.P, KernelOffset: p.offset(stage.First), BiasOffset: p.offset(stage.First + 1),
			}.Record(rec)
		case model.BatchNormalization:
			if train {
				kernel.BatchMoments{X: x.buf, Used: s.used, Moments: s.moments[j], K: p.K, Rows: rows, W: x.width, Keep: s.kept()}.Record(rec)
			}
			kernel.BatchNormalizationForward{
				X: x.buf, Params: p.params, Moments: s.moments[j], Y: y.buf, K: p.K, Rows: rows, W: x.width, P: p.P,
				Gamma: p.offset(stage.First), Moving: p.offset(stage.Moving), Small: stage.Small, Train: train,
			}.Record(rec)
		}
	}
}

// kept is what Keras adds to the number of rows that it divides by, where steps may be masked.
func (s *stages) kept() float32 {
	if s.keep {
		return 1e-7
	}
	return 0
}

// recordMoves records what moves the moving moments after a step.
func (p *layersPass) recordMoves(rec *gpu.Recording) {
	for _, s := range p.stages {
		if s == nil {
			continue
		}
		for j, stage := range s.list {
			if stage.Kind == model.BatchNormalization {
				kernel.MoveMoments{
					Moments: s.moments[j], Schedule: p.batch.schedule, Cursor: p.cursor, Params: p.params,
					K: p.K, W: stage.In, P: p.P, S: p.batch.steps, Offset: p.offset(stage.Moving), Momentum: stage.Momentum,
				}.Record(rec)
			}
		}
	}
}

// recordStagesBack records the way back of the stages after layer i, from d, the gradient by what they put out, to the gradient by what each
// of the layer's directions puts out: dh in the head, else flow.
func (p *layersPass) recordStagesBack(rec *gpu.Recording, add bool, i, row0 int) {
	s := p.stages[i]
	if s == nil {
		return
	}
	rows, dy, dx := p.R*s.steps, s.d, s.e
	next := func() { dy, dx = dx, dy }
	inner := true // dy is the gradient before the activation of the Dense layer that comes now
	for j := len(s.list) - 1; j >= 0; j-- {
		if j == 0 && s.fused() {
			break
		}
		stage, x, y := s.list[j], s.before(j), s.after(j)
		switch stage.Kind {
		case model.Dropout:
			k := p.drop(s, stage, true, row0)
			k.In, k.Out, k.H, k.W, k.InStride, k.InPitch, k.OutPitch = dy, dx, x.width, x.width, rows*x.width, x.width, x.width
			k.Record(rec)
			next()
			inner = false
		case model.BatchNormalization:
			kernel.BatchNormalizationSums{
				X: x.buf, DY: dy, Moments: s.moments[j], Grads: p.grads, K: p.K, Rows: rows, W: x.width, P: p.P, Gamma: p.offset(stage.First), Small: stage.Small,
			}.Record(rec)
			kernel.BatchNormalizationBackward{
				X: x.buf, DY: dy, Used: s.used, Moments: s.moments[j], Params: p.params, Grads: p.grads, DX: dx,
				K: p.K, Rows: rows, W: x.width, P: p.P, Gamma: p.offset(stage.First), Small: stage.Small,
			}.Record(rec)
			next()
			inner = false
		case model.Dense:
			if !inner && stage.Activation != model.Linear {
				kernel.ActivationBackward{DY: dy, Y: y.buf, DZ: dx, Activation: activationsOf[stage.Activation], N: p.K * rows * y.width}.Record(rec)
				next()
			}
			dz := matrix{dy, 0, rows * y.width, y.width}
			p.recordWeight(rec, add, p.offset(stage.First), matrix{x.buf, 0, rows * x.width, x.width}, dz, rows, f32{})
			p.recordBias(rec, add, stage.First+1, dz, rows)
			through := model.Linear // of the Dense layer below, where that comes next
			if inner = j > 0 && s.list[j-1].Kind == model.Dense; inner {
				through = s.list[j-1].Activation
			}
			kernel.DenseBackward{
				DY: dy, Params: p.params, X: x.buf, DX: dx, Activation: activationsOf[through],
				K: p.K, R: rows, M: x.width, N: y.width, P: p.P, KernelOffset: p.offset(stage.First),
			}.Record(rec)
			next()
		}
	}
	if merges(s.of) {
		kernel.MergeBackward{DY: dy, X: s.joined.buf, DX: dx, Merge: mergeModes[s.of.Merge], Rows: p.K * rows, W: s.of.Units}.Record(rec)
		next()
	}
	H, W := s.of.Units, s.joined.width
	for d, v := range p.layers[i] {
		k := p.drop(s, s.first(), true, row0)
		k.In, k.Out, k.H, k.W, k.Unit0 = dy, v.dh, H, W, d*H
		k.InOffset, k.InStride, k.InPitch, k.OutPitch = d*H, rows*W, W, H
		if i+1 < len(p.layers) {
			k.Out, k.Reverse = v.flow, s.of.GoBackwards
		}
		k.Record(rec)
	}
}

// reversed reports whether direction d of a layer takes the time steps from the last to the first.
func reversed(r model.Recurrent, d int) bool { return d == 1 || r.GoBackwards }
