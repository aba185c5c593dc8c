package judge

import (
	"context"
	"fmt"
	"slices"

	"vklstm/model"
	"vklstm/model/reference"
)

// Factory makes an engine for one model of spec per element of options.
type Factory func(spec model.Spec, options []model.Options) (model.Engine, error)

// runReference runs the case in float64. With a Rounding it starts from numbers rounded to float32, as an engine must,
// and takes an optimizer's steps one at a time, each from Keras's state, as engines are made to.
func (p *problem) runReference(r *reference.Rounding) (*Numbers, error) {
	n, err := reference.NewNetwork(p.spec)
	if err != nil {
		return nil, err
	}
	n.Rounding = r
	var o Numbers
	rounded := func(a []float64) []float64 {
		a = slices.Clone(a)
		r.Float32(a)
		return a
	}
	size := p.chain.T * p.chain.F
	batch := func(x, y, w []float64, first, last int) reference.Batch {
		b := reference.Batch{X: rounded(x[first*size : last*size]), Y: y[first:last]}
		b.Mask = reference.Mask(b.X, p.chain.F)
		if w != nil {
			b.Weight = rounded(w[first:last])
		}
		return b
	}
	x, y := p.arrays["x"].Data, p.arrays["y"].Data
	switch p.Kind {
	case "gradient":
		var w []float64
		if p.Weighted {
			w = p.arrays["sample_weight"].Data
		}
		b := batch(x, y, w, 0, len(y))
		g := n.Gradient(rounded(p.start), p.options.Loss, b, reference.Draw{})
		o.Put("mask", numbers(b.Mask)...)
		o.Put("h", p.someRows(n.Sequence(g.Pass))...)
		o.Put("h_last", n.HLast(g.Pass)...)
		o.Put("c_last", n.CLast(g.Pass)...)
		o.Put("logit", g.Pass.Logit...)
		o.Put("probability", g.Pass.Probability...)
		o.Put("loss_rows", weighted(g.Loss, b.Weight)...)
		o.Put("loss", g.Mean)
		o.variables("d/", p.layout, g.Grad)
		o.Put("d/x", g.DX...)
		o.Put("predict", n.Forward(rounded(p.start), b.X, b.Mask, reference.Draw{}).Probability...)
	case "optimizer":
		rates := p.arrays["learning_rate"].Data
		rows := len(y) / len(rates)
		s := p.state(0)
		for k, lr := range rates {
			if r != nil {
				s = p.state(k)
				s.Params, s.M, s.V = rounded(s.Params), rounded(s.M), rounded(s.V)
			}
			g := n.Step(s, p.options, batch(x, y, nil, k*rows, (k+1)*rows), reference.Draw{}, lr)
			p.putStep(&o, k, g.Mean, g.Grad, s)
		}
	case "trajectory":
		w, vx, vy := p.weight(), p.arrays["val_x"].Data, p.arrays["val_y"].Data
		s := p.state(0)
		s.Params = rounded(s.Params)
		for epoch := range p.Epochs {
			var probability, loss, valLoss []float64
			for k, lr := range p.rates(epoch, (len(y)+p.Batch-1)/p.Batch) {
				b := batch(x, y, w, k*p.Batch, min((k+1)*p.Batch, len(y)))
				g := n.Step(s, p.options, b, reference.Draw{}, lr)
				probability = append(probability, g.Pass.Probability...)
				loss = append(loss, weighted(g.Loss, b.Weight)...)
			}
			val := batch(vx, vy, nil, 0, len(vy))
			g := n.Gradient(s.Params, p.options.Loss, val, reference.Draw{})
			valLoss = append(valLoss, g.Loss...)
			p.putEpoch(&o, probability, loss, g.Pass.Probability, valLoss)
		}
		o.Flat("final parameters", p.layout, s.Params)
	}
	return &o, nil
}

