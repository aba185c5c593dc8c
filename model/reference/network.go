package reference

import (
	"slices"

	"vklstm/model"
)

// Network is the whole network: the kernels in the order in which an engine runs them. Rows lie batch-major in x and
// mask, [B][T], as callers have them; inside a Pass they lie time-major, as on the devices.
type Network struct {
	model.Chain
	Layout   model.Layout
	Rounding *Rounding // nil: exact, as far as float64 is; else float32's rounding is imitated (rounding.go)
}

// NewNetwork returns the Network of spec, or spec's error.
func NewNetwork(spec model.Spec) (Network, error) {
	c, err := spec.Chain()
	if err != nil {
		return Network{}, err
	}
	return Network{Chain: c, Layout: spec.Layout()}, nil
}

// Draw says how a pass is one of training. The zero value is none: nothing is dropped, and moving moments normalize.
type Draw struct {
	Train bool
	Row   uint32 // of the step's batch, that the first row is
	Time  uint32 // optimizer step, from 0
	Key   [2]uint32
}

// Pass is what Forward computes, and what Backward needs of it.
type Pass struct {
	B           int
	Mask        [][]bool      // [T][B]
	Layers      [][]Direction // of each LSTM layer
	Between     [][]StagePass // of each LSTM layer, what its Between stages did
	Head        []StagePass   // what the Head's stages did
	Logit       []float64     // [B][Classes]
	Probability []float64     // [B][Classes]
	draw        Draw
}

// StagePass is what one stage did.
type StagePass struct {
	In, Out []float64 // [T][B][In] and [T][B][Out], or in the Head [B][In] and [B][Out]
	Moments Moments   // BatchNormalization: what it normalized by
}

// last returns a layer's states after the last time step that each direction takes, [B][H] each.
func last(directions []Direction, B int, of func(Direction) []float64) [][]float64 {
	var parts [][]float64
	for _, d := range directions {
		states := of(d)
		parts = append(parts, states[len(states)-B*d.Units:])
	}
	return parts
}

// HLast returns the last LSTM layer's output after the last time step that each direction takes, [B][Out].
func (n Network) HLast(p *Pass) []float64 {
	i := len(n.LSTMs) - 1
	return n.merge(n.LSTMs[i].Merge, last(p.Layers[i], p.B, func(d Direction) []float64 { return d.H }), p.B)
}

// CLast returns the cell states there, those of two directions side by side.
func (n Network) CLast(p *Pass) []float64 {
	return beside(last(p.Layers[len(n.LSTMs)-1], p.B, func(d Direction) []float64 { return d.C }), p.B)
}

// Sequence returns the last LSTM layer's output after each time step, [B][T][Out].
func (n Network) Sequence(p *Pass) []float64 {
	return swap(n.output(p, len(n.LSTMs)-1), n.T, p.B)
}

// output returns a layer's output after each time step, [T][B][Out]: in a masked step, the one before it in the direction's order.
func (n Network) output(p *Pass, layer int) []float64 {
	return n.merge(n.LSTMs[layer].Merge, n.outputs(p, layer), n.T*p.B)
}

// outputs returns what each direction of a layer put out, [T][B][H]; time goes forward, but in a layer that goes backwards.
func (n Network) outputs(p *Pass, layer int) [][]float64 {
	var parts [][]float64
	for d, direction := range p.Layers[layer] {
		parts = append(parts, inOrder(direction.H[p.B*direction.Units:], n.T, d == 1))
	}
	return parts
}

// variable returns variable i of a flat array that holds all parameters.
func (n Network) variable(flat []float64, i int) []float64 {
	v := n.Layout.Variables[i]
	return flat[v.Offset : v.Offset+v.Size()]
}

// Forward runs x[B][T][F], of which mask[B][T] says which steps are used, with params flat in Layout order. Masked
// steps take no part, whatever x holds there.
func (n Network) Forward(params, x []float64, mask []bool, draw Draw) *Pass {
	B := len(mask) / n.T
	p := &Pass{B: B, draw: draw}
	in := swap(x, B, n.T)
	for t := range n.T {
		row := make([]bool, B)
		for b := range B {
			row[b] = mask[b*n.T+t]
			if !row[b] {
				clear(in[(t*B+b)*n.F : (t*B+b+1)*n.F])
			}
		}
		p.Mask = append(p.Mask, row)
	}
	for i, layer := range n.LSTMs {
		var directions []Direction
		for d := range layer.Directions() {
			reverse := d == 1 || layer.GoBackwards
			directions = append(directions, n.forwardDirection(layer, params, inOrder(in, n.T, reverse), inOrder(p.Mask, n.T, reverse), layer.First+3*d))
		}
		p.Layers, p.Between = append(p.Layers, directions), append(p.Between, nil)
		if i+1 < len(n.LSTMs) {
			in, p.Between[i] = n.forwardStages(layer.Between, params, n.output(p, i), B, n.used(p), draw)
		}
	}
	p.Logit, p.Head = n.forwardStages(n.Head, params, n.HLast(p), B, nil, draw)
	p.Probability = n.probability(p.Logit)
	return p
}

