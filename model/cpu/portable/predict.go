package portable

import (
	"context"
	"fmt"

	"vklstm/model"
	"vklstm/model/cpu/internal/host"
)

// evaluate runs each plan's Eval windows without dropout and augmentation.
func (e *Engine) evaluate(ctx context.Context, plans []model.Plan, outcomes []model.Outcome) error {
	type part struct{ k, first int }
	var parts []part
	evaluated := make([]model.Outcome, len(plans))
	for k, p := range plans {
		evaluated[k].EvalProbability, evaluated[k].EvalLoss = make([]float32, len(p.Eval)), make([]float32, len(p.Eval))
		for first := 0; first < len(p.Eval); first += blockRows {
			parts = append(parts, part{k, first})
		}
	}
	host.Each(e.workers, len(parts), func(w *worker, i int) {
		if ctx.Err() != nil {
			return
		}
		k, first := parts[i].k, parts[i].first
		list := plans[k].Eval[first:min(first+blockRows, len(plans[k].Eval))]
		e.infer(w, k, len(list), func(r int) []float32 { return e.data.Window(list[r]) }, func(r int, z float64) {
			l, _ := loss(e.opts[k].Loss, z, float64(e.data.Y[list[r]]))
			evaluated[k].EvalProbability[first+r], evaluated[k].EvalLoss[first+r] = float32(probability(z)), float32(l)
		})
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	for k := range plans {
		outcomes[k].EvalProbability, outcomes[k].EvalLoss = evaluated[k].EvalProbability, evaluated[k].EvalLoss
	}
	return nil
}

// Predict implements model.Engine. The error wraps model.ErrShape when x is no whole number of windows; it is ctx's
// when that ends first.
func (e *Engine) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	size := e.data.Size()
	if len(x)%size != 0 {
		return nil, fmt.Errorf("cpu: %d values are no whole number of %d × %d windows: %w", len(x), e.dims.T, e.dims.F, model.ErrShape)
	}
	n := len(x) / size
	out := make([]float32, n)
	host.Each(e.workers, (n+blockRows-1)/blockRows, func(w *worker, i int) {
		if ctx.Err() != nil {
			return
		}
		first := i * blockRows
		e.infer(w, k, min(blockRows, n-first),
			func(r int) []float32 { return x[(first+r)*size : (first+r+1)*size] },
			func(r int, z float64) { out[first+r] = float32(probability(z)) })
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// infer runs n rows, which window gives, by model k and hands each row's logit to result.
func (e *Engine) infer(w *worker, k, n int, window func(r int) []float32, result func(r int, logit float64)) {
	m := &w.infer
	rows := blockRows
	if n == 1 {
		m, rows = &w.single, 1
	}
	if *m == nil {
		*m = newBlock(e.dims, rows, false)
	}
	b := *m
	b.begin()
	for r := range n {
		b.add(e.input(w, k), window(r), false, 0, 0)
	}
	b.arrange()
	params := networkOf(e.dims, e.layout, e.states[k].Params)
	b.forward(params)
	b.headForward(params, false)
	for r, i := range b.order[:n] {
		result(i, float64(b.logit[r]))
	}
}
