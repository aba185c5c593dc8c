package model

import (
	"errors"
	"fmt"
)

// Kind is a layer's type, under Keras's class name.
type Kind string

// The layers that a Spec may hold.
const (
	Masking Kind = "Masking" // a step whose features all equal 0 is skipped
	LSTM    Kind = "LSTM"    // returns all outputs to an LSTM after it, else its last one
	Dropout Kind = "Dropout" // inverted, in training only
	Dense   Kind = "Dense"
)

// Layer is one layer of a Spec.
type Layer struct {
	Kind       Kind    `json:"kind"`
	Name       string  `json:"name"`                 // Keras's name, unique in the Spec: "lstm", "dense_1"
	Units      int     `json:"units,omitempty"`      // LSTM, Dense: outputs; of each direction
	Activation string  `json:"activation,omitempty"` // Dense: "relu" or "sigmoid"
	Rate       float64 `json:"rate,omitempty"`       // Dropout: share of units dropped, in [0,1)

	// Bidirectional has an LSTM take the time steps in both directions, with parameters of its own each, and put the two
	// outputs one after the other, forward first (Keras's Bidirectional with merge_mode "concat"; Schuster and Paliwal
	// 1997, doi 10.1109/78.650093). Masked steps are skipped in both. Name is then Bidirectional's.
	Bidirectional bool `json:"bidirectional,omitempty"`
}

// Spec is a network: the shape of one input window and the layers it passes, in order.
type Spec struct {
	Timesteps int     `json:"timesteps"` // T, steps in a window
	Features  int     `json:"features"`  // F, values in a step
	Layers    []Layer `json:"layers"`
}

// Recurrent is one LSTM layer of a Chain.
type Recurrent struct {
	In            int // values that come in at each step: the Chain's F, or Out of the layer before
	Units         int // H, of each direction
	Bidirectional bool
	// First is the place of kernel [In][4H] in Layout.Variables; recurrent_kernel [H][4H] and bias [4H] follow, and then
	// the backward direction's three.
	First int
}

// Directions returns 2 for a bidirectional layer, else 1.
func (r Recurrent) Directions() int {
	if r.Bidirectional {
		return 2
	}
	return 1
}

// Out returns how many values leave the layer at each step: Units of each direction.
func (r Recurrent) Out() int { return r.Directions() * r.Units }

// Chain is a Spec in sizes, Masking → LSTM … LSTM → Dropout → Dense → Dense: what the engines run. The mask of the
// input goes through all of it: what an LSTM puts out in a masked step is read by nobody.
type Chain struct {
	T     int         // timesteps
	F     int         // features
	LSTMs []Recurrent // at least one
	D     int         // dense units
}

// Out returns how many values the last LSTM hands to the first Dense layer.
func (c Chain) Out() int { return c.LSTMs[len(c.LSTMs)-1].Out() }

// Head returns the place of dense/kernel [Out][D] in Layout.Variables; dense/bias [D], dense_1/kernel [D][1] and
// dense_1/bias [1] follow.
func (c Chain) Head() int {
	last := c.LSTMs[len(c.LSTMs)-1]
	return last.First + 3*last.Directions()
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
		Layer{Kind: Dense, Name: "dense", Units: dense, Activation: "relu"},
		Layer{Kind: Dense, Name: "dense_1", Units: 1, Activation: "sigmoid"})
	return s
}

// maxSize bounds every size of a Spec, so that products of two of them and a float's width fit an int64 with room.
const maxSize = 1 << 24

// MaxLSTMs bounds the LSTM layers of a Spec.
const MaxLSTMs = 16

