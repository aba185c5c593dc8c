package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Engine trains k ≥ 1 models of one Spec side by side on one device, and predicts with them.
//
// The unit is an epoch. Load puts the windows on the device once; parameters, Adam's moments and everything in
// between stay there. An epoch is handed one Plan per model (the order of its windows, the learning rate of each
// step) and returns one Outcome per model (a probability and a loss term per window), from which metrics follow.
// All randomness is a pure function of Options.Seed, the epoch and the step (package philox), so that every
// engine draws the same, and a run continued from its State continues as it would have.
//
// An Engine is used by one goroutine at a time.
type Engine interface {
	// String says which device computes, by which path, and why: the first line of a log.
	String() string
	// Models returns k, the number of models side by side.
	Models() int
	// Load puts the windows on the device; they stay for all epochs. Called again, it replaces them. An engine whose
	// memory is the host's may read w where it is, so the caller leaves it as it is until the engine is closed or has
	// loaded others.
	Load(w Windows) error
	// State returns a copy of model k's parameters, moments and step.
	State(k int) (*State, error)
	// SetState replaces model k's parameters, moments and step. The error wraps ErrShape when s does not fit.
	SetState(k int, s *State) error
	// Epoch trains each model k by plans[k], then evaluates plans[k].Eval with the parameters then reached.
	// len(plans) is Models(); a plan without windows leaves its model alone. When ctx ends, Epoch stops after the
	// current step, skips the evaluation and returns what was done with ctx's error: the State is whole, and
	// Outcome.Steps says how far each model got.
	Epoch(ctx context.Context, plans []Plan) ([]Outcome, error)
	// Progress returns how many training steps of the current epoch, or of the last one, are done, and of how many, the
	// longest plan's. Any goroutine may call it while Epoch runs; it costs Epoch nothing.
	Progress() (done, of int)
	// Gradient computes the first step of plan for model k without taking it: the gradient of the step's loss
	// sum(w·l)/B by every parameter, flat in Layout order, before any clipping; and the step's Outcome.
	Gradient(k int, plan Plan) ([]float32, Outcome, error)
	// Predict returns P(y = 1), or [n][Classes] the probability of each class, of n = len(x)/(T·F) windows x[n][T][F] that need not be loaded, by model k, without
	// dropout and augmentation. NaN is a missing value, scaling is the model's.
	Predict(ctx context.Context, k int, x []float32) ([]float32, error)
	// Close frees the device's memory.
	Close() error
}

// StepCount counts the steps of an epoch for Engine.Progress: one goroutine counts, any may read. The zero value has
// counted none of none.
type StepCount struct{ done, of atomic.Int64 }

// Begin starts an epoch of `of` steps.
func (c *StepCount) Begin(of int) {
	c.done.Store(0)
	c.of.Store(int64(of))
}

// Add counts n steps more.
func (c *StepCount) Add(n int) { c.done.Add(int64(n)) }

// Progress returns the steps done, and of how many.
func (c *StepCount) Progress() (done, of int) { return int(c.done.Load()), int(c.of.Load()) }

// Windows is what an Engine is loaded with.
type Windows struct {
	X []float32 // x[N][T][F] as measured, unscaled; NaN = missing; no infinities
	Y []float32 // y[N], the class: 0 or 1, or of C classes 0 … C − 1
}

// Options are what stays the same for one model through its run. The zero value of a field means none of it, but
// for Loss and Optimizer, which New functions of the engines require.
type Options struct {
	Loss      Loss
	Optimizer Optimizer
	Scaling   Scaling
	Augment   Augment
	Seed      uint64 // key of dropout and augmentation
}

// Plan is one model's epoch.
type Plan struct {
	Epoch        int       // counts from 0; augmentation draws depend on it
	Train        []int32   // windows, in the order in which they are trained on
	Batch        int       // windows in a step; the last step may have fewer
	Weight       []float32 // of each window in Train (class or sample weights); nil: all 1
	LearningRate []float64 // of each step; its length is Steps()
	Eval         []int32   // windows to evaluate after the last step
}

// Steps returns the number of steps in the plan: len(Train)/Batch, rounded up.
func (p Plan) Steps() int {
	if len(p.Train) == 0 {
		return 0
	}
	return (len(p.Train) + p.Batch - 1) / p.Batch
}

// Check panics when the plan's parts do not fit each other or n loaded windows: that is a caller's mistake.
func (p Plan) Check(n int) {
	switch {
	case len(p.Train) > 0 && p.Batch < 1:
		panic(fmt.Sprintf("model: plan with batch %d", p.Batch))
	case p.Weight != nil && len(p.Weight) != len(p.Train):
		panic(fmt.Sprintf("model: plan with %d weights for %d windows", len(p.Weight), len(p.Train)))
	case len(p.LearningRate) != p.Steps():
		panic(fmt.Sprintf("model: plan with %d learning rates for %d steps", len(p.LearningRate), p.Steps()))
	}
	for _, list := range [][]int32{p.Train, p.Eval} {
		for _, i := range list {
			if i < 0 || int(i) >= n {
				panic(fmt.Sprintf("model: plan names window %d of %d", i, n))
			}
		}
	}
}