// used returns which rows of [T][B] have a used time step, nil where the network has no mask.
func (n Network) used(p *Pass) []bool {
	if !n.Masked {
		return nil
	}
	return slices.Concat(p.Mask...)
}

// forwardStages runs stages on x[T][B][In], or in the Head on x[B][In], of which used says which rows count.
func (n Network) forwardStages(stages []model.Stage, params, x []float64, B int, used []bool, draw Draw) ([]float64, []StagePass) {
	var passes []StagePass
	for _, s := range stages {
		q := StagePass{In: x}
		switch s.Kind {
		case model.Dropout:
			q.Out = n.dropout(s, x, B, draw)
		case model.Dense:
			q.Out = n.dense(s.Activation, x, n.variable(params, s.First), n.variable(params, s.First+1))
		case model.BatchNormalization:
			v := n.normalization(params, s)
			if q.Moments = (Moments{v.mean, v.variance}); draw.Train {
				q.Moments = n.batchMoments(x, s.In, used)
			}
			q.Out = n.normalize(x, q.Moments, v.gamma, v.beta, s.Small)
		}
		x, passes = q.Out, append(passes, q)
	}
	return x, passes
}

// dropout drops values of a stage, or of the gradient by them.
func (n Network) dropout(s model.Stage, x []float64, B int, draw Draw) []float64 {
	if !draw.Train {
		return x
	}
	return Dropout(x, len(x)/(B*s.In), s.In, draw.Row, draw.Time, uint32(s.Stream), draw.Key, s.Rate)
}

// Backward returns, from the gradient of the loss by each row's logits, dlogit[B][Classes], the gradient by every parameter, flat in
// Layout order, and by the input, dx[B][T][F].
func (n Network) Backward(params []float64, p *Pass, dlogit []float64) (grad, dx []float64) {
	grad = make([]float64, n.Layout.Size)
	dOut := n.backwardStages(n.Head, params, grad, p, p.Head, nil, dlogit)
	for i := len(n.LSTMs) - 1; i >= 0; i-- {
		layer, top := n.LSTMs[i], i == len(n.LSTMs)-1
		var outputs [][]float64
		rows := n.T * p.B
		if top { // of which only the last output is used
			outputs, rows = last(p.Layers[i], p.B, func(d Direction) []float64 { return d.H }), p.B
		} else {
			outputs = n.outputs(p, i)
			dOut = n.backwardStages(layer.Between, params, grad, p, p.Between[i], n.used(p), dOut)
		}
		var dIn []float64
		for d, direction := range p.Layers[i] {
			reverse := d == 1 || layer.GoBackwards
			dh := n.mergeBackward(layer.Merge, outputs, rows, d, dOut)
			var dSeq []float64
			if !top {
				dh, dSeq = make([]float64, p.B*layer.Units), inOrder(dh, n.T, d == 1)
			}
			part := n.backwardDirection(layer, params, grad, direction, inOrder(p.Mask, n.T, reverse), dh, dSeq, layer.First+3*d)
			if part = inOrder(part, n.T, reverse); d == 0 {
				dIn = part
			} else {
				n.add(dIn, part)
			}
		}
		dOut = dIn
	}
	return grad, swap(dOut, n.T, p.B)
}

