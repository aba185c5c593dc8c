package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LayersHelp says in errors and help texts how ParseLayers wants layers to be written.
const LayersHelp = "layers are separated by commas: lstm UNITS [relu] [backwards], bidirectional UNITS [relu] [sum|ave|mul], dropout RATE, " +
	"batchnorm [MOMENTUM [EPSILON]], dense UNITS [relu|tanh|sigmoid]; what comes after them, one unit with sigmoid or a unit for each " +
	"class with softmax, follows from the labels"

// ParseLayers reads layers as a command line has them, "lstm 64, dropout 0.3, dense 32 relu": see LayersHelp. They have no names yet.
func ParseLayers(text string) ([]Layer, error) {
	var layers []Layer
	for part := range strings.SplitSeq(text, ",") {
		l, err := parseLayer(strings.Fields(strings.ToLower(part)))
		if err != nil {
			return nil, fmt.Errorf("model: layer %d, %.60q: %w; %s", len(layers)+1, strings.TrimSpace(part), err, LayersHelp)
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func parseLayer(words []string) (Layer, error) {
	if len(words) == 0 {
		return Layer{}, fmt.Errorf("there is nothing")
	}
	kind, rest := words[0], words[1:]
	// take returns the next word as a number.
	take := func(what string) (float64, error) {
		if len(rest) == 0 {
			return 0, fmt.Errorf("%s is missing", what)
		}
		v, err := strconv.ParseFloat(rest[0], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no number", rest[0])
		}
		rest = rest[1:]
		return v, nil
	}
	var l Layer
	var err error
	units := func() {
		var v float64
		if v, err = take("the number of units"); err == nil && (v < 1 || v > maxSize || v != float64(int(v))) {
			err = fmt.Errorf("%v is no number of units", v)
		}
		l.Units = int(v)
	}
	switch kind {
	case "lstm", "bidirectional":
		l = Layer{Kind: LSTM, Bidirectional: kind == "bidirectional"}
		units()
	case "dense":
		l = Layer{Kind: Dense, Activation: Linear}
		units()
	case "dropout":
		l.Kind = Dropout
		l.Rate, err = take("the rate")
	case "batchnorm":
		l = Layer{Kind: BatchNormalization, Momentum: 0.99, Epsilon: 1e-3} // Keras's
		for _, to := range []*float64{&l.Momentum, &l.Epsilon} {
			if len(rest) > 0 && err == nil {
				*to, err = take("")
			}
		}
	default:
		err = fmt.Errorf("there is no layer %q", kind)
	}
	for ; len(rest) > 0 && err == nil; rest = rest[1:] {
		word := rest[0]
		switch {
		case l.Kind == Dense && slices.Contains([]Activation{Linear, Relu, Tanh, Sigmoid}, Activation(word)),
			l.Kind == LSTM && (word == string(Relu) || word == string(Tanh)):
			l.Activation = Activation(word)
		case l.Kind == LSTM && l.Bidirectional && slices.Contains([]Merge{Concat, Sum, Average, Product}, Merge(word)):
			l.Merge = Merge(word)
		case l.Kind == LSTM && !l.Bidirectional && word == "backwards":
			l.GoBackwards = true
		default:
			err = fmt.Errorf("%q is not known there", word)
		}
	}
	return l, err
}

// Network returns the Spec of the layers, named as Keras names those of a first model, between masking, which may be nil, and the
// Dense layer that tells so many classes apart: of 2 classes Dense(1, sigmoid), of more Dense(classes, softmax).
func Network(timesteps, features int, masking *Layer, layers []Layer, classes int) Spec {
	s := Spec{Timesteps: timesteps, Features: features}
	if masking != nil {
		s.Layers = append(s.Layers, *masking)
	}
	s.Layers = append(s.Layers, layers...)
	if classes == 2 {
		s.Layers = append(s.Layers, Layer{Kind: Dense, Units: 1, Activation: Sigmoid})
	} else {
		s.Layers = append(s.Layers, Layer{Kind: Dense, Units: classes, Activation: Softmax})
	}
	names := map[Kind]string{Masking: "masking", LSTM: "lstm", Dropout: "dropout", BatchNormalization: "batch_normalization", Dense: "dense"}
	seen := map[string]int{}
	for i := range s.Layers {
		l := &s.Layers[i]
		name := names[l.Kind]
		if l.Bidirectional {
			name = "bidirectional"
		}
		if l.Name = name; seen[name] > 0 {
			l.Name = fmt.Sprintf("%s_%d", name, seen[name])
		}
		seen[name]++
	}
	return s
}
