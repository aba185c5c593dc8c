package reference

import "vklstm/model"

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

// Draw says how a pass drops LSTM outputs. The zero value drops none.
type Draw struct {
	Rate float64
	Row  uint32 // of the step's batch, that the first row is
	Time uint32 // optimizer step, from 0
	Key  [2]uint32
}

// Pass is what Forward computes, and what Backward needs of it.
type Pass struct {
	B           int
	Mask        [][]bool      // [T][B]
	Layers      [][]Direction // of each LSTM layer
	Dropped     []float64     // [B][Out], the last layer's last h after dropout
	Dense       []float64     // [B][D], after relu
	Logit       []float64     // [B]
	Probability []float64     // [B]
	draw        Draw
}

// HLast and CLast return the last LSTM layer's states after the last time step that each direction takes, [B][Out].
func (p *Pass) HLast() []float64 {
	return p.last(func(d Direction) []float64 { return d.H })
}

// CLast is described at HLast.
func (p *Pass) CLast() []float64 {
	return p.last(func(d Direction) []float64 { return d.C })
}

func (p *Pass) last(of func(Direction) []float64) []float64 {
	var parts [][]float64
	for _, d := range p.Layers[len(p.Layers)-1] {
		states := of(d)
		parts = append(parts, states[len(states)*len(p.Mask)/(len(p.Mask)+1):])
	}
	return beside(parts, p.B)
}

// Sequence returns the last LSTM layer's output after each time step, [B][T][Out].
func (p *Pass) Sequence() []float64 {
	return swap(p.output(len(p.Layers)-1), len(p.Mask), p.B)
}

// output returns a layer's output after each time step, [T][B][Out]: in a masked step, the one before it in the direction's order.
func (p *Pass) output(layer int) []float64 {
	var parts [][]float64
	for i, d := range p.Layers[layer] {
		parts = append(parts, inOrder(d.H[len(d.H)/(len(p.Mask)+1):], len(p.Mask), i == 1))
	}
	return beside(parts, len(p.Mask)*p.B)
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
			directions = append(directions, n.forwardDirection(layer, params, inOrder(in, n.T, d == 1), inOrder(p.Mask, n.T, d == 1), layer.First+3*d))
		}
		p.Layers = append(p.Layers, directions)
		if i+1 < len(n.LSTMs) {
			in = p.output(i)
		}
	}

	p.Dropped = Dropout(p.HLast(), n.Out(), draw.Row, draw.Time, draw.Key, draw.Rate)
	dense, bias1, output, bias2 := n.head(params)
	p.Dense = n.dense(Relu, p.Dropped, dense, bias1)
	p.Logit = n.dense(Linear, p.Dense, output, bias2)
	p.Probability = n.probability(p.Logit)
	return p
}

// Backward returns, from the gradient of the loss by each row's logit, the gradient by every parameter, flat in
// Layout order, and by the input, dx[B][T][F].
func (n Network) Backward(params []float64, p *Pass, dlogit []float64) (grad, dx []float64) {
	B, out := p.B, n.Out()
	grad = make([]float64, n.Layout.Size)

	dense, _, output, _ := n.head(params)
	gDense, gBias1, gOutput, gBias2 := n.head(grad)
	dDense := n.denseBackward(true, 1, dlogit, output, p.Dense)
	dDropped := n.denseBackward(false, n.D, dDense, dense, nil)
	n.matMulAdd(true, false, n.D, 1, B, p.Dense, dlogit, gOutput)
	n.columnSum(dlogit, gBias2)
	n.matMulAdd(true, false, out, n.D, B, p.Dropped, dDense, gDense)
	n.columnSum(dDense, gBias1)

	dLast := Dropout(dDropped, out, p.draw.Row, p.draw.Time, p.draw.Key, p.draw.Rate)
	var dOut []float64 // [T][B][Out] by the current layer's outputs; nil for the last, of which only the last is used
	for i := len(n.LSTMs) - 1; i >= 0; i-- {
		layer := n.LSTMs[i]
		var dIn []float64
		for d, direction := range p.Layers[i] {
			var dh, dSeq []float64
			if dOut == nil {
				dh = columns(dLast, B, layer.Out(), d*layer.Units, layer.Units)
			} else {
				dh = make([]float64, B*layer.Units)
				dSeq = inOrder(columns(dOut, n.T*B, layer.Out(), d*layer.Units, layer.Units), n.T, d == 1)
			}
			part := n.backwardDirection(layer, params, grad, direction, inOrder(p.Mask, n.T, d == 1), dh, dSeq, layer.First+3*d)
			if part = inOrder(part, n.T, d == 1); d == 0 {
				dIn = part
			} else {
				n.add(dIn, part)
			}
		}
		dOut = dIn
	}
	return grad, swap(dOut, n.T, B)
}

// head returns the two Dense layers' parts of a flat array that holds all parameters.
func (n Network) head(flat []float64) (dense, bias1, output, bias2 []float64) {
	i := n.Head()
	return n.variable(flat, i), n.variable(flat, i+1), n.variable(flat, i+2), n.variable(flat, i+3)
}

// Batch is one step's rows.
type Batch struct {
	X      []float64 // [B][T][F], scaled, missing values 0
	Mask   []bool    // [B][T]
	Y      []float64 // [B], 0 or 1
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
	B := r.Pass.B
	dlogit := make([]float64, B)
	r.Loss = make([]float64, B)
	for i, z := range r.Pass.Logit {
		r.Loss[i], dlogit[i] = n.loss(loss, z, b.Y[i])
		w := 1.0
		if b.Weight != nil {
			w = b.Weight[i]
		}
		dlogit[i] *= w / float64(B)
		r.Mean += w * r.Loss[i] / float64(B)
	}
	r.Grad, r.DX = n.Backward(params, r.Pass, dlogit)
	return r
}

// Step takes one training step on s: the gradient of the batch, and the optimizer's update with learning rate lr.
func (n Network) Step(s *State, o model.Options, b Batch, draw Draw, lr float64) Result {
	r := n.Gradient(s.Params, o.Loss, b, draw)
	n.update(o.Optimizer, s, r.Grad, lr)
	return r
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
