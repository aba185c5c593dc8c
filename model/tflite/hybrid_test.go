package tflite

import (
	"math"
	"math/rand/v2"
	"slices"

	"vklstm/model"
)

// hybrid computes in float64 what LiteRT's hybrid operators do with int8 kernels: each kernel is rounded to multiples of
// 1/127 of its largest, a gate's at a time, and so is what each product reads, at each step, of that vector's own largest.
// What is known exactly stays so; what an operator before has computed in float32 may round to either side where it lies
// between two multiples. rng nudges it by up to nudge to see what that does; nil nudges nothing.
type hybrid struct {
	model.Trained
	xnnpack bool // which takes the dense layer, and rounds what that reads by asymmetric
	rng     *rand.Rand
}

// nudge is in units of a multiple: a sum of 132 products is off by up to 132·2⁻²⁴ of its terms, of which a multiple is 1/127.
const nudge = 132 * 127 * 0x1p-24

// rounded returns a vector in whole multiples of step, as an operator reads it.
func (h hybrid) rounded(x []float64) (out []float64, step float64) {
	top := 0.0
	for _, v := range x {
		top = math.Max(top, math.Abs(v))
	}
	out = make([]float64, len(x))
	for i, v := range x {
		if top > 0 {
			q := v / top * 127
			if h.rng != nil {
				q += nudge * (2*h.rng.Float64() - 1)
			}
			out[i] = math.Round(q)
		}
	}
	return out, top / 127
}

// asymmetric rounds a vector as XNNPACK does: to 256 multiples between its least and its largest element, 0 among them.
func (h hybrid) asymmetric(x []float64) (out []float64, step float64) {
	low, high := 0.0, 0.0
	for _, v := range x {
		low, high = math.Min(low, v), math.Max(high, v)
	}
	out = make([]float64, len(x))
	if low == high {
		return out, 0
	}
	scale := 255 / (high - low)
	zero := math.RoundToEven(-128 - low*scale)
	if low*scale+high*scale-1 <= 0 { // the end that 0 and 255 multiples leave the larger error at
		zero = math.RoundToEven(127 - high*scale)
	}
	for i, v := range x {
		q := v * scale
		if h.rng != nil {
			q += nudge * (2*h.rng.Float64() - 1)
		}
		out[i] = math.Max(-128, math.Min(127, math.RoundToEven(q)+zero)) - zero
	}
	return out, 1 / scale
}

// kept returns columns from … to of a kernel[rows][columns] as the file keeps them, in whole multiples of one step.
func kept(a []float32, columns, from, to int) (k matrix) {
	top := 0.0
	for i, v := range a {
		if c := i % columns; c >= from && c < to {
			top = math.Max(top, math.Abs(float64(v)))
		}
	}
	for i, v := range a {
		if c := i % columns; c >= from && c < to {
			q := 0.0
			if top > 0x1p-126*127 { // of smaller ones float32 holds no multiple
				q = math.RoundToEven(float64(v) / top * 127)
			}
			k.a = append(k.a, q)
		}
	}
	k.step = top / 127
	return k
}

// product returns row x times column u of a kernel of `columns` columns. The multiples are summed up exactly, as integers.
func product(x []float64, step float64, kernel matrix, columns, u int) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * kernel.a[i*columns+u]
	}
	return sum * step * kernel.step
}

// matrix is a kernel in multiples of step.
type matrix struct {
	a    []float64
	step float64
}

// predict returns the probabilities of window x[T][F], as measured.
func (h hybrid) predict(x []float32) []float64 {
	c, _ := h.Spec.Chain()
	var steps [][]float64
	var valid []bool
	mean := make([]float64, c.Classes)
	for t := range c.T {
		frame, says := make([]float64, c.F), !c.Masked
		for f, v := range x[t*c.F : (t+1)*c.F] {
			if c.MaskValue == 0 {
				says = says || math.Abs(float64(v)) >= 0x1p-126
			} else {
				says = says || v != c.MaskValue && v == v
			}
			if math.IsInf(float64(v), 0) {
				for i := range mean {
					mean[i] = math.NaN()
				}
				return mean
			}
			if len(h.Scaling.Offset) > 0 {
				v = (v - h.Scaling.Offset[f]) * h.Scaling.Factor[f]
			}
			if v == v {
				frame[f] = float64(v)
			}
		}
		steps, valid = append(steps, frame), append(valid, says)
	}
	for _, params := range h.Members {
		for i, p := range h.member(params, steps, valid) {
			mean[i] += p / float64(len(h.Members))
		}
	}
	return mean
}

