package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Kind is a layer's type, under Keras's class name.
type Kind string

// The layers that a Spec may hold.
const (
	Masking            Kind = "Masking"            // a time step whose features all equal MaskValue is skipped
	LSTM               Kind = "LSTM"               // returns all outputs where another LSTM comes after it, else its last one
	Dropout            Kind = "Dropout"            // inverted, in training only
	BatchNormalization Kind = "BatchNormalization" // by the batch's moments in training, else by the moving ones
	Dense              Kind = "Dense"
)

// Activation is what a layer does to each of its sums, under Keras's name.
type Activation string

// The activations.
const (
	Linear  Activation = "linear"
	Relu    Activation = "relu" // of an LSTM: of its candidate and its output, where tanh stands otherwise
	Tanh    Activation = "tanh"
	Sigmoid Activation = "sigmoid"
	Softmax Activation = "softmax" // of the last layer
)

// Merge says how a bidirectional layer makes one output of two, under Keras's name of the merge_mode.
type Merge string

// The merge modes.
const (
	Concat  Merge = "concat" // one after the other, forward first
	Sum     Merge = "sum"
	Average Merge = "ave"
	Product Merge = "mul"
)

// Layer is one layer of a Spec.
type Layer struct {
	Kind       Kind       `json:"kind"`
	Name       string     `json:"name"`                 // Keras's name, unique in the Spec: "lstm", "dense_1"
	Units      int        `json:"units,omitempty"`      // LSTM, Dense: outputs; of each direction
	Activation Activation `json:"activation,omitempty"` // Dense; LSTM: Relu, or Tanh, which "" means too
	Rate       float64    `json:"rate,omitempty"`       // Dropout: share of units dropped, in [0,1)

	// Bidirectional has an LSTM take the time steps in both directions, with parameters of its own each, and merge the two
	// outputs (Keras's Bidirectional; Schuster and Paliwal 1997, doi 10.1109/78.650093). Masked steps are skipped in both.
	// Name is then Bidirectional's.
	Bidirectional bool  `json:"bidirectional,omitempty"`
	Merge         Merge `json:"merge,omitempty"` // of a bidirectional layer; "" means Concat

	// GoBackwards has an LSTM of one direction take the time steps from the last to the first. As in Keras, an LSTM after it
	// reads its outputs in the order in which they came.
	GoBackwards bool `json:"go_backwards,omitempty"`

	MaskValue float64 `json:"mask_value,omitempty"` // Masking

	// Momentum m and Epsilon ε of BatchNormalization (Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1):
	// y = gamma·(x − mean)/√(variance + ε) + beta, and after each training step moving ← m·moving + (1 − m)·batch's.
	Momentum float64 `json:"momentum,omitempty"`
	Epsilon  float64 `json:"epsilon,omitempty"`
}

// Spec is a network: the shape of one input window and the layers it passes, in order.
type Spec struct {
	Timesteps int     `json:"timesteps"` // T, steps in a window
	Features  int     `json:"features"`  // F, values in a step
	Layers    []Layer `json:"layers"`
}

// Stage is a layer of a Chain that has no memory: Dropout, BatchNormalization or Dense.
type Stage struct {
	Kind            Kind
	Activation      Activation // Dense
	In, Out         int        // values that come in and go out, at each time step or of a window
	Rate            float64    // Dropout
	Stream          int        // Dropout: how many Dropout layers stand before it, which sets its draws apart
	Momentum, Small float64    // BatchNormalization: Layer's Momentum and Epsilon
	// First is the place in Layout.Variables of Dense's kernel [In][Out], after which its bias [Out] comes, or of
	// BatchNormalization's gamma [In], after which its beta [In] comes.
	First int
	// Moving is the place in Layout.Variables of BatchNormalization's moving_mean [In]; moving_variance [In] follows.
	Moving int
}

// Recurrent is one LSTM layer of a Chain.
type Recurrent struct {
	In            int // values that come in at each time step: the Chain's F, or Out of the layer before
	Units         int // H, of each direction
	Activation    Activation
	Bidirectional bool
	Merge         Merge // of a bidirectional layer
	GoBackwards   bool
	// First is the place of kernel [In][4H] in Layout.Variables; recurrent_kernel [H][4H] and bias [4H] follow, and then
	// the backward direction's three.
	First int
	// Between are the Dropout and BatchNormalization layers that its output at each time step passes on the way to the next
	// LSTM. The last LSTM has none: what comes after it is the Chain's Head.
	Between []Stage
}

