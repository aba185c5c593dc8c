package reference

import "vklstm/model"

// Network is the whole network: the kernels in the order in which an engine runs them. Rows lie batch-major in x and
// mask, [B][T], as callers have them; inside a Pass they lie time-major, as on the devices.
type Network struct {
	model.Dims
	Layout   model.Layout
	Rounding *Rounding // nil: exact, as far as float64 is; else float32's rounding is imitated
}

// NewNetwork returns the Network of spec, or spec's error.
func NewNetwork(spec model.Spec) (Network, error) {
	d, err := spec.Dims()
	if err != nil {
		return Network{}, err
	}
	return Network{Dims: d, Layout: spec.Layout()}, nil
}

// Draw says how a pass drops LSTM outputs. The zero value drops none.
type Draw struct {
	Rate float64
	Time uint32 // optimizer step, from 0
	Key  [2]uint32
}

// Pass is what Forward computes, and what Backward needs of it.
type Pass struct {
	B           int
	X           []float64 // [T][B][F]
	Mask        [][]bool  // [T][B]
	Gates       []float64 // [T][B][4H], activated; 0 in masked steps
	H, C        []float64 // [T+1][B][H]; slot 0 is the start, all 0
	Dropped     []float64 // [B][H], the last h after dropout
	Dense       []float64 // [B][D], after relu
	Logit       []float64 // [B]
	Probability []float64 // [B]
	draw        Draw
}

// HLast and CLast return the LSTM's states behind the last step, [B][H].
func (p *Pass) HLast() []float64 { return slot(p.H, len(p.Mask), len(p.H)/(len(p.Mask)+1)) }

// CLast is described at HLast.
func (p *Pass) CLast() []float64 { return slot(p.C, len(p.Mask), len(p.C)/(len(p.Mask)+1)) }

// Sequence returns the LSTM's output behind each step, [B][T][H].
func (p *Pass) Sequence() []float64 { return swap(p.H[len(p.HLast()):], len(p.Mask), p.B) }

// variable returns variable i of a flat array that holds all parameters.
func (n Network) variable(flat []float64, i int) []float64 {
	v := n.Layout.Variables[i]
	return flat[v.Offset : v.Offset+v.Size()]
}

// Forward runs x[B][T][F], of which mask[B][T] says which steps are used, with params flat in Layout order. Masked
// steps take no part, whatever x holds there.
func (n Network) Forward(params, x []float64, mask []bool, draw Draw) *Pass {
	B, H, z4 := len(mask)/n.T, n.H, 4*n.H
	p := &Pass{B: B, X: swap(x, B, n.T), draw: draw,
		Gates: make([]float64, n.T*B*z4), H: make([]float64, (n.T+1)*B*H), C: make([]float64, (n.T+1)*B*H)}
	for t := range n.T {
		row := make([]bool, B)
		for b := range B {
			row[b] = mask[b*n.T+t]
			if !row[b] {
				clear(p.X[(t*B+b)*n.F : (t*B+b+1)*n.F])
			}
		}
		p.Mask = append(p.Mask, row)
	}

	// What needs no history, z = x·kernel + bias, is one product for all steps.
	z, bias := p.Gates, n.variable(params, model.Bias)
	for i := range z {
		z[i] = bias[i%z4]
	}
	n.matMulAdd(false, false, n.T*B, z4, n.F, p.X, n.variable(params, model.Kernel), z)
	recurrent := n.Rounding.Half(n.variable(params, model.RecurrentKernel), 1)
	for t := range n.T {
		hPrev, cPrev, zt := slot(p.H, t, B*H), slot(p.C, t, B*H), slot(z, t, B*z4)
		n.matMulAdd(false, false, B, z4, H, n.Rounding.Half(hPrev, 1), recurrent, zt)
		gates, h, c := LSTMCellForward(zt, p.Mask[t], hPrev, cPrev)
		n.Rounding.cellForward(p.Mask[t], cPrev, gates, h, c)
		copy(zt, gates)
		copy(slot(p.H, t+1, B*H), h)
		copy(slot(p.C, t+1, B*H), c)
	}

	p.Dropped = Dropout(p.HLast(), H, 0, draw.Time, draw.Key, draw.Rate)
	dense, bias1 := n.variable(params, model.DenseKernel), n.variable(params, model.DenseBias)
	output, bias2 := n.variable(params, model.OutputKernel), n.variable(params, model.OutputBias)
	p.Dense = DenseForward(Relu, p.Dropped, dense, bias1)
	n.Rounding.dense(Relu, p.Dropped, dense, bias1, p.Dense)
	p.Logit = DenseForward(Linear, p.Dense, output, bias2)
	n.Rounding.dense(Linear, p.Dense, output, bias2, p.Logit)
	p.Probability = make([]float64, B)
	for b, l := range p.Logit {
		p.Probability[b] = Sigmoid(l)
	}
	n.Rounding.probability(p.Logit, p.Probability)
	return p
}

