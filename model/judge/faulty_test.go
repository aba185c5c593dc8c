package judge

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
	chain   model.Chain
	layout  model.Layout
	rate    float64
	options []model.Options
	inputs  []*augment.Input
	states  []*model.State
	windows model.Windows
}

func newFaulty(fault string) Factory {
	return func(spec model.Spec, options []model.Options) (model.Engine, error) {
		c, err := spec.Chain()
		e := &faulty{fault: fault, chain: c, layout: spec.Layout(), rate: spec.Rate(), options: options}
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
			switch fault {
			case "no shift":
				o.Augment.Shift = 0
			case "no magnitude":
				o.Augment.Magnitude = 0
			case "no rotation":
				o.Augment.Rotate = 0
			case "rotation in radians":
				o.Augment.Rotate *= math.Pi / 180
			}
			e.inputs = append(e.inputs, augment.NewInput(c, o, augment.NewTables(c.T, o.Augment)))
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

// faultyDirection is one direction of one layer, in the order in which it takes time steps.
type faultyDirection struct {
	first       int // of its variables
	units       int
	back        bool
	h, c        [][]float64 // [T+1], [B][H]
	gates, x    [][]float64 // [T]
	masks       [][]bool    // [T], [B]
	inputs      int
	recurrent   []float64
	inputKernel []float64
}

// order returns a's steps as a direction takes them.
func order[E any](a []E, back bool) []E {
	a = slices.Clone(a)
	if back {
		slices.Reverse(a)
	}
	return a
}

// forwardDirection runs one direction over its input x[T][B][In].
func (e *faulty) forwardDirection(params []float64, x [][]float64, masks [][]bool, layer, direction int) faultyDirection {
	r := e.chain.LSTMs[layer]
	H, B := r.Units, len(masks[0])
	w := faultyDirection{first: r.First + 3*direction, units: H, back: direction == 1, inputs: r.In}
	variables := w.first
	if e.fault == "directions exchanged" && r.Bidirectional {
		variables = r.First + 3*(1-direction)
	}
	if e.fault == "backward direction goes forward" {
		w.back = false
	}
	w.x, w.masks = order(x, w.back), order(masks, w.back)
	if e.fault == "time reversed" {
		w.x, w.masks = order(w.x, true), order(w.masks, true)
	}
	for t := range w.masks {
		if e.fault == "mask dropped" || e.fault == "mask dropped in upper layers" && layer > 0 ||
			e.fault == "mask dropped in the backward direction" && direction == 1 {
			w.masks[t] = slices.Repeat([]bool{true}, B)
		}
		if e.fault == "mask in forward order in the backward direction" && direction == 1 {
			w.masks[t] = masks[t]
		}
	}
	w.inputKernel, w.recurrent = e.variable(params, variables), e.variable(params, variables+1)
	bias := e.variable(params, variables+2)
	if e.fault == "second layer's bias forgotten" && layer == 1 || e.fault == "backward direction's bias forgotten" && direction == 1 {
		bias = make([]float64, 4*H)
	}
	w.h, w.c = [][]float64{make([]float64, B*H)}, [][]float64{make([]float64, B*H)}
	for t, xt := range w.x {
		m := w.masks[t]
		z := reference.MatMul(false, false, B, 4*H, r.In, xt, w.inputKernel)
		rec := reference.MatMul(false, e.fault == "recurrent kernel read transposed", B, 4*H, H, w.h[t], w.recurrent)
		for i := range z {
			z[i] += rec[i] + bias[i%(4*H)]
			if block := i % (4 * H) / H; e.fault == "forget gate's sign" && block == 1 {
				z[i] = -z[i]
			}
		}
		if e.fault == "gates i and f exchanged" || e.fault == "gates i and f exchanged in upper layers" && layer > 0 {
			for b := range B {
				for u := range H {
					z[b*4*H+u], z[b*4*H+H+u] = z[b*4*H+H+u], z[b*4*H+u]
				}
			}
		}
		g, hn, cn := reference.LSTMCellForward(model.Tanh, z, m, w.h[t], w.c[t])
		if e.fault == "masked step clears h" {
			for i := range hn {
				if !m[i/H] {
					hn[i] = 0
				}
			}
		}
		w.h, w.c, w.gates = append(w.h, hn), append(w.c, cn), append(w.gates, g)
	}
	return w
}

// backwardDirection returns, from the gradient by the last h (dh) and by each step's (dSeq, in the direction's order, or nil), that by
// the input, in the direction's order; add adds to a variable's gradient.
func (e *faulty) backwardDirection(w faultyDirection, dh []float64, dSeq [][]float64, add func(int, []float64)) [][]float64 {
	H, T := w.units, len(w.x)
	B := len(dh) / H
	dx := make([][]float64, T)
	dc := make([]float64, B*H)
	for t := T - 1; t >= 0; t-- {
		if dSeq != nil && !(e.fault == "only the last step's gradient goes down" && t < T-1) {
			for i, v := range dSeq[t] {
				dh[i] += v
			}
		}
		m := w.masks[t]
		if e.fault == "mask dropped in backward" {
			m = slices.Repeat([]bool{true}, B)
		}
		dz, dhOut, dcOut := reference.LSTMCellBackward(model.Tanh, w.gates[t], w.c[t], w.c[t+1], m, dh, dc)
		if e.fault == "cell state's path cut" {
			clear(dcOut)
		}
		back := reference.MatMul(false, true, B, H, 4*H, dz, w.recurrent)
		for i := range dhOut {
			dhOut[i] += back[i]
		}
		before := w.h[t]
		if e.fault == "recurrent gradient one step late" {
			before = w.h[t+1]
		}
		rows := B
		if e.fault == "last row out of the bias sum" {
			rows--
		}
		add(w.first, reference.MatMul(true, false, w.inputs, 4*H, B, w.x[t], dz))
		add(w.first+1, reference.MatMul(true, false, H, 4*H, B, before, dz))
		add(w.first+2, reference.ColumnSum(dz[:rows*4*H], 4*H))
		dx[t] = reference.MatMul(false, true, B, w.inputs, 4*H, dz, w.inputKernel)
		dh, dc = dhOut, dcOut
	}
	return dx
}

// joined puts each direction's [B][H] side by side.
func (e *faulty) joined(parts [][]float64, rows int) []float64 {
	if e.fault == "backward direction first" {
		parts = order(parts, true)
	}
	var out []float64
	for b := range rows {
		for _, p := range parts {
			out = append(out, p[b*len(p)/rows:(b+1)*len(p)/rows]...)
		}
	}
	return out
}

// pass runs rows forward and, with weights, back.
func (e *faulty) pass(k int, x []float64, mask []bool, y, w []float64, train bool, inverse float64) (p, l, grad []float64) {
	T, F, D, B := e.chain.T, e.chain.F, e.chain.D(), len(y)
	params := Wide(e.states[k].Params)
	in, masks := make([][]float64, T), make([][]bool, T)
	for t := range T {
		for b := range B {
			in[t] = append(in[t], x[(b*T+t)*F:(b*T+t+1)*F]...)
			masks[t] = append(masks[t], mask[b*T+t])
		}
	}
	var layers [][]faultyDirection
	for i, r := range e.chain.LSTMs {
		var directions []faultyDirection
		for d := range r.Directions() {
			directions = append(directions, e.forwardDirection(params, in, masks, i, d))
		}
		layers = append(layers, directions)
		in = make([][]float64, T)
		for t := range T {
			var parts [][]float64
			for _, w := range directions {
				at := t
				if w.back && e.fault != "backward outputs left in its own order" {
					at = T - 1 - t
				}
				parts = append(parts, w.h[at+1])
			}
			in[t] = e.joined(parts, B)
		}
	}
	var last [][]float64
	for _, w := range layers[len(layers)-1] {
		at := T
		if w.back && e.fault == "backward direction's output of the last step" {
			at = 1
		}
		last = append(last, w.h[at])
	}
	out := e.chain.Out()
	draw, rate := reference.Draw{}, 0.0
	if train {
		rate = e.rate
		draw = reference.Draw{Time: uint32(e.states[k].Step), Key: philox.Key(e.options[k].Seed)}
	}
	if e.fault == "the same dropout in every step" {
		draw.Time = 0
	}
	drop := func(a []float64) []float64 {
		out := reference.Dropout(a, 1, out, 0, draw.Time, 0, draw.Key, rate)
		for i := range out {
			if e.fault == "dropout scale" {
				out[i] *= 1 - rate
			}
		}
		return out
	}
	dropped := drop(e.joined(last, B))
	head := e.chain.FirstOfHead()
	A, V := e.variable(params, head), e.variable(params, head+2)
	dense := reference.DenseForward(model.Relu, dropped, A, e.variable(params, head+1))
	logit := reference.DenseForward(model.Linear, dense, V, e.variable(params, head+3))
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
	act := model.Relu
	if e.fault == "relu passes everything back" {
		act = model.Linear
	}
	dDense := reference.DenseBackward(act, 1, dlogit, V, dense)
	dh := reference.DenseBackward(model.Linear, D, dDense, A, nil)
	add(head+2, reference.MatMul(true, false, D, 1, B, dense, dlogit))
	add(head+3, reference.ColumnSum(dlogit, 1))
	add(head, reference.MatMul(true, false, out, D, B, dropped, dDense))
	add(head+1, reference.ColumnSum(dDense, D))
	if e.fault != "no dropout in backward" {
		dh = drop(dh)
	}
	columns := func(a []float64, w faultyDirection, d int) []float64 {
		var part []float64
		for b := range B {
			row := a[b*len(a)/B : (b+1)*len(a)/B]
			part = append(part, row[d*w.units:(d+1)*w.units]...)
		}
		return part
	}
	var dOut [][]float64 // [T], by the outputs of the current layer; nil for the last
	for i := len(layers) - 1; i >= 0; i-- {
		dIn := make([][]float64, T)
		for d, w := range layers[i] {
			last, dSeq := make([]float64, B*w.units), [][]float64(nil)
			if dOut == nil {
				last = columns(dh, w, d)
			} else {
				for t := range T {
					dSeq = append(dSeq, columns(dOut[t], w, d))
				}
				dSeq = order(dSeq, w.back)
			}
			for t, g := range order(e.backwardDirection(w, last, dSeq, add), w.back) {
				switch {
				case d == 0:
					dIn[t] = g
				case e.fault != "backward direction's gradient does not go down":
					for j, v := range g {
						dIn[t][j] += v
					}
				}
			}
		}
		dOut = dIn
	}
	return p, l, grad
}

// step runs rows of the plan forward and back.
func (e *faulty) step(k int, plan model.Plan, s int) (p, l, grad []float64) {
	first, last := s*plan.Batch, min((s+1)*plan.Batch, len(plan.Train))
	x, mask, y := e.rows(k, plan.Train[first:last], true, plan.Epoch)
	var w []float64
	if plan.Weight != nil {
		w = Wide(plan.Weight[first:last])
	}
	inverse := 1 / float64(last-first)
	if e.fault == "short batch divided by the whole size" {
		inverse = 1 / float64(plan.Batch)
	}
	return e.pass(k, x, mask, y, w, true, inverse)
}

func (e *faulty) rows(k int, list []int32, train bool, epoch int) (x []float64, mask []bool, y []float64) {
	size := e.chain.T * e.chain.F
	row, m := make([]float32, size), make([]bool, e.chain.T)
	if e.fault == "the same augmentation in every epoch" {
		epoch = 0
	}
	for i, w := range list {
		number := uint32(w)
		if e.fault == "augmentation by row, not by window" {
			number = uint32(i)
		}
		e.inputs[k].Window(row, m, e.windows.X[int(w)*size:(int(w)+1)*size], train, number, uint32(epoch))
		x, mask, y = append(x, Wide(row)...), append(mask, m...), append(y, float64(e.windows.Y[w]))
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
			case "no L2":
				o.L2 = 0
			case "half of L2":
				o.L2 /= 2
			case "L2 on biases":
				for _, v := range e.layout.Variables {
					for j := range v.Size() {
						if !v.Matrix() {
							g[v.Offset+j] += 2 * o.L2 * float64(v.Of(state.Params)[j])
						}
					}
				}
			case "L2 after clipping":
				squares := make([]float64, len(e.layout.Variables))
				for i := range squares {
					for _, x := range e.variable(g, i) {
						squares[i] += x * x
					}
				}
				factors := o.ClipFactors(squares)
				for i, v := range e.layout.Variables {
					for j := range e.variable(g, i) {
						e.variable(g, i)[j] *= factors[i]
						if v.Matrix() {
							e.variable(g, i)[j] += 2 * o.L2 * float64(v.Of(state.Params)[j])
						}
					}
				}
				o.L2, o.ClipNorm, o.GlobalClipNorm = 0, 0, 0
			case "the epoch's first learning rate":
				lr = plan.LearningRate[0]
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
	n := len(x) / (e.chain.T * e.chain.F)
	old := e.windows
	e.windows = model.Windows{X: x, Y: make([]float32, n)}
	rows, mask, y := e.rows(k, Between(0, n), false, 0)
	e.windows = old
	p, _, _ := e.pass(k, rows, mask, y, nil, false, 1)
	return narrow(p), nil
}