// Chain checks that the Spec is what Stack builds, with any mix of directions and names, and returns its sizes. The
// error says which layer is not supported, or which size is out of range.
func (s Spec) Chain() (Chain, error) {
	const supported = "supported is Masking, LSTM (one or several), Dropout, Dense, Dense"
	lstms := 0
	for lstms+1 < len(s.Layers) && s.Layers[lstms+1].Kind == LSTM {
		lstms++
	}
	want := []Kind{Masking}
	for range max(lstms, 1) {
		want = append(want, LSTM)
	}
	want = append(want, Dropout, Dense, Dense)
	if lstms > MaxLSTMs {
		return Chain{}, fmt.Errorf("model: %d LSTM layers; at most %d", lstms, MaxLSTMs)
	}
	for i, l := range s.Layers {
		if i >= len(want) {
			return Chain{}, fmt.Errorf("model: layer %q, %s, stands after the last one; %s", l.Name, l.Kind, supported)
		}
		if l.Kind != want[i] {
			return Chain{}, fmt.Errorf("model: layer %q, %s, stands where %s is expected; %s", l.Name, l.Kind, want[i], supported)
		}
		if l.Bidirectional && l.Kind != LSTM {
			return Chain{}, fmt.Errorf("model: layer %q, %s, is bidirectional; supported is that of LSTM", l.Name, l.Kind)
		}
	}
	if n := len(s.Layers); n < len(want) {
		return Chain{}, fmt.Errorf("model: %d layers, and none where %s is expected; %s", n, want[n], supported)
	}
	hidden, output := s.Layers[len(want)-2], s.Layers[len(want)-1]
	c := Chain{T: s.Timesteps, F: s.Features, D: hidden.Units}
	sizes := []struct {
		what string
		size int
	}{{"timesteps", c.T}, {"features", c.F}, {"dense units", c.D}}
	in, first := c.F, 0
	for _, l := range s.Layers[1 : lstms+1] {
		sizes = append(sizes, struct {
			what string
			size int
		}{"LSTM units", l.Units})
		r := Recurrent{In: in, Units: l.Units, Bidirectional: l.Bidirectional, First: first}
		c.LSTMs = append(c.LSTMs, r)
		in, first = r.Out(), first+3*r.Directions()
	}
	for _, n := range sizes {
		if n.size < 1 || n.size > maxSize {
			return Chain{}, fmt.Errorf("model: %d %s; at least 1 and at most %d", n.size, n.what, maxSize)
		}
	}
	switch {
	case output.Units != 1:
		return Chain{}, fmt.Errorf("model: the last layer has %d units; supported is 1", output.Units)
	case hidden.Activation != "relu":
		return Chain{}, fmt.Errorf("model: layer %q has activation %q; supported is relu", hidden.Name, hidden.Activation)
	case output.Activation != "sigmoid":
		return Chain{}, fmt.Errorf("model: layer %q has activation %q; supported is sigmoid", output.Name, output.Activation)
	case !(s.Rate() >= 0 && s.Rate() < 1):
		return Chain{}, fmt.Errorf("model: dropout rate %v; at least 0 and below 1", s.Rate())
	}
	if n := s.layout(c).Size; n > 1<<31-1 {
		return Chain{}, fmt.Errorf("model: %d parameters; at most %d", n, 1<<31-1)
	}
	return c, nil
}

// Dims is Chain for a Spec with one LSTM of one direction; others give an error.
func (s Spec) Dims() (Dims, error) {
	c, err := s.Chain()
	if err != nil {
		return Dims{}, err
	}
	if len(c.LSTMs) != 1 || c.LSTMs[0].Bidirectional {
		return Dims{}, fmt.Errorf("model: supported is one LSTM of one direction")
	}
	return Dims{T: c.T, F: c.F, H: c.LSTMs[0].Units, D: c.D}, nil
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

// Layout returns the variables of the Spec, in Keras's order, and where each lies in a flat array of parameters. It
// panics when Chain returns an error.
func (s Spec) Layout() Layout {
	c, err := s.Chain()
	if err != nil {
		panic(err)
	}
	return s.layout(c)
}

func (s Spec) layout(c Chain) Layout {
	var l Layout
	add := func(name string, shape ...int) {
		v := Variable{Name: name, Shape: shape, Offset: l.Size}
		l.Variables = append(l.Variables, v)
		l.Size += v.Size()
	}
	for i, r := range c.LSTMs {
		names := []string{s.Layers[i+1].Name}
		if r.Bidirectional {
			names = []string{names[0] + "/forward_lstm", names[0] + "/backward_lstm"}
		}
		for _, name := range names {
			add(name+"/kernel", r.In, 4*r.Units)
			add(name+"/recurrent_kernel", r.Units, 4*r.Units)
			add(name+"/bias", 4*r.Units)
		}
	}
	hidden, output := s.Layers[len(s.Layers)-2].Name, s.Layers[len(s.Layers)-1].Name
	add(hidden+"/kernel", c.Out(), c.D)
	add(hidden+"/bias", c.D)
	add(output+"/kernel", c.D, 1)
	add(output+"/bias", 1)
	return l
}
