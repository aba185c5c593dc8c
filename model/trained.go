package model

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Trained is a trained network as the writers of file formats take it: all that is needed to predict.
type Trained struct {
	Spec      Spec
	Members   [][]float32 // parameters, flat in Layout order; of several members the probabilities are averaged
	Scaling   Scaling     // applied to measured values before the network sees them
	Threshold float64     // of one output, the probability above which a window counts as positive
	Classes   []string    // the names of the classes, where they have some
}

// Folded returns the network that predicts the same without Dropout, which only training does, and without
// BatchNormalization: what that multiplies by and adds is in the kernels and biases of the layer after it.
func (t Trained) Folded() Trained {
	c, err := t.Spec.Chain()
	if err != nil {
		return t // which Check says
	}
	out, layout := t, t.Spec.Layout()
	out.Spec.Layers = slices.DeleteFunc(slices.Clone(t.Spec.Layers), func(l Layer) bool { return l.Kind == Dropout || l.Kind == BatchNormalization })
	out.Members = nil
	for _, params := range t.Members {
		f := folding{layout: layout, params: params}
		for _, r := range c.LSTMs {
			f.recurrent(r)
			for _, s := range r.Between {
				f.stage(s)
			}
		}
		for _, s := range c.Head {
			f.stage(s)
		}
		out.Members = append(out.Members, f.out)
	}
	return out
}

// folding copies parameters, layer by layer.
type folding struct {
	layout Layout
	params []float32
	out    []float32
	// What reads the next layer's input x is to read factor·x + offset; nil: x itself.
	factor, offset []float64
}

// recurrent copies the parameters of an LSTM.
func (f *folding) recurrent(r Recurrent) {
	for d := range r.Directions() {
		v := f.layout.Variables[r.First+3*d:]
		kernel, bias := f.product(v[0], v[2])
		f.out = slices.Concat(f.out, kernel, v[1].Of(f.params), bias)
	}
	f.factor, f.offset = nil, nil
}

// stage copies those of Dense, and keeps those of BatchNormalization for the next layer.
func (f *folding) stage(s Stage) {
	switch s.Kind {
	case Dense:
		kernel, bias := f.product(f.layout.Variables[s.First], f.layout.Variables[s.First+1])
		f.out = slices.Concat(f.out, kernel, bias)
		f.factor, f.offset = nil, nil
	case BatchNormalization:
		gamma, beta := f.layout.Variables[s.First].Of(f.params), f.layout.Variables[s.First+1].Of(f.params)
		mean, variance := f.layout.Variables[s.Moving].Of(f.params), f.layout.Variables[s.Moving+1].Of(f.params)
		if f.factor == nil {
			f.factor, f.offset = slices.Repeat([]float64{1}, s.In), make([]float64, s.In)
		}
		for i := range gamma {
			k := float64(gamma[i]) / math.Sqrt(float64(variance[i])+s.Small)
			f.factor[i], f.offset[i] = k*f.factor[i], k*(f.offset[i]-float64(mean[i]))+float64(beta[i])
		}
	}
}

// product returns the kernel[in][units] and the bias[units] that make of x what the layer's own make of factor·x + offset.
func (f *folding) product(k, b Variable) (kernel, bias []float32) {
	kernel, bias = slices.Clone(k.Of(f.params)), slices.Clone(b.Of(f.params))
	if f.factor == nil {
		return kernel, bias
	}
	units := len(bias)
	sum := make([]float64, units)
	for i, w := range kernel {
		sum[i%units] += f.offset[i/units] * float64(w)
		kernel[i] = float32(f.factor[i/units] * float64(w))
	}
	for u := range bias {
		bias[u] = float32(float64(bias[u]) + sum[u])
	}
	return kernel, bias
}