// Backward returns, from the gradient of the loss by each row's logit, the gradient by every parameter, flat in
// Layout order, and by the input, dx[B][T][F].
func (n Network) Backward(params []float64, p *Pass, dlogit []float64) (grad, dx []float64) {
	B, H, z4 := p.B, n.H, 4*n.H
	grad = make([]float64, n.Layout.Size)

	dense, output := n.variable(params, model.DenseKernel), n.variable(params, model.OutputKernel)
	dDense := DenseBackward(true, 1, dlogit, output, p.Dense)
	n.Rounding.store(dDense)
	dDropped := DenseBackward(false, n.D, dDense, dense, nil)
	n.Rounding.product(false, true, B, H, n.D, dDense, dense, dDropped)
	n.matMulAdd(true, false, n.D, 1, B, p.Dense, dlogit, n.variable(grad, model.OutputKernel))
	n.columnSum(dlogit, n.variable(grad, model.OutputBias))
	n.matMulAdd(true, false, H, n.D, B, p.Dropped, dDense, n.variable(grad, model.DenseKernel))
	n.columnSum(dDense, n.variable(grad, model.DenseBias))

	dh, dc := Dropout(dDropped, H, 0, p.draw.Time, p.draw.Key, p.draw.Rate), make([]float64, B*H)
	dz := make([]float64, n.T*B*z4)
	scale, recurrent := GradientScale(dh), n.Rounding.Half(n.variable(params, model.RecurrentKernel), 1)
	for t := n.T - 1; t >= 0; t-- {
		gates, cPrev, c, mask := slot(p.Gates, t, B*z4), slot(p.C, t, B*H), slot(p.C, t+1, B*H), p.Mask[t]
		dzt, dhOut, dcOut := LSTMCellBackward(gates, cPrev, c, mask, dh, dc)
		n.Rounding.cellBackward(mask, gates, cPrev, c, dh, dc, dzt, dcOut)
		n.matMulAdd(false, true, B, H, z4, n.Rounding.Half(dzt, scale), recurrent, dhOut)
		copy(slot(dz, t, B*z4), dzt)
		dh, dc = dhOut, dcOut
	}
	// h before each step is slots 0 … T−1. Both kernels' gradients need no history either.
	n.matMulAdd(true, false, n.F, z4, n.T*B, p.X, dz, n.variable(grad, model.Kernel))
	n.matMulAdd(true, false, H, z4, n.T*B, n.Rounding.Half(p.H, 1), n.Rounding.Half(dz, scale), n.variable(grad, model.RecurrentKernel))
	n.columnSum(dz, n.variable(grad, model.Bias))

	dx = make([]float64, n.T*B*n.F)
	n.matMulAdd(false, true, n.T*B, n.F, z4, dz, n.variable(params, model.Kernel), dx)
	return grad, swap(dx, n.T, B)
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
		_, r.Loss[i], dlogit[i] = Loss(loss, z, b.Y[i])
		n.Rounding.loss(loss, z, b.Y[i], &r.Loss[i], &dlogit[i])
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
	before := s
	if n.Rounding != nil {
		before = s.Clone()
	}
	if o.Optimizer.Kind == model.SGD {
		SGDUpdate(o.Optimizer, n.Layout, s, r.Grad, lr)
	} else {
		AdamUpdate(o.Optimizer, n.Layout, s, r.Grad, lr)
	}
	n.Rounding.update(o.Optimizer, before, s)
	return r
}

// matMulAdd is MatMul that adds to c.
func (n Network) matMulAdd(transA, transB bool, m, cols, k int, a, b, c []float64) {
	matMulAdd(transA, transB, m, cols, k, a, b, c)
	n.Rounding.product(transA, transB, m, cols, k, a, b, c)
}

func (n Network) columnSum(a, sum []float64) {
	copy(sum, ColumnSum(a, len(sum)))
	n.Rounding.columnSum(a, sum)
}

// slot returns part t of a, in parts of size.
func slot(a []float64, t, size int) []float64 { return a[t*size : (t+1)*size] }

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