// Directions returns 2 for a bidirectional layer, else 1.
func (r Recurrent) Directions() int {
	if r.Bidirectional {
		return 2
	}
	return 1
}

// Out returns how many values leave the layer at each time step: Units, of each direction where they are put one after the other.
func (r Recurrent) Out() int {
	if r.Bidirectional && r.Merge == Concat {
		return 2 * r.Units
	}
	return r.Units
}

// Chain is a Spec in sizes: what the engines run. The mask of the input goes through all of it: what an LSTM puts out in a
// masked step is read by nobody.
type Chain struct {
	T         int         // timesteps
	F         int         // features
	Masked    bool        // the input has a mask; else every step counts
	MaskValue float32     // a step whose features all equal it, or are missing, is masked
	LSTMs     []Recurrent // at least one
	Head      []Stage     // what the last output of the last LSTM passes; the last one is Dense(Classes, linear), which gives the logits
	Classes   int         // logits: 1 in front of a sigmoid, else 2 or more in front of a softmax
}

// Out returns how many values the last LSTM hands to the Head.
func (c Chain) Out() int { return c.LSTMs[len(c.LSTMs)-1].Out() }

// Stages returns all stages, first to last.
func (c Chain) Stages() []Stage {
	var all []Stage
	for _, r := range c.LSTMs {
		all = append(all, r.Between...)
	}
	return append(all, c.Head...)
}

// Normalizes reports whether there is a BatchNormalization, so that the rows of a batch depend on each other.
func (c Chain) Normalizes() bool {
	return slices.ContainsFunc(c.Stages(), func(s Stage) bool { return s.Kind == BatchNormalization })
}

// Turned reports whether a layer reads what one put out that goes backwards, in the order in which that came.
func (c Chain) Turned() bool {
	return slices.ContainsFunc(c.LSTMs[:len(c.LSTMs)-1], func(r Recurrent) bool { return r.GoBackwards })
}

// Dims are the sizes of a Chain with one LSTM of one direction.
type Dims struct {
	T int // timesteps
	F int // features
	H int // LSTM units
	D int // dense units
}

// Classifier returns the Spec Masking → LSTM(units) → Dropout(rate) → Dense(dense, relu) → Dense(1, sigmoid)
// for windows of timesteps × features.
func Classifier(timesteps, features, units int, rate float64, dense int) Spec {
	return Stack(timesteps, features, []int{units}, false, rate, dense)
}

// Stack returns the Spec Masking → LSTM(units[0]) → … → Dropout(rate) → Dense(dense, relu) → Dense(1, sigmoid), with the
// names that Keras gives the layers of a first model.
func Stack(timesteps, features int, units []int, bidirectional bool, rate float64, dense int) Spec {
	s := Spec{Timesteps: timesteps, Features: features, Layers: []Layer{{Kind: Masking, Name: "masking"}}}
	for i, n := range units {
		name := "lstm"
		if bidirectional {
			name = "bidirectional"
		}
		if i > 0 {
			name = fmt.Sprintf("%s_%d", name, i)
		}
		s.Layers = append(s.Layers, Layer{Kind: LSTM, Name: name, Units: n, Bidirectional: bidirectional})
	}
	s.Layers = append(s.Layers,
		Layer{Kind: Dropout, Name: "dropout", Rate: rate},
		Layer{Kind: Dense, Name: "dense", Units: dense, Activation: Relu},
		Layer{Kind: Dense, Name: "dense_1", Units: 1, Activation: Sigmoid})
	return s
}

// maxSize bounds every size of a Spec, so that products of two of them and a float's width fit an int64 with room.
const maxSize = 1 << 24

// MaxLSTMs bounds the LSTM layers of a Spec.
const MaxLSTMs = 16

// MaxStages bounds the other layers of a Spec.
const MaxStages = 64

// Supported says in errors which networks there are.
const Supported = "supported is Masking or none, LSTM or Bidirectional(LSTM), one or several, then Dense layers, with Dropout and " +
	"BatchNormalization after any of them, and at the end Dense(1, sigmoid) or Dense(classes, softmax)"

// Chain checks the Spec and returns its sizes. The error says which layer is not supported, or which size is out of range.
func (s Spec) Chain() (Chain, error) {
	c, _, err := s.chain()
	return c, err
}

