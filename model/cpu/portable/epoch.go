package portable

import (
	"context"

	"vklstm/model"
	"vklstm/model/cpu/internal/host"
)

// batch is one step of one model: a part of its plan.
type batch struct {
	k       int
	epoch   uint32
	windows []int32
	weights []float32 // nil: all 1
	// Where the windows' results go.
	probability, loss []float32
}

// blocks returns how many blocks the batch has.
func (b batch) blocks() int { return (len(b.windows) + blockRows - 1) / blockRows }

// stepOf returns step s of the plan, whose results go to o.
func stepOf(k int, p model.Plan, s int, o *model.Outcome) batch {
	first, last := s*p.Batch, min((s+1)*p.Batch, len(p.Train))
	b := batch{k: k, epoch: uint32(p.Epoch), windows: p.Train[first:last], probability: o.Probability[first:last], loss: o.Loss[first:last]}
	if p.Weight != nil {
		b.weights = p.Weight[first:last]
	}
	return b
}

// Epoch implements model.Engine. Models take their steps in turn: step s of all, then step s+1 of those that have one.
func (e *Engine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	if err := e.data.Check(plans, len(e.opts)); err != nil {
		return nil, err
	}
	outcomes, steps := make([]model.Outcome, len(plans)), 0
	for k, p := range plans {
		steps = max(steps, p.Steps())
		outcomes[k].Probability, outcomes[k].Loss = make([]float32, len(p.Train)), make([]float32, len(p.Train))
	}
	e.Begin(steps)
	for s := range steps {
		if err := ctx.Err(); err != nil {
			for k, p := range plans {
				o := &outcomes[k]
				n := min(len(p.Train), o.Steps*p.Batch)
				o.Probability, o.Loss = o.Probability[:n], o.Loss[:n]
			}
			return outcomes, err
		}
		var batches []batch
		for k, p := range plans {
			if s < p.Steps() {
				batches = append(batches, stepOf(k, p, s, &outcomes[k]))
				outcomes[k].Steps++
			}
		}
		e.gradients(batches)
		host.Each(e.workers, len(batches), func(_ *worker, i int) {
			k := batches[i].k
			e.opts[k].Optimizer.Step(e.layout, e.states[k], e.grads[k], plans[k].LearningRate[s])
		})
		e.Add(1)
	}
	return outcomes, e.evaluate(ctx, plans, outcomes)
}

// Gradient implements model.Engine.
func (e *Engine) Gradient(k int, plan model.Plan) ([]float32, model.Outcome, error) {
	plan.Eval = nil
	plans := make([]model.Plan, len(e.opts))
	plans[k] = plan
	if err := e.data.Check(plans, len(e.opts)); err != nil {
		return nil, model.Outcome{}, err
	}
	grad := make([]float32, e.layout.Size)
	if plan.Steps() == 0 {
		return grad, model.Outcome{}, nil
	}
	n := min(plan.Batch, len(plan.Train))
	o := model.Outcome{Probability: make([]float32, n), Loss: make([]float32, n), Steps: 1}
	e.gradients([]batch{stepOf(k, plan, 0, &o)})
	copy(grad, e.grads[k])
	return grad, o, nil
}

// gradients computes the gradient of each batch, of as many different models, into e.grads.
func (e *Engine) gradients(batches []batch) {
	type part struct{ batch, block int }
	var parts []part
	for i, b := range batches {
		clear(e.grads[b.k])
		for j := range b.blocks() {
			parts = append(parts, part{i, j})
		}
	}
	order := newTurns(len(e.opts))
	host.Each(e.workers, len(parts), func(w *worker, i int) {
		b, j := batches[parts[i].batch], parts[i].block
		e.trainBlock(w, b, j)
		order.take(b.k, j, func() {
			sum := e.grads[b.k]
			for i, g := range w.grad {
				sum[i] += g
			}
		})
	})
}

// trainBlock runs block j of the batch forward and back: results go to the batch's slices, the gradient to w.grad.
func (e *Engine) trainBlock(w *worker, b batch, j int) {
	if w.train == nil {
		w.train, w.grad = newBlock(e.dims, blockRows, true), floats(e.layout.Size)
	}
	row0 := j * blockRows
	rows := b.windows[row0:min(row0+blockRows, len(b.windows))]
	in, m := e.input(w, b.k), w.train
	m.begin()
	for _, i := range rows {
		m.add(in, e.data.Window(i), true, uint32(i), b.epoch)
	}
	m.arrange()
	params, grad := networkOf(e.dims, e.layout, e.states[b.k].Params), networkOf(e.dims, e.layout, w.grad)
	drop := e.drop[b.k]
	drop.time = uint32(e.states[b.k].Step)
	if drop.threshold > 0 {
		m.draw(drop, row0)
	}
	m.forward(params)
	m.headForward(params, drop.threshold > 0)
	for r, i := range m.order[:m.n] {
		weight := 1.0
		if b.weights != nil {
			weight = float64(b.weights[row0+i])
		}
		z := float64(m.logit[r])
		l, dl := loss(e.opts[b.k].Loss, z, float64(e.data.Y[rows[i]]))
		b.probability[row0+i], b.loss[row0+i] = float32(probability(z)), float32(weight*l)
		m.dLogit[r] = float32(weight * dl / float64(len(b.windows)))
	}
	clear(w.grad)
	m.headBackward(params, drop.threshold > 0, grad)
	m.backward(params, grad)
}
