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
	LSTM    Kind = "LSTM"    // returns its last output
	Dropout Kind = "Dropout" // inverted, in training only
	Dense   Kind = "Dense"
)

// Layer is one layer of a Spec.
type Layer struct {
	Kind       Kind    `json:"kind"`
	Name       string  `json:"name"`                 // Keras's name, unique in the Spec: "lstm", "dense_1"
	Units      int     `json:"units,omitempty"`      // LSTM, Dense: outputs
	Activation string  `json:"activation,omitempty"` // Dense: "relu" or "sigmoid"
	Rate       float64 `json:"rate,omitempty"`       // Dropout: share of units dropped, in [0,1)
}

// Spec is a network: the shape of one input window and the layers it passes, in order.
type Spec struct {
	Timesteps int     `json:"timesteps"` // T, steps in a window
	Features  int     `json:"features"`  // F, values in a step
	Layers    []Layer `json:"layers"`
}

// Dims are the sizes of the one chain of layers that the engines run.
type Dims struct {
	T int // timesteps
	F int // features
	H int // LSTM units
	D int // dense units
}

// Classifier returns the Spec Masking → LSTM(units) → Dropout(rate) → Dense(dense, relu) → Dense(1, sigmoid)
// for windows of timesteps × features.
func Classifier(timesteps, features, units int, rate float64, dense int) Spec {
	return Spec{Timesteps: timesteps, Features: features, Layers: []Layer{
		{Kind: Masking, Name: "masking"},
		{Kind: LSTM, Name: "lstm", Units: units},
		{Kind: Dropout, Name: "dropout", Rate: rate},
		{Kind: Dense, Name: "dense", Units: dense, Activation: "relu"},
		{Kind: Dense, Name: "dense_1", Units: 1, Activation: "sigmoid"},
	}}
}

// maxSize bounds every size of a Spec, so that products of two of them and a float's width fit an int64 with room.
const maxSize = 1 << 24

// Dims checks that the Spec is the chain that Classifier builds and returns its sizes. The error says which layer
// is not supported, or which size is out of range.
func (s Spec) Dims() (Dims, error) {
	want := []Kind{Masking, LSTM, Dropout, Dense, Dense}
	if len(s.Layers) != len(want) {
		return Dims{}, fmt.Errorf("model: %d layers; supported is %v", len(s.Layers), want)
	}
	for i, l := range s.Layers {
		if l.Kind != want[i] {
			return Dims{}, fmt.Errorf("model: layer %d is %s %q; supported is %v", i+1, l.Kind, l.Name, want)
		}
	}
	d := Dims{T: s.Timesteps, F: s.Features, H: s.Layers[1].Units, D: s.Layers[3].Units}
	for _, n := range []struct {
		what string
		size int
	}{{"timesteps", d.T}, {"features", d.F}, {"LSTM units", d.H}, {"dense units", d.D}} {
		if n.size < 1 || n.size > maxSize {
			return Dims{}, fmt.Errorf("model: %d %s; at least 1 and at most %d", n.size, n.what, maxSize)
		}
	}
	switch {
	case s.Layers[4].Units != 1:
		return Dims{}, fmt.Errorf("model: the last layer has %d units; supported is 1", s.Layers[4].Units)
	case s.Layers[3].Activation != "relu":
		return Dims{}, fmt.Errorf("model: layer %q has activation %q; supported is relu", s.Layers[3].Name, s.Layers[3].Activation)
	case s.Layers[4].Activation != "sigmoid":
		return Dims{}, fmt.Errorf("model: layer %q has activation %q; supported is sigmoid", s.Layers[4].Name, s.Layers[4].Activation)
	case !(s.Rate() >= 0 && s.Rate() < 1):
		return Dims{}, fmt.Errorf("model: dropout rate %v; at least 0 and below 1", s.Rate())
	}
	if n := s.layout(d).Size; n > 1<<31-1 {
		return Dims{}, fmt.Errorf("model: %d parameters; at most %d", n, 1<<31-1)
	}
	return d, nil
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

// Layout returns the variables of the Spec and where each lies in a flat array of parameters. It panics when Dims
// returns an error.
func (s Spec) Layout() Layout {
	d, err := s.Dims()
	if err != nil {
		panic(err)
	}
	return s.layout(d)
}

func (s Spec) layout(d Dims) Layout {
	var l Layout
	add := func(layer int, name string, shape ...int) {
		v := Variable{Name: s.Layers[layer].Name + "/" + name, Shape: shape, Offset: l.Size}
		l.Variables = append(l.Variables, v)
		l.Size += v.Size()
	}
	add(1, "kernel", d.F, 4*d.H)
	add(1, "recurrent_kernel", d.H, 4*d.H)
	add(1, "bias", 4*d.H)
	add(3, "kernel", d.H, d.D)
	add(3, "bias", d.D)
	add(4, "kernel", d.D, 1)
	add(4, "bias", 1)
	return l
}