// chain returns the Layout too.
func (s Spec) chain() (Chain, Layout, error) {
	b := chainBuilder{chain: Chain{T: s.Timesteps, F: s.Features}, width: s.Features}
	err := errors.Join(checkSize("timesteps", s.Timesteps), checkSize("features", s.Features))
	if err != nil {
		return Chain{}, Layout{}, fmt.Errorf("model: %w", err)
	}
	lastLSTM := -1
	for i, l := range s.Layers {
		if l.Kind == LSTM {
			lastLSTM = i
		}
	}
	for i, l := range s.Layers {
		if err := b.add(l, i, i < lastLSTM, i+1 == len(s.Layers)); err != nil {
			return Chain{}, Layout{}, fmt.Errorf("model: layer %q, %s, %w", l.Name, l.Kind, err)
		}
	}
	switch n := len(b.chain.LSTMs); {
	case n == 0:
		return Chain{}, Layout{}, fmt.Errorf("model: there is no LSTM; %s", Supported)
	case n > MaxLSTMs:
		return Chain{}, Layout{}, fmt.Errorf("model: %d LSTM layers; at most %d", n, MaxLSTMs)
	case b.chain.Classes == 0:
		return Chain{}, Layout{}, fmt.Errorf("model: no Dense layer stands at the end; %s", Supported)
	case len(s.Layers)-n > MaxStages:
		return Chain{}, Layout{}, fmt.Errorf("model: %d layers beside LSTMs; at most %d", len(s.Layers)-n, MaxStages)
	}
	layout := b.layout()
	if layout.Size > 1<<31-1 {
		return Chain{}, Layout{}, fmt.Errorf("model: %d parameters; at most %d", layout.Size, 1<<31-1)
	}
	return b.chain, layout, nil
}

// chainBuilder goes along a Spec's layers.
type chainBuilder struct {
	chain    Chain
	width    int // of what the next layer reads
	dropouts int
	trained  []Variable
	moving   []Variable
}

// add appends layer i. The error goes on after the layer's name.
func (b *chainBuilder) add(l Layer, i int, beforeLSTM, last bool) error {
	if l.Bidirectional && l.Kind != LSTM {
		return fmt.Errorf("is bidirectional; supported is that of LSTM")
	}
	if len(b.chain.LSTMs) == 0 && l.Kind != LSTM && (l.Kind != Masking || i > 0) {
		return fmt.Errorf("stands before the first LSTM; %s", Supported)
	}
	switch l.Kind {
	case Masking:
		if i > 0 {
			return fmt.Errorf("stands after other layers; %s", Supported)
		}
		b.chain.Masked, b.chain.MaskValue = true, float32(l.MaskValue)
		if v := float64(b.chain.MaskValue); v != v || math.IsInf(v, 0) {
			return fmt.Errorf("has mask_value %v; it must be a finite float32", l.MaskValue)
		}
	case LSTM:
		return b.addLSTM(l)
	case Dropout:
		if !(l.Rate >= 0 && l.Rate < 1) {
			return fmt.Errorf("has rate %v; at least 0 and below 1", l.Rate)
		}
		b.stage(Stage{Kind: Dropout, In: b.width, Out: b.width, Rate: l.Rate, Stream: b.dropouts}, beforeLSTM)
		b.dropouts++
	case BatchNormalization:
		switch {
		case !(l.Momentum >= 0 && l.Momentum <= 1):
			return fmt.Errorf("has momentum %v; at least 0 and at most 1", l.Momentum)
		case !(l.Epsilon >= 1e-12 && l.Epsilon <= 1):
			return fmt.Errorf("has epsilon %v; at least 1e-12 and at most 1", l.Epsilon)
		}
		b.stage(Stage{Kind: BatchNormalization, In: b.width, Out: b.width, Momentum: l.Momentum, Small: l.Epsilon,
			First: len(b.trained), Moving: len(b.moving)}, beforeLSTM)
		b.trained = append(b.trained, Variable{Name: l.Name + "/gamma", Shape: []int{b.width}}, Variable{Name: l.Name + "/beta", Shape: []int{b.width}})
		b.moving = append(b.moving, Variable{Name: l.Name + "/moving_mean", Shape: []int{b.width}}, Variable{Name: l.Name + "/moving_variance", Shape: []int{b.width}})
	case Dense:
		return b.addDense(l, beforeLSTM, last)
	default:
		return fmt.Errorf("is of no kind that is known; %s", Supported)
	}
	return nil
}