// runEngine runs the case through an engine.
func (p *problem) runEngine(f Factory) (*Numbers, error) {
	e, err := f(p.spec, []model.Options{p.options})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var o Numbers
	x, y := narrow(p.arrays["x"].Data), narrow(p.arrays["y"].Data)
	if err := e.Load(model.Windows{X: append(x, narrow(p.arrays["val_x"].Data)...), Y: append(y, narrow(p.arrays["val_y"].Data)...)}); err != nil {
		return nil, err
	}
	set := func(s *reference.State) error {
		return e.SetState(0, &model.State{Params: narrow(s.Params), M: narrow(s.M), V: narrow(s.V), Step: s.Step})
	}
	if err := set(p.state(0)); err != nil {
		return nil, err
	}
	switch p.Kind {
	case "gradient":
		plan := model.Plan{Train: Between(0, len(y)), Batch: len(y), LearningRate: []float64{0}}
		if p.Weighted {
			plan.Weight = narrow(p.arrays["sample_weight"].Data)
		}
		grad, out, err := e.Gradient(0, plan)
		if err != nil {
			return nil, err
		}
		if err := p.whole(len(grad), p.layout.Size, len(out.Probability), len(y), len(out.Loss), len(y)); err != nil {
			return nil, err
		}
		o.Put("probability", Wide(out.Probability)...)
		o.Put("loss_rows", Wide(out.Loss)...)
		o.Put("loss", sum(out.Loss)/float64(len(y)))
		o.variables("d/", p.layout, Wide(grad))
		predicted, err := e.Predict(context.Background(), 0, x[:len(y)*p.chain.T*p.chain.F])
		if err != nil {
			return nil, err
		}
		o.Put("predict", Wide(predicted)...)
	case "optimizer":
		rates := p.arrays["learning_rate"].Data
		rows := len(y) / len(rates)
		for k, lr := range rates {
			if err := set(p.state(k)); err != nil {
				return nil, err
			}
			plan := model.Plan{Train: Between(k*rows, (k+1)*rows), Batch: rows, LearningRate: []float64{lr}}
			grad, _, err := e.Gradient(0, plan)
			if err != nil {
				return nil, err
			}
			out, err := e.Epoch(context.Background(), []model.Plan{plan})
			if err != nil {
				return nil, err
			}
			s, err := e.State(0)
			if err != nil {
				return nil, err
			}
			if err := p.whole(len(grad), p.layout.Size, len(out[0].Loss), rows, s.Step, k+1); err != nil {
				return nil, err
			}
			p.putStep(&o, k, sum(out[0].Loss)/float64(rows), Wide(grad), wideState(s))
		}
	case "trajectory":
		plan := model.Plan{Train: Between(0, len(y)), Batch: p.Batch, Eval: Between(len(y), len(y)+len(p.arrays["val_y"].Data))}
		if w := p.weight(); w != nil {
			plan.Weight = narrow(w)
		}
		for plan.Epoch = range p.Epochs {
			plan.LearningRate = p.rates(plan.Epoch, plan.Steps())
			out, err := e.Epoch(context.Background(), []model.Plan{plan})
			if err != nil {
				return nil, err
			}
			q := out[0]
			if err := p.whole(len(q.Probability), len(y), len(q.Loss), len(y), len(q.EvalProbability), len(plan.Eval),
				len(q.EvalLoss), len(plan.Eval), q.Steps, plan.Steps()); err != nil {
				return nil, err
			}
			p.putEpoch(&o, Wide(q.Probability), Wide(q.Loss), Wide(q.EvalProbability), Wide(q.EvalLoss))
		}
		s, err := e.State(0)
		if err != nil {
			return nil, err
		}
		o.Flat("final parameters", p.layout, Wide(s.Params))
	}
	return &o, nil
}

// putStep puts what step k (from 0) brought.
func (p *problem) putStep(o *Numbers, k int, loss float64, grad []float64, s *reference.State) {
	name := fmt.Sprintf("step %d ", k+1)
	o.Put(name+"loss", loss)
	o.Flat(name+"gradient", p.layout, grad)
	o.Flat(name+"parameters", p.layout, s.Params)
	o.Flat(name+"m", p.layout, s.M)
	o.Flat(name+"v", p.layout, s.V)
}

// putEpoch puts what an epoch brought: an epoch's loss is the sum of its windows' weighted losses over their number.
func (p *problem) putEpoch(o *Numbers, probability, loss, valProbability, valLoss []float64) {
	o.Put("probability", probability...)
	o.Put("val_probability", valProbability...)
	o.Put("history/loss", sum(loss)/float64(len(loss)))
	o.Put("history/val_loss", sum(valLoss)/float64(len(valLoss)))
	for n, v := range metrics(p.arrays["y"].Data, probability) {
		o.Put("history/"+n, v)
	}
	for n, v := range metrics(p.arrays["val_y"].Data, valProbability) {
		o.Put("history/val_"+n, v)
	}
}

// someRows returns the rows of h[B][T][H] that the case holds.
func (p *problem) someRows(h []float64) []float64 {
	rows, ok := p.arrays["h_rows"]
	if !ok {
		return h
	}
	var out []float64
	size := p.chain.T * p.chain.Out()
	for _, r := range rows.Data {
		if r >= 0 && int(r) < len(h)/size {
			out = append(out, h[int(r)*size:(int(r)+1)*size]...)
		}
	}
	return out
}

// whole returns an error unless each number (got, want, got, want, …) is as wanted.
func (p *problem) whole(numbers ...int) error {
	for i := 0; i < len(numbers); i += 2 {
		if numbers[i] != numbers[i+1] {
			return fmt.Errorf("judge: case %s: the engine returned %d where %d were asked for", p.Name, numbers[i], numbers[i+1])
		}
	}
	return nil
}

func weighted(loss, w []float64) []float64 {
	out := slices.Clone(loss)
	for i := range w {
		out[i] *= w[i]
	}
	return out
}

// numbers returns 1 for true and 0 for false.
func numbers(mask []bool) []float64 {
	out := make([]float64, len(mask))
	for i, used := range mask {
		if used {
			out[i] = 1
		}
	}
	return out
}
