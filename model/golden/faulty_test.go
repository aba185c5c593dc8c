package golden

import (
	"context"
	"math"
	"slices"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
	"vklstm/model/reference"
)

// faulty is an engine put together of the reference's kernels, with one fault built in; the fault "" is none. It keeps
// float32 states, as engines do.
type faulty struct {
	fault   string
	dims    model.Dims
	layout  model.Layout
	rate    float64
	options []model.Options
	inputs  []*augment.Input
	states  []*model.State
	windows model.Windows
}

func newFaulty(fault string) Factory {
	return func(spec model.Spec, options []model.Options) (model.Engine, error) {
		d, err := spec.Dims()
		e := &faulty{fault: fault, dims: d, layout: spec.Layout(), rate: spec.Rate(), options: options}
		for _, o := range options {
			if fault == "scaling dropped" {
				o.Scaling.Offset, o.Scaling.Factor = nil, nil
			}
			if fault == "bounds dropped" {
				o.Scaling.Low, o.Scaling.High = nil, nil
			}
			if fault == "noise too strong" {
				o.Augment.Noise *= 1.05
			}
			if fault == "no time warp" {
				o.Augment.Warp = 0
			}
			e.inputs = append(e.inputs, augment.NewInput(d.T, d.F, o, augment.NewTables(d.T, o.Augment)))
			e.states = append(e.states, model.NewState(e.layout.Size))
		}
		return e, err
	}
}

func (e *faulty) String() string                       { return "faulty: " + e.fault }
func (e *faulty) Progress() (done, of int)             { return 0, 0 }
func (e *faulty) Models() int                          { return len(e.states) }
func (e *faulty) Load(w model.Windows) error           { e.windows = w; return nil }
func (e *faulty) State(k int) (*model.State, error)    { return e.states[k].Clone(), nil }
func (e *faulty) SetState(k int, s *model.State) error { e.states[k] = s.Clone(); return nil }
func (e *faulty) Close() error                         { return nil }
func (e *faulty) variable(flat []float64, i int) []float64 {
	v := e.layout.Variables[i]
	return flat[v.Offset : v.Offset+v.Size()]
}

// pass runs rows forward and, with weights, back.
func (e *faulty) pass(k int, x []float64, mask []bool, y, w []float64, train bool, inverse float64) (p, l, grad []float64) {
	T, F, H, D, B := e.dims.T, e.dims.F, e.dims.H, e.dims.D, len(y)
	params := widen(e.states[k].Params)
	W, U, bias := e.variable(params, model.Kernel), e.variable(params, model.RecurrentKernel), e.variable(params, model.Bias)
	if e.fault == "mask dropped" {
		mask = slices.Repeat([]bool{true}, len(mask))
	}
	h, c := [][]float64{make([]float64, B*H)}, [][]float64{make([]float64, B*H)}
	var gates, xs [][]float64
	var masks [][]bool
	for t := range T {
		xt, m := make([]float64, 0, B*F), make([]bool, B)
		for b := range B {
			at := t
			if e.fault == "time reversed" {
				at = T - 1 - t
			}
			xt = append(xt, x[(b*T+at)*F:(b*T+at+1)*F]...)
			m[b] = mask[b*T+at]
		}
		z := reference.MatMul(false, false, B, 4*H, F, xt, W)
		rec := reference.MatMul(false, e.fault == "recurrent kernel read transposed", B, 4*H, H, h[t], U)
		for i := range z {
			z[i] += rec[i] + bias[i%(4*H)]
			if block := i % (4 * H) / H; e.fault == "forget gate's sign" && block == 1 {
				z[i] = -z[i]
			}
		}
		if e.fault == "gates i and f exchanged" {
			for b := range B {
				for u := range H {
					z[b*4*H+u], z[b*4*H+H+u] = z[b*4*H+H+u], z[b*4*H+u]
				}
			}
		}
		g, hn, cn := reference.LSTMCellForward(z, m, h[t], c[t])
		if e.fault == "masked step clears h" {
			for i := range hn {
				if !m[i/H] {
					hn[i] = 0
				}
			}
		}
		h, c, gates, masks, xs = append(h, hn), append(c, cn), append(gates, g), append(masks, m), append(xs, xt)
	}
	draw := reference.Draw{}
	if train {
		draw = reference.Draw{Rate: e.rate, Time: uint32(e.states[k].Step), Key: philox.Key(e.options[k].Seed)}
	}
	if e.fault == "the same dropout in every step" {
		draw.Time = 0
	}
	drop := func(a []float64) []float64 {
		out := reference.Dropout(a, H, 0, draw.Time, draw.Key, draw.Rate)
		for i := range out {
			if e.fault == "dropout scale" {
				out[i] *= 1 - draw.Rate
			}
		}
		return out
	}
	dropped := drop(h[T])
	A, V := e.variable(params, model.DenseKernel), e.variable(params, model.OutputKernel)
	dense := reference.DenseForward(reference.Relu, dropped, A, e.variable(params, model.DenseBias))
	logit := reference.DenseForward(reference.Linear, dense, V, e.variable(params, model.OutputBias))
	dlogit := make([]float64, B)
	for b, z := range logit {
		loss := e.options[k].Loss
		switch e.fault {
		case "focal exponent":
			loss.Gamma *= 1.01
		case "focal alpha of the other class":
			loss.Alpha = 1 - loss.Alpha
		}
		pb, lb, dl := reference.Loss(loss, z, y[b])
		if e.fault == "clipped loss" {
			if q := math.Min(pb, 1-pb); q < 1e-7 {
				lb, dl = math.Min(lb, 16.118), 0
			}
		}
		if w != nil && e.fault != "weights dropped" {
			lb, dl = lb*w[b], dl*w[b]
		}
		p, l = append(p, pb), append(l, lb)
		dlogit[b] = dl * inverse
	}
	if !train {
		return p, l, nil
	}

	grad = make([]float64, e.layout.Size)
	add := func(i int, g []float64) {
		for j, v := range g {
			e.variable(grad, i)[j] += v
		}
	}
	dDense := reference.DenseBackward(e.fault != "relu passes everything back", 1, dlogit, V, dense)
	dh := reference.DenseBackward(false, D, dDense, A, nil)
	add(model.OutputKernel, reference.MatMul(true, false, D, 1, B, dense, dlogit))
	add(model.OutputBias, reference.ColumnSum(dlogit, 1))
	add(model.DenseKernel, reference.MatMul(true, false, H, D, B, dropped, dDense))
	add(model.DenseBias, reference.ColumnSum(dDense, D))
	if e.fault != "no dropout in backward" {
		dh = drop(dh)
	}
	dc := make([]float64, B*H)
	for t := T - 1; t >= 0; t-- {
		m := masks[t]
		if e.fault == "mask dropped in backward" {
			m = slices.Repeat([]bool{true}, B)
		}
		dz, dhOut, dcOut := reference.LSTMCellBackward(gates[t], c[t], c[t+1], m, dh, dc)
		if e.fault == "cell state's path cut" {
			clear(dcOut)
		}
		back := reference.MatMul(false, true, B, H, 4*H, dz, U)
		for i := range dhOut {
			dhOut[i] += back[i]
		}
		before := h[t]
		if e.fault == "recurrent gradient one step late" {
			before = h[t+1]
		}
		rows := B
		if e.fault == "last row out of the bias sum" {
			rows--
		}
		add(model.Kernel, reference.MatMul(true, false, F, 4*H, B, xs[t], dz))
		add(model.RecurrentKernel, reference.MatMul(true, false, H, 4*H, B, before, dz))
		add(model.Bias, reference.ColumnSum(dz[:rows*4*H], 4*H))
		dh, dc = dhOut, dcOut
	}
	return p, l, grad
}