// Check returns an error that says why t cannot be written with its kernels as q says: a Spec that Chain refuses, no
// member, parameters that are not finite, too large for q, or not as many as the Spec's (it then wraps ErrShape), a
// scaling that does not fit, an unknown q.
func (t Trained) Check(q Quantization) error {
	if _, err := t.Spec.Chain(); err != nil {
		return err
	}
	switch q {
	case QuantizeNone, QuantizeFloat16, QuantizeInt8:
	default:
		return fmt.Errorf("model: unknown quantization %q; known are %q, %q and %q", q, QuantizeNone, QuantizeFloat16, QuantizeInt8)
	}
	if len(t.Members) == 0 {
		return fmt.Errorf("model: a network without parameters: %w", ErrShape)
	}
	layout := t.Spec.Layout()
	for _, params := range t.Members {
		if len(params) != layout.Size {
			return fmt.Errorf("model: %d parameters for a network of %d: %w", len(params), layout.Size, ErrShape)
		}
		for _, v := range layout.Variables {
			for i, p := range v.Of(params) {
				switch x := math.Abs(float64(p)); {
				case x != x || x > math.MaxFloat32:
					return fmt.Errorf("model: %s holds %v at element %d; the training diverged, try a lower learning rate", v.Name, p, i)
				case q == QuantizeFloat16 && v.Matrix() && x > maxFloat16:
					return fmt.Errorf("model: %s holds %v at element %d; float16 holds at most %d, so write float32", v.Name, p, i, maxFloat16)
				}
			}
		}
	}
	return t.Scaling.Check(t.Spec.Features)
}

// Metadata are the texts that a file says of the network: the threshold, of one output, and the classes' names as a JSON array, where
// they have some.
func (t Trained) Metadata() [][2]string {
	list := [][2]string{{"threshold", strconv.FormatFloat(t.Threshold, 'g', -1, 64)}}
	if c, err := t.Spec.Chain(); err == nil && c.Classes > 1 {
		list = nil
	}
	if len(t.Classes) > 0 {
		names, err := json.Marshal(t.Classes)
		if err != nil {
			panic(err) // of texts there is none
		}
		list = append(list, [2]string{"classes", string(names)})
	}
	return list
}

// farthest bounds the sum of a gate's products with what the network reads: far beyond where the gate is saturated, and so
// far below the largest float32 that rounding, also of kernels and inputs to int8, makes no infinity of it.
const farthest = 1e35

// Largest returns a bound for scaled values: runtimes compute with finite numbers alone where what the first layer reads
// lies within it, since two infinite products sum up to no number. It is as far out as the kernels allow, in any case beyond
// what raw units of a sensor reach.
func (t Trained) Largest() float32 {
	c, err := t.Spec.Chain()
	if err != nil {
		return math.MaxFloat32
	}
	layout, most := t.Spec.Layout(), 0.0
	for _, params := range t.Members {
		for d := range c.LSTMs[0].Directions() {
			sum := make([]float64, 4*c.LSTMs[0].Units)
			for i, w := range layout.Variables[c.LSTMs[0].First+3*d].Of(params) {
				sum[i%len(sum)] += math.Abs(float64(w))
			}
			for _, s := range sum {
				most = max(most, s)
			}
		}
	}
	if most <= farthest/math.MaxFloat32 {
		return math.MaxFloat32
	}
	return float32(farthest / most)
}

// Rescale returns the scaling's offsets and factors as graphs compute it, (x − offset)·factor: where the factor is 0 so is
// the offset, since an infinite difference times 0 is no number.
func (s Scaling) Rescale() (offset, factor []float32) {
	offset = slices.Clone(s.Offset)
	for f, k := range s.Factor {
		if k == 0 {
			offset[f] = 0
		}
	}
	return offset, s.Factor
}

// maxFloat16 is the largest finite float16.
const maxFloat16 = 65504

// Float16 rounds to the nearest float16, ties to even, and returns its bits; what is beyond the largest becomes infinite.
func Float16(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, x := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case x > 0x7f800000: // NaN
		return sign | 0x7e00
	case x >= 0x47800000: // 65536 and more
		return sign | 0x7c00
	case x < 0x38800000: // below 2⁻¹⁴: multiples of 2⁻²⁴
		n := math.RoundToEven(math.Abs(float64(v)) * 0x1p24)
		return sign | uint16(n)
	}
	x += 0xfff + x>>13&1
	return sign | uint16((x-0x38000000)>>13)
}

// Quantization says how a file keeps the kernels; biases stay float32.
type Quantization string

// The quantizations.
const (
	QuantizeNone    Quantization = "none"    // float32
	QuantizeFloat16 Quantization = "float16" // float16, computed in float32
	QuantizeInt8    Quantization = "int8"    // int8 with one scale per kernel or unit, computed in float32
)
