package model

import (
	"fmt"
	"math"
	"slices"
)

// Trained is a trained network as the writers of file formats take it: all that is needed to predict.
type Trained struct {
	Spec      Spec
	Members   [][]float32 // parameters, flat in Layout order; of several members the probabilities are averaged
	Scaling   Scaling     // applied to measured values before the network sees them
	Threshold float64     // the probability above which a window counts as positive
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