// step runs rows of the plan forward and back.
func (e *faulty) step(k int, plan model.Plan, s int) (p, l, grad []float64) {
	first, last := s*plan.Batch, min((s+1)*plan.Batch, len(plan.Train))
	x, mask, y := e.rows(k, plan.Train[first:last], true, plan.Epoch)
	var w []float64
	if plan.Weight != nil {
		w = widen(plan.Weight[first:last])
	}
	inverse := 1 / float64(last-first)
	if e.fault == "short batch divided by the whole size" {
		inverse = 1 / float64(plan.Batch)
	}
	return e.pass(k, x, mask, y, w, true, inverse)
}

func (e *faulty) rows(k int, list []int32, train bool, epoch int) (x []float64, mask []bool, y []float64) {
	size := e.dims.T * e.dims.F
	row, m := make([]float32, size), make([]bool, e.dims.T)
	if e.fault == "the same augmentation in every epoch" {
		epoch = 0
	}
	for i, w := range list {
		number := uint32(w)
		if e.fault == "augmentation by row, not by window" {
			number = uint32(i)
		}
		e.inputs[k].Window(row, m, e.windows.X[int(w)*size:(int(w)+1)*size], train, number, uint32(epoch))
		x, mask, y = append(x, widen(row)...), append(mask, m...), append(y, float64(e.windows.Y[w]))
	}
	return x, mask, y
}

func (e *faulty) Epoch(_ context.Context, plans []model.Plan) ([]model.Outcome, error) {
	outcomes := make([]model.Outcome, len(plans))
	for k, plan := range plans {
		q := &outcomes[k]
		for s := range plan.Steps() {
			p, l, g := e.step(k, plan, s)
			q.Probability, q.Loss, q.Steps = append(q.Probability, narrow(p)...), append(q.Loss, narrow(l)...), q.Steps+1
			o, state, lr := e.options[k].Optimizer, e.states[k], plan.LearningRate[s]
			switch e.fault {
			case "no bias correction":
				lr /= o.Alpha(1, state.Step+1)
			case "bias correction one step late":
				lr *= o.Alpha(1, state.Step+2) / o.Alpha(1, state.Step+1)
			case "betas exchanged":
				o.Beta1, o.Beta2 = o.Beta2, o.Beta1
			case "epsilon a hundred times":
				o.Epsilon *= 100
			case "no clipping":
				o.ClipNorm, o.GlobalClipNorm = 0, 0
			case "clipped each by itself":
				o.ClipNorm, o.GlobalClipNorm = o.GlobalClipNorm, 0
			case "no weight decay":
				o.WeightDecay = 0
			}
			o.Step(e.layout, state, narrow(g), lr)
		}
		if len(plan.Eval) > 0 {
			x, mask, y := e.rows(k, plan.Eval, false, 0)
			p, l, _ := e.pass(k, x, mask, y, nil, e.fault == "dropout in evaluation", 1)
			q.EvalProbability, q.EvalLoss = narrow(p), narrow(l)
		}
	}
	return outcomes, nil
}

func (e *faulty) Gradient(k int, plan model.Plan) ([]float32, model.Outcome, error) {
	p, l, g := e.step(k, plan, 0)
	return narrow(g), model.Outcome{Probability: narrow(p), Loss: narrow(l), Steps: 1}, nil
}

func (e *faulty) Predict(_ context.Context, k int, x []float32) ([]float32, error) {
	n := len(x) / (e.dims.T * e.dims.F)
	old := e.windows
	e.windows = model.Windows{X: x, Y: make([]float32, n)}
	rows, mask, y := e.rows(k, windows(0, n), false, 0)
	e.windows = old
	p, _, _ := e.pass(k, rows, mask, y, nil, false, 1)
	return narrow(p), nil
}