func (b *chainBuilder) addLSTM(l Layer) error {
	r := Recurrent{In: b.width, Units: l.Units, Activation: cmp.Or(l.Activation, Tanh), Bidirectional: l.Bidirectional,
		GoBackwards: l.GoBackwards, First: len(b.trained)}
	if l.Bidirectional {
		r.Merge = cmp.Or(l.Merge, Concat)
	}
	switch {
	case r.Activation != Tanh && r.Activation != Relu:
		return fmt.Errorf("has activation %q; supported are %q and %q", l.Activation, Tanh, Relu)
	case l.Bidirectional && l.GoBackwards:
		return fmt.Errorf("is bidirectional and goes backwards; supported is one of both")
	case !l.Bidirectional && l.Merge != "" && l.Merge != Concat:
		return fmt.Errorf("has merge_mode %q and one direction", l.Merge)
	case l.Bidirectional && !slices.Contains([]Merge{Concat, Sum, Average, Product}, r.Merge):
		return fmt.Errorf("has merge_mode %q; supported are %q, %q, %q and %q", l.Merge, Concat, Sum, Average, Product)
	}
	if err := checkSize("LSTM units", l.Units); err != nil {
		return fmt.Errorf("has %w", err)
	}
	names := []string{l.Name}
	if r.Bidirectional {
		names = []string{l.Name + "/forward_lstm", l.Name + "/backward_lstm"}
	}
	for _, name := range names {
		b.trained = append(b.trained,
			Variable{Name: name + "/kernel", Shape: []int{r.In, 4 * r.Units}},
			Variable{Name: name + "/recurrent_kernel", Shape: []int{r.Units, 4 * r.Units}},
			Variable{Name: name + "/bias", Shape: []int{4 * r.Units}})
	}
	b.chain.LSTMs, b.width = append(b.chain.LSTMs, r), r.Out()
	return nil
}

func (b *chainBuilder) addDense(l Layer, beforeLSTM, last bool) error {
	if beforeLSTM {
		return fmt.Errorf("stands between LSTMs; %s", Supported)
	}
	activation := cmp.Or(l.Activation, Linear)
	switch {
	case last && activation == Sigmoid && l.Units == 1, last && activation == Softmax && l.Units >= 2:
		b.chain.Classes = l.Units
		activation = Linear // the losses and the probabilities are taken from the logits
	case last:
		return fmt.Errorf("stands at the end with %d units and activation %q; supported are 1 with sigmoid, and 2 or more with softmax", l.Units, activation)
	case !slices.Contains([]Activation{Linear, Relu, Tanh, Sigmoid}, activation):
		return fmt.Errorf("has activation %q; supported are %q, %q, %q and %q, and %q at the end", activation, Linear, Relu, Tanh, Sigmoid, Softmax)
	}
	if err := checkSize("dense units", l.Units); err != nil {
		return fmt.Errorf("has %w", err)
	}
	b.stage(Stage{Kind: Dense, Activation: activation, In: b.width, Out: l.Units, First: len(b.trained)}, false)
	b.trained = append(b.trained, Variable{Name: l.Name + "/kernel", Shape: []int{b.width, l.Units}}, Variable{Name: l.Name + "/bias", Shape: []int{l.Units}})
	b.width = l.Units
	return nil
}

// stage appends a stage where it belongs.
func (b *chainBuilder) stage(s Stage, beforeLSTM bool) {
	to := &b.chain.Head
	if beforeLSTM {
		to = &b.chain.LSTMs[len(b.chain.LSTMs)-1].Between
	}
	*to = append(*to, s)
}

// layout lays the variables out: first what is trained, then what moves.
func (b *chainBuilder) layout() Layout {
	l := Layout{Variables: append(b.trained, b.moving...), Trained: len(b.trained)}
	for i := range l.Variables {
		l.Variables[i].Offset = l.Size
		l.Size += l.Variables[i].Size()
	}
	for i := range b.chain.LSTMs {
		b.place(b.chain.LSTMs[i].Between)
	}
	b.place(b.chain.Head)
	return l
}

// place sets Moving, which began to count at the first variable that moves.
func (b *chainBuilder) place(stages []Stage) {
	for i := range stages {
		stages[i].Moving += len(b.trained)
	}
}