// Outcome is what an epoch brings for one model.
type Outcome struct {
	Probability     []float32     // [n][Classes], of each window in Train, in that order, as its step saw it: before the update, with dropout and augmentation
	Loss            []float32     // the same windows' loss terms, times their weight; an epoch's loss is their sum over N
	EvalProbability []float32     // [n][Classes], of each window in Eval, after the last step, without dropout and augmentation
	EvalLoss        []float32     // the same windows' loss terms, unweighted
	Steps           int           // steps taken; Probability and Loss hold only these steps' windows
	DeviceTime      time.Duration // time that the device was busy, 0 if not known
}

// LossKind says which loss is taken.
type LossKind string

// The losses. Both are taken from the logit z, p = sigmoid(z), as Keras does after a sigmoid layer, without
// clipping; with l = log(1 + exp(−s·z)), s = 2y − 1, which is −log of the probability of the true class:
const (
	BinaryCrossentropy LossKind = "binary_crossentropy"       // l
	BinaryFocal        LossKind = "binary_focal_crossentropy" // α_t (1 − p_t)^γ l, α_t = α for y = 1 and 1 − α for y = 0 (Lin et al. 2017, arXiv 1708.02002, equation 5)
)

// The losses of networks that tell more classes apart, from the logits too: p = softmax(z), l = −log of the true class's.
const (
	CategoricalCrossentropy LossKind = "categorical_crossentropy"       // l
	CategoricalFocal        LossKind = "categorical_focal_crossentropy" // α_t (1 − p_t)^γ l, α of the true class
)

// Loss is the training loss of one window.
type Loss struct {
	Kind         LossKind
	Alpha, Gamma float64   // BinaryFocal and CategoricalFocal
	ClassAlpha   []float64 `json:",omitempty"` // CategoricalFocal: α of each class; nil: Alpha for all
	// LabelSmoothing s moves the target of the true class to 1 − s + s/C and those of the others to s/C, C = 2 for binary losses.
	LabelSmoothing float64 `json:",omitempty"` // not for BinaryFocal
}

// Equal reports whether both are the same loss.
func (l Loss) Equal(o Loss) bool {
	return l.Kind == o.Kind && l.Alpha == o.Alpha && l.Gamma == o.Gamma && slices.Equal(l.ClassAlpha, o.ClassAlpha) && l.LabelSmoothing == o.LabelSmoothing
}

// Categorical reports whether the loss is one of more than two classes.
func (l Loss) Categorical() bool {
	return l.Kind == CategoricalCrossentropy || l.Kind == CategoricalFocal
}

// AlphaOf returns α of a class.
func (l Loss) AlphaOf(class int) float64 {
	if l.ClassAlpha != nil {
		return l.ClassAlpha[class]
	}
	return l.Alpha
}

// Focal returns the sigmoid focal crossentropy with Keras's defaults, α = 0.25 and γ = 2.
func Focal() Loss { return Loss{Kind: BinaryFocal, Alpha: 0.25, Gamma: 2} }

// Check returns an error when the loss is unknown, its numbers are out of range, or it is none of a network with that many classes,
// 1 for the binary one.
func (l Loss) Check(classes int) error {
	focal := l.Kind == BinaryFocal || l.Kind == CategoricalFocal
	switch l.Kind {
	case BinaryCrossentropy, BinaryFocal, CategoricalCrossentropy, CategoricalFocal:
	default:
		return fmt.Errorf("model: unknown loss %.60q; known are %q, %q, %q and %q", l.Kind, BinaryCrossentropy, BinaryFocal, CategoricalCrossentropy, CategoricalFocal)
	}
	switch {
	case l.Categorical() != (classes > 1):
		return fmt.Errorf("model: loss %s of a network with %d outputs", l.Kind, classes)
	case focal && !(l.Alpha >= 0 && l.Alpha <= 1):
		return fmt.Errorf("model: focal alpha %v; at least 0 and at most 1", l.Alpha)
	case focal && !(l.Gamma >= 0 && l.Gamma <= 100):
		return fmt.Errorf("model: focal gamma %v; at least 0 and at most 100", l.Gamma)
	case l.ClassAlpha != nil && (l.Kind != CategoricalFocal || len(l.ClassAlpha) != classes):
		return fmt.Errorf("model: %d focal alphas for a loss %s of %d classes: %w", len(l.ClassAlpha), l.Kind, classes, ErrShape)
	case !(l.LabelSmoothing >= 0 && l.LabelSmoothing < 1) || l.LabelSmoothing > 0 && l.Kind == BinaryFocal:
		return fmt.Errorf("model: label smoothing %v of %s; at least 0 and below 1, and none of %s", l.LabelSmoothing, l.Kind, BinaryFocal)
	}
	for c, a := range l.ClassAlpha {
		if !(a >= 0 && a <= 1) {
			return fmt.Errorf("model: focal alpha %v of class %d; at least 0 and at most 1", a, c)
		}
	}
	return nil
}