// member returns what one network says of steps, of which valid says which count.
func (h hybrid) member(params []float32, steps [][]float64, valid []bool) []float64 {
	c, _ := h.Spec.Chain()
	variables := h.Spec.Layout().Variables
	var x []float64
	for _, layer := range c.LSTMs {
		var out [2][][]float64
		for d := range layer.Directions() {
			out[d] = h.lstm(params, layer, variables[layer.First+3*d:], steps, valid, d == 1 || layer.GoBackwards)
			if d == 1 {
				slices.Reverse(out[d])
			}
		}
		steps = nil
		for t := range c.T {
			steps = append(steps, merged(layer, out, t, t))
		}
		x = merged(layer, out, c.T-1, 0)
	}
	for i, s := range c.Head {
		kernel, bias, y := variables[s.First].Of(params), variables[s.First+1].Of(params), make([]float64, s.Out)
		in, step := h.rounded(x)
		if h.xnnpack {
			in, step = h.asymmetric(x)
		}
		k := kept(kernel, s.Out, 0, s.Out)
		for u := range y {
			y[u] = float64(bias[u])
			if i+1 < len(c.Head) {
				y[u] += product(in, step, k, s.Out, u)
				switch s.Activation {
				case model.Relu:
					y[u] = math.Max(y[u], 0)
				case model.Tanh:
					y[u] = math.Tanh(y[u])
				case model.Sigmoid:
					y[u] = sigmoid(y[u])
				}
				continue
			}
			for j, v := range x {
				y[u] += v * float64(kernel[j*s.Out+u])
			}
		}
		x = y
	}
	if len(x) == 1 {
		return []float64{sigmoid(x[0])}
	}
	sum := 0.0
	for i, v := range x {
		x[i] = math.Exp(v)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
	return x
}

// lstm returns what one direction puts out at each step, in the order in which it takes them: in a masked one what it did before.
func (h hybrid) lstm(params []float32, layer model.Recurrent, v []model.Variable, steps [][]float64, valid []bool, reverse bool) (out [][]float64) {
	cell := math.Tanh
	if layer.Activation == model.Relu {
		cell = func(x float64) float64 { return math.Max(x, 0) }
	}
	state, c := make([]float64, layer.Units), make([]float64, layer.Units)
	var kernels, recurrent [4]matrix
	for g := range 4 {
		kernels[g] = kept(v[0].Of(params), 4*layer.Units, g*layer.Units, (g+1)*layer.Units)
		recurrent[g] = kept(v[1].Of(params), 4*layer.Units, g*layer.Units, (g+1)*layer.Units)
	}
	for i := range steps {
		at := i
		if reverse {
			at = len(steps) - 1 - i
		}
		if valid[at] {
			in, step := h.rounded(steps[at])
			back, stepBack := h.rounded(state)
			for u := range layer.Units {
				var z [4]float64
				for g := range 4 {
					z[g] = float64(v[2].Of(params)[g*layer.Units+u]) + product(in, step, kernels[g], layer.Units, u) +
						product(back, stepBack, recurrent[g], layer.Units, u)
				}
				c[u] = sigmoid(z[1])*c[u] + sigmoid(z[0])*cell(z[2])
				state[u] = sigmoid(z[3]) * cell(c[u])
			}
		}
		out = append(out, slices.Clone(state))
	}
	return out
}

// merged returns what a layer makes of its directions' outputs at one step each.
func merged(layer model.Recurrent, out [2][][]float64, forward, backward int) []float64 {
	y := slices.Clone(out[0][forward])
	if !layer.Bidirectional {
		return y
	}
	for u, v := range out[1][backward] {
		switch layer.Merge {
		case model.Sum:
			y[u] += v
		case model.Average:
			y[u] = (y[u] + v) / 2
		case model.Product:
			y[u] *= v
		default:
			y = append(y, v)
		}
	}
	return y
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
