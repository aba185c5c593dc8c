package reference

import (
	"math"
	"math/rand/v2"
	"slices"

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

// dense moves y = act(x·w + b) of a Dense layer.
func (r *Rounding) dense(act model.Activation, x, w, b, y []float64) {
	if r == nil {
		return
	}
	n := len(b)
	m := len(w) / n
	exact := DenseForward(model.Linear, x, w, b)
	sums := MatMul(false, false, len(x)/m, n, m, absolute(x), absolute(w))
	for i := range y {
		z := exact[i] + r.any()*math.Sqrt(float64(m+1))*unit*(sums[i]+math.Abs(b[i%n]))
		y[i] = Activate(act, z)
		switch act {
		case model.Tanh:
			y[i] *= 1 + r.side(r.tanhs)*tanhError(z)
		case model.Sigmoid:
			y[i] = math.Min(1, y[i]*(1+r.side(r.sigmoid)*sigmoidError(y[i])))
		}
	}
}

// slope moves dz = dy·act', where act' was taken from act's value y.
func (r *Rounding) slope(act model.Activation, dy, dz []float64) {
	for i := range dz {
		if r != nil && (act == model.Tanh || act == model.Sigmoid) {
			dz[i] += r.any() * 3 * unit * math.Abs(dy[i])
		}
	}
}

// moments moves what BatchMoments returned.
func (r *Rounding) moments(x []float64, used []bool, m Moments) {
	if r == nil {
		return
	}
	width := len(m.Mean)
	n := rowsUsed(x, width, used)
	size, spread := make([]float64, width), make([]float64, width)
	for i, v := range x {
		if used == nil || used[i/width] {
			size[i%width] += math.Abs(v) / n
			spread[i%width] += math.Abs(v-m.Mean[i%width]) * (math.Abs(v) + math.Abs(m.Mean[i%width])) / n
		}
	}
	for u := range width {
		m.Mean[u] += r.any() * (math.Sqrt(n) + 2) * unit * size[u]
		m.Variance[u] = math.Max(0, m.Variance[u]+r.any()*unit*((math.Sqrt(n)+3)*m.Variance[u]+2*spread[u]))
	}
}

// normalized moves y = gamma·(x − mean)/√(variance + small) + beta, whether it is computed so or as x·factor + rest.
func (r *Rounding) normalized(x []float64, m Moments, gamma, beta []float64, small float64, y []float64) {
	for i := range y {
		if r != nil {
			u := i % len(gamma)
			y[i] += r.any() * unit * (10*math.Abs(gamma[u])/math.Sqrt(m.Variance[u]+small)*(math.Abs(x[i])+math.Abs(m.Mean[u])) + 2*math.Abs(beta[u]))
		}
	}
}

// normalizedBack moves what BatchNormalizationSums and BatchNormalizationBackward returned.
func (r *Rounding) normalizedBack(x []float64, m Moments, gamma []float64, small float64, used []bool, dy, dx, dGamma, dBeta []float64) {
	if r == nil {
		return
	}
	width := len(gamma)
	n := rowsUsed(x, width, used)
	size, sum := make([]float64, width), make([]float64, width)
	for i, v := range x {
		u := i % width
		size[u] += math.Abs(dy[i]) * (math.Abs(v) + math.Abs(m.Mean[u])) / math.Sqrt(m.Variance[u]+small)
		sum[u] += math.Abs(dy[i])
	}
	for u := range width {
		rows := math.Sqrt(float64(len(x) / width))
		size[u] *= unit * (rows + 8)
		sum[u] *= unit * rows
		dGamma[u] += r.any() * size[u]
		dBeta[u] += r.any() * sum[u]
		size[u], sum[u] = r.any()*size[u], r.any()*sum[u] // what dx takes of them
	}
	for i, v := range x {
		u := i % width
		factor := gamma[u] / math.Sqrt(m.Variance[u]+small)
		share := math.Abs(v-m.Mean[u]) / math.Sqrt(m.Variance[u]+small) / n
		dx[i] += factor * (size[u]*share + sum[u]/n)
		dx[i] += r.any() * unit * 10 * math.Abs(factor) * (math.Abs(dy[i]) + math.Abs(dGamma[u])*share + math.Abs(dBeta[u])/n)
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
func (r *Rounding) cellForward(act model.Activation, mask []bool, cPrev, gates, h, c []float64) {
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
			if act == model.Tanh {
				g[2*H+u] *= 1 + r.side(r.tanhs)*tanhError(math.Atanh(g[2*H+u]))
			}
			i, f, o := g[u], g[H+u], g[3*H+u]
			c[at] = f*cPrev[at] + i*g[2*H+u]
			c[at] += r.any() * 2 * unit * (math.Abs(f*cPrev[at]) + math.Abs(i*g[2*H+u]))
			h[at] = o * Activate(act, c[at]) * (1 + r.side(r.tanhs)*cellError(act, c[at]) + r.any()*unit)
		}
	}
}

// cellError returns the relative error that act(c) may have.
func cellError(act model.Activation, c float64) float64 {
	if act == model.Relu {
		return 0
	}
	return tanhError(c)
}

// cellBackward moves what LSTMCellBackward returned.
func (r *Rounding) cellBackward(act model.Activation, mask []bool, gates, cPrev, c, dh, dc, dz, dcOut []float64) {
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
			ac := Activate(act, c[at])
			et := r.side(r.tanhs) * cellError(act, c[at])
			through := dh[at] * o
			e := r.any() * unit * (3*math.Abs(dc[at]) + 6*math.Abs(through)*Slope(act, ac))
			if act == model.Tanh { // 1 − tanh² inherits twice tanh's error, times tanh²
				e += through * -2 * ac * ac * et
			}
			for block, k := range []float64{g * i * (1 - i), cPrev[at] * f * (1 - f), i * Slope(act, g)} {
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

// softmax moves one row's probabilities: of each exponential the argument errs by a rounding, exp by its own, and the sum and the
// division by what is left.
func (r *Rounding) softmax(logits, p []float64) {
	if r == nil {
		return
	}
	errors, most, sum := make([]float64, len(p)), slices.Max(logits), 0.0
	for j, z := range logits {
		errors[j] = (3 + 3*(most-z)) * ulp
		sum += p[j] * errors[j]
	}
	for j := range p {
		p[j] = math.Min(1, p[j]*(1+r.any()*(errors[j]+sum+(3+math.Sqrt(float64(len(p))))*ulp)))
	}
}

// categoricalLoss moves one row's loss and its derivative by the logits. In every term of LossCategorical what is added has one sign;
// a term of another class's derivative inherits p_c's error.
func (r *Rounding) categoricalLoss(kind model.Loss, logits []float64, y int, p []float64, l *float64, dl []float64) {
	if r == nil {
		return
	}
	most, all := slices.Max(logits), 0.0
	for j, z := range logits {
		all += p[j] * (3 + 3*(most-z))
	}
	e, second := (all+3+math.Sqrt(float64(len(p))))*ulp, *l
	if kind.Kind == model.CategoricalFocal {
		rest := math.Max(1-p[y], 0x1p-126)
		farthest := 0.0
		for j, z := range logits {
			if j != y {
				farthest = math.Max(farthest, most-z)
			}
		}
		factor := kind.Gamma*(e+(6+3*farthest)*ulp) + (3+2*kind.Gamma*math.Abs(math.Log(rest)))*ulp
		e += factor
		second += *l * factor / ulp
	}
	*l += r.any() * ulp * (4*second + all)
	for j := range dl {
		soft := kind.LabelSmoothing * (p[j] + 1) // terms of both signs, where every class has a target
		dl[j] += r.any() * ((e+(6+3*(most-logits[j]))*ulp)*(math.Abs(dl[j])+soft) + 3*ulp*math.Abs(dl[j]))
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
	if kind.LabelSmoothing > 0 { // two such losses, and p − t
		_, e1 := softplus(-z)
		_, e2 := softplus(z)
		*l *= 1 + r.any()*(math.Max(e1, e2)+3*ulp)
		*dl += r.any() * (sigmoidError(Sigmoid(z))*Sigmoid(z) + 2*ulp)
		return
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
func (n Network) operand(layer model.Recurrent, values []float64, scale float64) []float64 {
	if layer.Activation == model.Relu { // whose h is not bounded
		return values
	}
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

func (n Network) cellForward(act model.Activation, z []float64, mask []bool, hPrev, cPrev []float64) (gates, h, c []float64) {
	gates, h, c = LSTMCellForward(act, z, mask, hPrev, cPrev)
	n.Rounding.cellForward(act, mask, cPrev, gates, h, c)
	return gates, h, c
}

func (n Network) cellBackward(act model.Activation, gates, cPrev, c []float64, mask []bool, dh, dc []float64) (dz, dhOut, dcOut []float64) {
	dz, dhOut, dcOut = LSTMCellBackward(act, gates, cPrev, c, mask, dh, dc)
	n.Rounding.cellBackward(act, mask, gates, cPrev, c, dh, dc, dz, dcOut)
	return dz, dhOut, dcOut
}

func (n Network) merge(merge model.Merge, directions [][]float64, rows int) []float64 {
	out := MergeForward(merge, directions, rows)
	if len(directions) > 1 && merge != model.Concat {
		n.Rounding.store(out)
	}
	return out
}

func (n Network) mergeBackward(merge model.Merge, directions [][]float64, rows, d int, dOut []float64) []float64 {
	out := MergeBackward(merge, directions, rows, d, dOut)
	if merge == model.Product {
		n.Rounding.store(out)
	}
	return out
}

func (n Network) dense(act model.Activation, x, w, b []float64) []float64 {
	y := DenseForward(act, x, w, b)
	n.Rounding.dense(act, x, w, b, y)
	return y
}

// slope returns dy·act'(z), from y = act(z).
func (n Network) slope(act model.Activation, dy, y []float64) []float64 {
	dz := ActivationBackward(act, dy, y)
	n.Rounding.slope(act, dy, dz)
	return dz
}

// denseBackward is DenseBackward by k outputs, of a gradient by what comes before the activation.
func (n Network) denseBackward(k int, dz, w []float64) []float64 {
	dx := DenseBackward(model.Linear, k, dz, w, nil)
	if k == 1 { // products of two numbers
		n.Rounding.store(dx)
	} else {
		rows := len(dz) / k
		n.Rounding.product(false, true, rows, len(dx)/rows, k, dz, w, dx)
	}
	return dx
}

func (n Network) batchMoments(x []float64, width int, used []bool) Moments {
	m := BatchMoments(x, width, used)
	n.Rounding.moments(x, used, m)
	return m
}

func (n Network) normalize(x []float64, m Moments, gamma, beta []float64, small float64) []float64 {
	y := BatchNormalizationForward(x, m, gamma, beta, small)
	n.Rounding.normalized(x, m, gamma, beta, small, y)
	return y
}

// normalizeBackward writes the gradients by gamma and beta to grad.
func (n Network) normalizeBackward(x []float64, m Moments, gamma []float64, small float64, used []bool, dy []float64, grad normalization) []float64 {
	dGamma, dBeta := BatchNormalizationSums(x, m, small, dy)
	dx := BatchNormalizationBackward(x, m, gamma, small, used, dy, dGamma, dBeta)
	n.Rounding.normalizedBack(x, m, gamma, small, used, dy, dx, dGamma, dBeta)
	copy(grad.gamma, dGamma)
	copy(grad.beta, dBeta)
	return dx
}

// probability is the sigmoid of each logit, or the softmax of each row's logits.
func (n Network) probability(logit []float64) []float64 {
	p := make([]float64, len(logit))
	if n.Classes > 1 {
		for i := 0; i < len(logit); i += n.Classes {
			row := p[i : i+n.Classes]
			exact, _, _ := LossCategorical(model.Loss{}, logit[i:i+n.Classes], 0)
			copy(row, exact)
			n.Rounding.softmax(logit[i:i+n.Classes], row)
		}
		return p
	}
	for i, l := range logit {
		p[i] = Sigmoid(l)
	}
	n.Rounding.probability(logit, p)
	return p
}

// loss is Loss, or LossCategorical, of one row, without the probability.
func (n Network) loss(kind model.Loss, logits []float64, y float64) (l float64, dl []float64) {
	if n.Classes > 1 {
		p, l, dl := LossCategorical(kind, logits, int(y))
		n.Rounding.categoricalLoss(kind, logits, int(y), p, &l, dl)
		return l, dl
	}
	dl = make([]float64, 1)
	_, l, dl[0] = Loss(kind, logits[0], y)
	n.Rounding.loss(kind, logits[0], y, &l, &dl[0])
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
