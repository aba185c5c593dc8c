package model

import (
	"fmt"
	"math"
)

// OptimizerKind says which rule moves the parameters.
type OptimizerKind string

// The optimizers.
const (
	Adam OptimizerKind = "adam" // Kingma and Ba 2015, arXiv 1412.6980, algorithm 1, in the form before section 2.1's end: ε is not bias-corrected
	SGD  OptimizerKind = "sgd"  // p −= lr·g; for comparing trajectories, since Adam magnifies rounding
)

// Optimizer holds the optimizer's constants. DefaultAdam has Keras's.
type Optimizer struct {
	Kind           OptimizerKind
	Beta1, Beta2   float64
	Epsilon        float64
	ClipNorm       float64 // each variable's gradient is scaled down to this L2 norm; 0: not
	GlobalClipNorm float64 // all gradients are scaled down together to this L2 norm; 0: not
	WeightDecay    float64 // decoupled (AdamW, Loshchilov and Hutter 2019, arXiv 1711.05101): p −= p·WeightDecay·lr before the step, every variable
	L2             float64 // penalty L2·Σp² over every kernel, biases free (Keras's kernel_ and recurrent_regularizer): 2·L2·p is added to its gradient, before clipping. Losses that an Engine returns are without it
	ExactBetas     bool    // do not round β to float32 in the bias correction, as Keras does when β is given as a float64 tensor
}

// DefaultAdam returns Adam with Keras's constants: β 0.9 and 0.999, ε 1e-7.
func DefaultAdam() Optimizer { return Optimizer{Kind: Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7} }

// Check returns an error when the optimizer is unknown or a number is out of range.
func (o Optimizer) Check() error {
	switch {
	case o.Kind == SGD:
	case o.Kind != Adam:
		return fmt.Errorf("model: unknown optimizer %q; known are %q and %q", o.Kind, Adam, SGD)
	case !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1):
		return fmt.Errorf("model: Adam's β are %v and %v; at least 0 and below 1", o.Beta1, o.Beta2)
	case !(o.Epsilon > 0 && o.Epsilon <= 1):
		return fmt.Errorf("model: Adam's ε is %v; above 0 and at most 1", o.Epsilon)
	}
	for _, v := range []struct {
		name string
		x    float64
	}{{"clipnorm", o.ClipNorm}, {"global_clipnorm", o.GlobalClipNorm}, {"weight decay", o.WeightDecay}, {"l2", o.L2}} {
		if !(v.x >= 0 && v.x <= 1e9) {
			return fmt.Errorf("model: %s is %v; at least 0 and at most 1e9", v.name, v.x)
		}
	}
	if o.ClipNorm > 0 && o.GlobalClipNorm > 0 {
		return fmt.Errorf("model: clipnorm and global_clipnorm exclude each other; give one")
	}
	return nil
}

// Alpha returns the factor of the step t (from 1) at learning rate lr: for Adam lr·√(1−β2ᵗ)/(1−β1ᵗ), where β is
// first rounded to float32 as Keras rounds it, even in float64; for SGD lr itself.
func (o Optimizer) Alpha(lr float64, t int) float64 {
	if o.Kind == SGD {
		return lr
	}
	b1, b2 := o.Beta1, o.Beta2
	if !o.ExactBetas {
		b1, b2 = float64(float32(b1)), float64(float32(b2))
	}
	return lr * math.Sqrt(1-math.Pow(b2, float64(t))) / (1 - math.Pow(b1, float64(t)))
}

// Decay returns the share of each parameter that decoupled weight decay takes away in a step at learning rate lr.
// Keras rounds WeightDecay to float32.
func (o Optimizer) Decay(lr float64) float64 { return float64(float32(o.WeightDecay)) * lr }

// ClipFactors returns what the gradient of each variable of l is multiplied with before the step: 1 without
// clipping. squares are the sums of squares of each variable's gradient. A norm of NaN or Inf makes all NaN under
// GlobalClipNorm, as in Keras.
func (o Optimizer) ClipFactors(squares []float64) []float64 {
	f := make([]float64, len(squares))
	total := 0.0
	for i, s := range squares {
		f[i] = 1
		if o.ClipNorm > 0 {
			f[i] = o.ClipNorm / math.Max(math.Sqrt(s), o.ClipNorm)
		}
		total += s
	}
	if c := o.GlobalClipNorm; c > 0 {
		n := math.Sqrt(total)
		g := c * math.Min(1/n, 1/c)
		if math.IsInf(n, 0) || math.IsNaN(n) {
			g = math.NaN()
		}
		for i := range f {
			f[i] = g
		}
	}
	return f
}

// Step takes one optimizer step on s in place, in float32: the definition that adam_update.comp repeats. grad is
// flat in the order of l; lr is the learning rate of this step. It counts s.Step up.
//
//	g += 2·L2·p, kernels only; then clipping
//	m += (g − m)(1 − β1)   v += (g² − v)(1 − β2)   p −= α·m/(√v + ε)
func (o Optimizer) Step(l Layout, s *State, grad []float32, lr float64) {
	s.Step++
	if o.L2 > 0 {
		grad = o.penalised(l, s.Params, grad)
	}
	squares := make([]float64, len(l.Variables))
	if o.ClipNorm > 0 || o.GlobalClipNorm > 0 {
		for i, v := range l.Variables {
			for _, g := range v.Of(grad) {
				squares[i] += float64(g) * float64(g)
			}
		}
	}
	factors := o.ClipFactors(squares)
	alpha, decay := float32(o.Alpha(lr, s.Step)), float32(o.Decay(lr))
	b1, b2, eps := float32(1-o.Beta1), float32(1-o.Beta2), float32(o.Epsilon)
	for i, v := range l.Variables {
		c := float32(factors[i])
		p, m, w, g := v.Of(s.Params), v.Of(s.M), v.Of(s.V), v.Of(grad)
		for j := range p {
			x := g[j]
			if c != 1 {
				x *= c
			}
			q := p[j] - p[j]*decay
			if o.Kind == SGD {
				p[j] = q - alpha*x
				continue
			}
			m[j] += (x - m[j]) * b1
			w[j] += (x*x - w[j]) * b2
			p[j] = q - alpha*m[j]/(float32(math.Sqrt(float64(w[j])))+eps)
		}
	}
}

// penalised returns grad with 2·L2·p added for every kernel; grad stays as it is.
func (o Optimizer) penalised(l Layout, params, grad []float32) []float32 {
	out := append([]float32(nil), grad...)
	twice := float32(2 * o.L2)
	for _, v := range l.Variables {
		if v.Matrix() {
			p, g := v.Of(params), v.Of(out)
			for j := range g {
				g[j] += twice * p[j]
			}
		}
	}
	return out
}
