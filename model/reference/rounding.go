package reference

import (
	"math"
	"math/rand/v2"

	"vklstm/model"
)

// Rounding imitates an engine that computes in float32: after each kernel it moves the results by a random part of
// the error that a correct float32 kernel may make there. Several runs with different seeds show how far those errors
// reach at the end (Monte Carlo arithmetic: Parker, Pierce and Eggert 2000, doi 10.1109/5992.852391), for any shape,
// weights and mask; the judges take their tolerances from them. A worst-case analysis instead would be useless
// here: its bound grows with the product of 60 recurrent norms.
//
// With u = 2⁻²⁴, the unit roundoff, and 1 ulp = 2u, the errors allowed for are
//
//	sum of k products   √(k+1)·u·(Σ|aᵢbᵢ| + |c|)   probabilistic bound of Higham and Mary 2019, theorem 3.1, any order
//	exp(x)              3 + 2|x| ulp               Vulkan's precision table; a CPU's is better
//	division            2.5 ulp                    the same; other arithmetic rounds correctly
//	sigmoid s of z      (1 − s)(3 + 2|z|) + 3 ulp  exp's error through e/(1 + e), a sum and a division
//	tanh of x           4 + min(8, (3 + 4|x|)/sinh 2|x|) ulp   (1 − e)/(1 + e) with e = exp(−2|x|), an odd polynomial near 0
//
// A nil Rounding moves nothing.
type Rounding struct {
	rng            *rand.Rand
	sigmoid, tanhs float64 // ±1: activations always err to this side, by all they may; 0: at random
	half           bool    // the recurrent products are taken of float16
	halves         HalfRounding
}

const (
	unit = 0x1p-24
	ulp  = 2 * unit
)

// NewRounding returns the Rounding of run i. Every second run lets all activations err to one side, since a device's
// exp may be biased, and over many steps biased errors add up where random ones cancel.
func NewRounding(i uint64) *Rounding {
	r := &Rounding{rng: rand.New(rand.NewPCG(i, 0x726f756e64))}
	if i%2 == 1 {
		r.sigmoid, r.tanhs = float64(1-2*int(i>>1&1)), float64(1-2*int(i>>2&1))
	}
	return r
}

// NewHalfRounding returns NewRounding of an engine that takes the products with the recurrent kernel, and its gradient, of
// float16, dz times GradientScale. Runs round it to the nearest or towards 0, as Vulkan allows; half of them to either
// neighbour at random, since runs that all round alike would not show how far an element may go.
func NewHalfRounding(i uint64) *Rounding {
	r := NewRounding(i)
	r.half, r.halves = true, [...]HalfRounding{HalfNearest, HalfEither, HalfCut, HalfEither}[i%4]
	return r
}

// Half returns values as a product takes them: rounded to float16 times scale, a power of two, where that is imitated.
func (r *Rounding) Half(values []float64, scale float64) []float64 {
	if r == nil || !r.half {
		return values
	}
	out := make([]float64, len(values))
	for i, v := range values {
		mode := r.halves
		if mode == HalfEither {
			mode = HalfCut + HalfRounding(r.rng.IntN(2))
		}
		out[i] = RoundHalf(v*scale, mode) / scale
	}
	return out
}

// any returns a number in ±1.
func (r *Rounding) any() float64 { return 2*r.rng.Float64() - 1 }

// side returns bias where that is set, else a number in ±1.
func (r *Rounding) side(bias float64) float64 {
	if bias != 0 {
		return bias
	}
	return r.any()
}

// Float32 rounds values to float32 in place, as storing them in an engine does.
func (r *Rounding) Float32(values []float64) {
	for i, v := range values {
		if r != nil {
			values[i] = float64(float32(v))
		}
	}
}

// store moves each value by one rounding.
func (r *Rounding) store(values []float64) {
	for i := range values {
		if r != nil {
			values[i] += r.any() * 2 * unit * math.Abs(values[i])
		}
	}
}

// product moves c = op(A)·op(B) + what c held before.
func (r *Rounding) product(transA, transB bool, m, n, k int, a, b, c []float64) {
	if r == nil {
		return
	}
	sums := MatMul(transA, transB, m, n, k, absolute(a), absolute(b))
	for i := range c {
		c[i] += r.any() * math.Sqrt(float64(k+1)) * unit * (sums[i] + math.Abs(c[i]))
	}
}

// dense moves y = act(x·w + b) of a Dense layer without sigmoid.
func (r *Rounding) dense(act Activation, x, w, b, y []float64) {
	if r == nil {
		return
	}
	n := len(b)
	m := len(w) / n
	exact := DenseForward(Linear, x, w, b)
	sums := MatMul(false, false, len(x)/m, n, m, absolute(x), absolute(w))
	for i := range y {
		y[i] = exact[i] + r.any()*math.Sqrt(float64(m+1))*unit*(sums[i]+math.Abs(b[i%n]))
		if act == Relu && y[i] < 0 {
			y[i] = 0
		}
	}
}