// backwardStages takes the gradient by the stages' output back to their input, and writes that by their variables to grad.
func (n Network) backwardStages(stages []model.Stage, params, grad []float64, p *Pass, passes []StagePass, used []bool, dy []float64) []float64 {
	for i := len(stages) - 1; i >= 0; i-- {
		s, q := stages[i], passes[i]
		switch s.Kind {
		case model.Dropout:
			dy = n.dropout(s, dy, p.B, p.draw)
		case model.Dense:
			dz, rows := n.slope(s.Activation, dy, q.Out), len(dy)/s.Out
			n.matMulAdd(true, false, s.In, s.Out, rows, q.In, dz, n.variable(grad, s.First))
			n.columnSum(dz, n.variable(grad, s.First+1))
			dy = n.denseBackward(s.Out, dz, n.variable(params, s.First))
		case model.BatchNormalization:
			v, g := n.normalization(params, s), n.normalization(grad, s)
			if p.draw.Train {
				dy = n.normalizeBackward(q.In, q.Moments, v.gamma, s.Small, used, dy, g)
			} else {
				panic("reference: the gradient of a pass that is none of training")
			}
		}
	}
	return dy
}

// Batch is one step's rows.
type Batch struct {
	X      []float64 // [B][T][F], scaled, missing values 0
	Mask   []bool    // [B][T]
	Y      []float64 // [B], the class: 0 or 1, or of C classes 0 … C − 1
	Weight []float64 // [B]; nil: all 1
}

// Result is what one step's rows brought.
type Result struct {
	Pass *Pass
	Loss []float64 // [B], of each row, before weights
	Mean float64   // sum(w·l)/B, what the gradient is of
	Grad []float64 // flat in Layout order
	DX   []float64 // [B][T][F]
}

// Gradient runs a batch forward and back: its loss is sum(w·l)/B.
func (n Network) Gradient(params []float64, loss model.Loss, b Batch, draw Draw) Result {
	r := Result{Pass: n.Forward(params, b.X, b.Mask, draw)}
	B, C := r.Pass.B, n.Classes
	var dlogit []float64
	for i := range B {
		l, dl := n.loss(loss, r.Pass.Logit[i*C:(i+1)*C], b.Y[i])
		w := 1.0
		if b.Weight != nil {
			w = b.Weight[i]
		}
		for _, v := range dl {
			dlogit = append(dlogit, v*w/float64(B))
		}
		r.Loss = append(r.Loss, l)
		r.Mean += w * l / float64(B)
	}
	r.Grad, r.DX = n.Backward(params, r.Pass, dlogit)
	return r
}

// Step takes one training step on s: the gradient of the batch, and the optimizer's update with learning rate lr.
func (n Network) Step(s *State, o model.Options, b Batch, draw Draw, lr float64) Result {
	r := n.Gradient(s.Params, o.Loss, b, draw)
	n.update(o.Optimizer, s, r.Grad, lr)
	n.move(s, r.Pass)
	return r
}

// move moves the moving moments by those of a step's batch.
func (n Network) move(s *State, p *Pass) {
	if !n.Normalizes() {
		return
	}
	each := func(stages []model.Stage, passes []StagePass) {
		for i, stage := range stages {
			if stage.Kind == model.BatchNormalization {
				v := n.normalization(s.Params, stage)
				MoveMoments(v.mean, v.variance, passes[i].Moments, stage.Momentum)
				n.Rounding.store(v.mean)
				n.Rounding.store(v.variance)
			}
		}
	}
	for i, layer := range n.LSTMs {
		each(layer.Between, p.Between[i])
	}
	each(n.Head, p.Head)
}

// slot returns part t of a, in parts of size.
func slot[E any](a []E, t, size int) []E { return a[t*size : (t+1)*size] }

// inOrder returns a's n parts, the last one first where reverse is set.
func inOrder[E any](a []E, n int, reverse bool) []E {
	if !reverse {
		return a
	}
	var out []E
	for i := n - 1; i >= 0; i-- {
		out = append(out, slot(a, i, len(a)/n)...)
	}
	return out
}

// beside puts matrices of `rows` rows side by side.
func beside(parts [][]float64, rows int) []float64 {
	if len(parts) == 1 {
		return parts[0]
	}
	var out []float64
	for r := range rows {
		for _, p := range parts {
			out = append(out, slot(p, r, len(p)/rows)...)
		}
	}
	return out
}

// columns returns n columns of a[rows][width], from the first on.
func columns(a []float64, rows, width, first, n int) []float64 {
	if n == width {
		return a
	}
	var out []float64
	for r := range rows {
		out = append(out, a[r*width+first:r*width+first+n]...)
	}
	return out
}

// swap turns a[m][n][·] into [n][m][·].
func swap(a []float64, m, n int) []float64 {
	out, size := make([]float64, len(a)), len(a)/(m*n)
	for i := range m {
		for j := range n {
			copy(slot(out, j*m+i, size), slot(a, i*n+j, size))
		}
	}
	return out
}