// checkSize returns an error unless a size is one that products of two of can be taken.
func checkSize(what string, n int) error {
	if n < 1 || n > maxSize {
		return fmt.Errorf("%d %s; at least 1 and at most %d", n, what, maxSize)
	}
	return nil
}

// Dims is Chain for a Spec with one LSTM of one direction and Stack's other layers; others give an error.
func (s Spec) Dims() (Dims, error) {
	c, err := s.Chain()
	if err != nil {
		return Dims{}, err
	}
	if err := c.Plain(); err != nil {
		return Dims{}, err
	}
	if len(c.LSTMs) != 1 || c.LSTMs[0].Bidirectional {
		return Dims{}, fmt.Errorf("model: supported is one LSTM of one direction")
	}
	return Dims{T: c.T, F: c.F, H: c.LSTMs[0].Units, D: c.D()}, nil
}

// Plain returns an error that says what the Chain has beyond the layers of Stack, in any mix of directions.
func (c Chain) Plain() error {
	switch {
	case !c.Masked:
		return fmt.Errorf("model: the network has no Masking layer")
	case c.MaskValue != 0:
		return fmt.Errorf("model: the network masks %v", c.MaskValue)
	case c.Classes != 1:
		return fmt.Errorf("model: the network tells %d classes apart", c.Classes)
	case len(c.Head) != 3 || c.Head[0].Kind != Dropout || c.Head[1].Kind != Dense || c.Head[1].Activation != Relu:
		return fmt.Errorf("model: the network has other layers after its LSTM than Dropout, Dense(relu), Dense(1, sigmoid)")
	}
	for _, r := range c.LSTMs {
		switch {
		case r.Activation != Tanh:
			return fmt.Errorf("model: the network has an LSTM with activation %s", r.Activation)
		case r.GoBackwards:
			return fmt.Errorf("model: the network has an LSTM that goes backwards")
		case r.Bidirectional && r.Merge != Concat:
			return fmt.Errorf("model: the network merges two directions by %s", r.Merge)
		case len(r.Between) > 0:
			return fmt.Errorf("model: the network has a %s between LSTMs", r.Between[0].Kind)
		}
	}
	return nil
}

// D returns the units of a plain Chain's hidden Dense layer.
func (c Chain) D() int { return c.Head[1].Out }

// FirstOfHead returns the place in Layout.Variables of the first variable after those of the LSTMs and what lies between them.
func (c Chain) FirstOfHead() int {
	last := c.LSTMs[len(c.LSTMs)-1]
	return last.First + 3*last.Directions()
}

// Rate returns the rate of the first Dropout layer, 0 if there is none.
func (s Spec) Rate() float64 {
	for _, l := range s.Layers {
		if l.Kind == Dropout {
			return l.Rate
		}
	}
	return 0
}

// ErrShape is wrapped by errors about a state or data whose sizes are not the Spec's.
var ErrShape = errors.New("wrong shape")

// ReturnsSequences reports whether layer i, an LSTM, puts out its output at each time step, since another LSTM comes after it.
func (s Spec) ReturnsSequences(i int) bool {
	return slices.ContainsFunc(s.Layers[i+1:], func(l Layer) bool { return l.Kind == LSTM })
}

// LayerVariables returns the places in Layout.Variables of each layer's variables, in the order in which Keras keeps them by layer:
// BatchNormalization's moving moments after its gamma and beta. It panics when Chain returns an error.
func (s Spec) LayerVariables() [][]int {
	trained, moving := 0, s.Layout().Trained
	take := func(from *int, n int) (places []int) {
		for range n {
			places = append(places, *from)
			*from++
		}
		return places
	}
	var all [][]int
	for _, l := range s.Layers {
		switch {
		case l.Kind == LSTM && l.Bidirectional:
			all = append(all, take(&trained, 6))
		case l.Kind == LSTM:
			all = append(all, take(&trained, 3))
		case l.Kind == Dense:
			all = append(all, take(&trained, 2))
		case l.Kind == BatchNormalization:
			all = append(all, append(take(&trained, 2), take(&moving, 2)...))
		default:
			all = append(all, nil)
		}
	}
	return all
}

// Layout returns the variables of the Spec, in Keras's order, and where each lies in a flat array of parameters. It
// panics when Chain returns an error.
func (s Spec) Layout() Layout {
	_, l, err := s.chain()
	if err != nil {
		panic(err)
	}
	return l
}