// columnSum moves sum, the sums of a's columns.
func (r *Rounding) columnSum(a, sum []float64) {
	if r == nil {
		return
	}
	n := len(sum)
	for i, s := range ColumnSum(absolute(a), n) {
		sum[i] += r.any() * math.Sqrt(float64(len(a)/n)) * unit * s
	}
}

// sigmoidError returns the relative error that s = sigmoid(z) may have.
func sigmoidError(s float64) float64 {
	z := 0.0
	if s > 0 && s < 1 {
		z = math.Abs(math.Log(s / (1 - s)))
	}
	return ((1-s)*(3+2*z) + 3) * ulp
}

// tanhError returns the relative error that tanh(x) may have.
func tanhError(x float64) float64 {
	x = math.Abs(x)
	if x < 0.2 {
		return 12 * ulp
	}
	return (4 + math.Min(8, (3+4*x)/math.Sinh(2*x))) * ulp
}

// cellForward moves what LSTMCellForward returned.
func (r *Rounding) cellForward(mask []bool, cPrev, gates, h, c []float64) {
	if r == nil {
		return
	}
	H := len(h) / len(mask)
	for row, valid := range mask {
		for u := range H {
			if !valid {
				continue
			}
			at, g := row*H+u, gates[row*4*H:(row+1)*4*H]
			for _, block := range []int{0, 1, 3} {
				g[block*H+u] *= 1 + r.side(r.sigmoid)*sigmoidError(g[block*H+u])
			}
			g[2*H+u] *= 1 + r.side(r.tanhs)*tanhError(math.Atanh(g[2*H+u]))
			i, f, o := g[u], g[H+u], g[3*H+u]
			c[at] = f*cPrev[at] + i*g[2*H+u]
			c[at] += r.any() * 2 * unit * (math.Abs(f*cPrev[at]) + math.Abs(i*g[2*H+u]))
			h[at] = o * math.Tanh(c[at]) * (1 + r.side(r.tanhs)*tanhError(c[at]) + r.any()*unit)
		}
	}
}

// cellBackward moves what LSTMCellBackward returned.
func (r *Rounding) cellBackward(mask []bool, gates, cPrev, c, dh, dc, dz, dcOut []float64) {
	if r == nil {
		return
	}
	H := len(dh) / len(mask)
	for row, valid := range mask {
		for u := range H {
			if !valid {
				continue
			}
			at, gate, out := row*H+u, gates[row*4*H:(row+1)*4*H], dz[row*4*H:(row+1)*4*H]
			i, f, g, o := gate[u], gate[H+u], gate[2*H+u], gate[3*H+u]
			tc := math.Tanh(c[at])
			et := r.side(r.tanhs) * tanhError(c[at])
			through := dh[at] * o
			// 1 − tc² inherits twice tanh's error, times tc².
			e := through*-2*tc*tc*et + r.any()*unit*(3*math.Abs(dc[at])+6*math.Abs(through)*(1-tc*tc))
			for block, k := range []float64{g * i * (1 - i), cPrev[at] * f * (1 - f), i * (1 - g*g)} {
				out[block*H+u] += e*k + out[block*H+u]*5*unit*r.any()
			}
			out[3*H+u] *= 1 + et + 5*unit*r.any()
			dcOut[at] = dcOut[at]*(1+unit*r.any()) + e*f
		}
	}
}

// probability moves p = sigmoid(logit).
func (r *Rounding) probability(logit, p []float64) {
	for i := range logit {
		if r != nil {
			p[i] = math.Min(1, p[i]*(1+r.side(r.sigmoid)*sigmoidError(p[i])))
		}
	}
}

// loss moves one row's loss and its derivative by the logit. Both are sums and products of positive numbers, so
// relative errors add: softplus(x) = max(x, 0) + log1p(e), e = exp(−|x|), has exp's and 4 ulp more; q^γ =
// exp(−γ·softplus) has γ·softplus times that, and exp's own.
func (r *Rounding) loss(kind model.Loss, z, y float64, l, dl *float64) {
	if r == nil {
		return
	}
	softplus := func(x float64) (value, relative float64) {
		e := math.Exp(-math.Abs(x))
		value = Softplus(x)
		return value, (4 + (3+2*math.Abs(x))*math.Min(1, e/value)) * ulp
	}
	s := 2*y - 1
	q := Sigmoid(-s * z)
	_, el := softplus(-s * z)
	ed := sigmoidError(q)
	if kind.Kind == model.BinaryFocal {
		value, es := softplus(s * z)
		factor := (3+2*kind.Gamma*value)*ulp + kind.Gamma*value*es + 3*ulp
		ed = math.Max(ed, el+2*ulp) + factor + 4*ulp
		el += factor
	}
	*l *= 1 + r.any()*el
	*dl *= 1 + r.any()*(ed+3*ulp)
}