// Scaling maps measured values to what the network sees: (x − Offset)·Factor, one pair per feature, in float32.
// Only valid values are scaled: a missing value becomes 0 afterwards, and a masked step stays masked. Empty
// slices mean no scaling.
type Scaling struct {
	Offset []float32 `json:"offset,omitempty"` // [F]
	Factor []float32 `json:"factor,omitempty"` // [F]
	Low    []float32 `json:"low,omitempty"`    // [F], scaled values below are raised to it after augmentation's noise
	High   []float32 `json:"high,omitempty"`   // [F], scaled values above are lowered to it after augmentation's noise
}

// Check returns an error that wraps ErrShape unless every slice is empty or has f elements, all finite.
func (s Scaling) Check(f int) error {
	for _, v := range []struct {
		name string
		a    []float32
	}{{"offset", s.Offset}, {"factor", s.Factor}, {"low", s.Low}, {"high", s.High}} {
		if len(v.a) != 0 && len(v.a) != f {
			return fmt.Errorf("model: scaling %s has %d values for %d features: %w", v.name, len(v.a), f, ErrShape)
		}
		for i, x := range v.a {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("model: scaling %s of feature %d is %v; it must be finite", v.name, i, x)
			}
		}
	}
	if len(s.Offset) != len(s.Factor) || len(s.Low) != len(s.High) {
		return fmt.Errorf("model: scaling needs offset with factor, and low with high: %w", ErrShape)
	}
	return nil
}

// Fill returns the scaling with every slice of length f: offset 0, factor 1 and no bounds (±MaxFloat32) where
// s has none.
func (s Scaling) Fill(f int) Scaling {
	fill := func(a []float32, x float32) []float32 {
		if len(a) == f {
			return a
		}
		a = make([]float32, f)
		for i := range a {
			a[i] = x
		}
		return a
	}
	return Scaling{
		Offset: fill(s.Offset, 0), Factor: fill(s.Factor, 1),
		Low: fill(s.Low, -math.MaxFloat32), High: fill(s.High, math.MaxFloat32),
	}
}

// Augment says how training windows are moved and varied. A window is moved in an epoch with probability MoveProb: shifted
// in time, made larger or smaller, and turned, in this order, as measured, before scaling. It is varied with probability
// Prob, after scaling, and then all of this happens, in this order: time warp, noise, feature dropout. Package augment
// is the definition. A triplet of which a value is missing in a step is not turned in that step.
type Augment struct {
	Prob  float64 `json:"prob"`  // of varying a window, 0: never
	Warp  float64 `json:"warp"`  // the time factor is uniform in 1 ± Warp
	Noise float64 `json:"noise"` // standard deviation of the noise, in scaled units
	Drop  float64 `json:"drop"`  // share of cells that become missing

	MoveProb  float64 `json:"move_prob,omitempty"` // of moving a window, 0: never
	Shift     float64 `json:"shift,omitempty"`     // the window moves by a whole number of steps uniform in ±⌊Shift·T⌋; steps that nothing moves into are missing
	Magnitude float64 `json:"magnitude,omitempty"` // all values are multiplied by one factor uniform in 1 ± Magnitude
	Rotate    float64 `json:"rotate,omitempty"`    // degrees: each sensor triplet turns by one angle uniform in [0, Rotate] around one axis uniform on the sphere (Um et al. 2017, arXiv 1706.00527)
	Triplets  int     `json:"triplets,omitempty"`  // sensor triplets that turn: the first 3·Triplets features
}

// Check returns an error when a number is out of range.
func (a Augment) Check() error {
	for _, v := range []struct {
		name   string
		x, max float64
	}{{"prob", a.Prob, 1}, {"warp", a.Warp, 0.9}, {"noise", a.Noise, 1e6}, {"drop", a.Drop, 1},
		{"move_prob", a.MoveProb, 1}, {"shift", a.Shift, 0.9}, {"magnitude", a.Magnitude, 0.9}, {"rotate", a.Rotate, 180}} {
		if !(v.x >= 0 && v.x <= v.max) {
			return fmt.Errorf("model: augmentation %s is %v; at least 0 and at most %v", v.name, v.x, v.max)
		}
	}
	switch {
	case a.Triplets < 0:
		return fmt.Errorf("model: augmentation triplets is %d; at least 0", a.Triplets)
	case a.Rotate > 0 && a.Triplets == 0:
		return fmt.Errorf("model: augmentation rotates by up to %v degrees, but no triplets; say how many of the first features' triplets turn", a.Rotate)
	}
	return nil
}

// Changes reports whether any training window is moved or varied.
func (a Augment) Changes() bool { return a.Prob > 0 || a.MoveProb > 0 }

// Check returns the first error among the options' parts for a network of f features and classes outputs.
func (o Options) Check(f, classes int) error {
	for _, err := range []error{o.Loss.Check(classes), o.Optimizer.Check(), o.Scaling.Check(f), o.Augment.Check()} {
		if err != nil {
			return err
		}
	}
	if n := o.Augment.Triplets; n > f/3 {
		return fmt.Errorf("model: augmentation turns %d triplets, but %d features hold %d: %w", n, f, f/3, ErrShape)
	}
	return nil
}