// update moves the parameters and moments that an optimizer's step has changed; before is the state before it. A
// moment errs by the rounding of what it was, and of its change by 8 units: (g − m)(1 − β) is a difference and a
// product of numbers that clipping and their own rounding have moved. A parameter errs by its own rounding twice
// (decay, step), by what the moments' errors do to its change, and by 12 ulp of it: α, a root, a sum, a division and
// two products, of which none cancels.
func (r *Rounding) update(o model.Optimizer, before, s *State) {
	if r == nil {
		return
	}
	for j, p := range s.Params {
		change, ratio := p-before.Params[j], 1.0
		if o.Kind == model.Adam && s.M[j] != 0 {
			exact := s.M[j] / (math.Sqrt(s.V[j]) + o.Epsilon)
			for _, v := range []struct{ now, old *float64 }{{&s.M[j], &before.M[j]}, {&s.V[j], &before.V[j]}} {
				*v.now += r.any() * unit * (2*math.Abs(*v.old) + 8*math.Abs(*v.now-*v.old))
			}
			ratio = s.M[j] / (math.Sqrt(math.Max(s.V[j], 0)) + o.Epsilon) / exact
		}
		s.Params[j] = before.Params[j] + change*(ratio+r.any()*12*ulp) + r.any()*2*unit*math.Abs(p)
	}
}

// absolute returns |a|.
func absolute(a []float64) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = math.Abs(v)
	}
	return out
}

// The kernels as the network calls them: each is computed, and then what it returned is moved as Rounding says, which is not
// at all where there is none.

// operand returns values as the products with the recurrent kernel take them.
func (n Network) operand(values []float64, scale float64) []float64 {
	return n.Rounding.Half(values, scale)
}

// matMulAdd is MatMul that adds to c.
func (n Network) matMulAdd(transA, transB bool, m, cols, k int, a, b, c []float64) {
	matMulAdd(transA, transB, m, cols, k, a, b, c)
	n.Rounding.product(transA, transB, m, cols, k, a, b, c)
}

// columnSum is ColumnSum into sum.
func (n Network) columnSum(a, sum []float64) {
	copy(sum, ColumnSum(a, len(sum)))
	n.Rounding.columnSum(a, sum)
}

// add adds more to sum.
func (n Network) add(sum, more []float64) {
	for i, v := range more {
		sum[i] += v
	}
	n.Rounding.store(sum)
}

func (n Network) cellForward(z []float64, mask []bool, hPrev, cPrev []float64) (gates, h, c []float64) {
	gates, h, c = LSTMCellForward(z, mask, hPrev, cPrev)
	n.Rounding.cellForward(mask, cPrev, gates, h, c)
	return gates, h, c
}

func (n Network) cellBackward(gates, cPrev, c []float64, mask []bool, dh, dc []float64) (dz, dhOut, dcOut []float64) {
	dz, dhOut, dcOut = LSTMCellBackward(gates, cPrev, c, mask, dh, dc)
	n.Rounding.cellBackward(mask, gates, cPrev, c, dh, dc, dz, dcOut)
	return dz, dhOut, dcOut
}

func (n Network) dense(act Activation, x, w, b []float64) []float64 {
	y := DenseForward(act, x, w, b)
	n.Rounding.dense(act, x, w, b, y)
	return y
}

// denseBackward is DenseBackward by k outputs.
func (n Network) denseBackward(relu bool, k int, dy, w, y []float64) []float64 {
	dx := DenseBackward(relu, k, dy, w, y)
	if relu { // one output, whose products are of two numbers
		n.Rounding.store(dx)
	} else {
		rows := len(dy) / k
		n.Rounding.product(false, true, rows, len(dx)/rows, k, dy, w, dx)
	}
	return dx
}

// probability is the sigmoid of each logit.
func (n Network) probability(logit []float64) []float64 {
	p := make([]float64, len(logit))
	for i, l := range logit {
		p[i] = Sigmoid(l)
	}
	n.Rounding.probability(logit, p)
	return p
}

// loss is Loss without the probability.
func (n Network) loss(kind model.Loss, z, y float64) (l, dl float64) {
	_, l, dl = Loss(kind, z, y)
	n.Rounding.loss(kind, z, y, &l, &dl)
	return l, dl
}

// update takes the optimizer's step on s.
func (n Network) update(o model.Optimizer, s *State, grad []float64, lr float64) {
	before := s
	if n.Rounding != nil {
		before = s.Clone()
	}
	if o.Kind == model.SGD {
		SGDUpdate(o, n.Layout, s, grad, lr)
	} else {
		AdamUpdate(o, n.Layout, s, grad, lr)
	}
	n.Rounding.update(o, before, s)
}
