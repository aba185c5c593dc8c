package model

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseLayers(t *testing.T) {
	got, err := ParseLayers("LSTM 64 relu, dropout 0.3,bidirectional 32 mul , lstm 16 backwards, batchnorm 0.9 1e-5, dense 8, dense 4 tanh, batchnorm")
	want := []Layer{
		{Kind: LSTM, Units: 64, Activation: Relu}, {Kind: Dropout, Rate: 0.3}, {Kind: LSTM, Units: 32, Bidirectional: true, Merge: Product},
		{Kind: LSTM, Units: 16, GoBackwards: true}, {Kind: BatchNormalization, Momentum: 0.9, Epsilon: 1e-5},
		{Kind: Dense, Units: 8, Activation: Linear}, {Kind: Dense, Units: 4, Activation: Tanh}, {Kind: BatchNormalization, Momentum: 0.99, Epsilon: 1e-3},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for text, says := range map[string]string{
		"": "there is nothing", "lstm": "units is missing", "lstm x": `"x" is no number`, "lstm 0": "no number of units", "lstm 1.5": "no number of units",
		"lstm 4 sum": `"sum" is not known`, "bidirectional 4 backwards": `"backwards" is not known`, "gru 4": `no layer "gru"`, "dropout": "the rate is missing",
		"dense 4 softmax": `"softmax" is not known`, "lstm 4,,dense 3": "layer 2", "dropout 0.2 0.3": `"0.3" is not known`,
	} {
		if _, err := ParseLayers(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want one that says %s", text, err, says)
		}
	}
}

// The default network is the one that the flags of old describe.
func TestNetwork(t *testing.T) {
	layers, err := ParseLayers("bidirectional 64, bidirectional 32, dropout 0.3, dense 32 relu")
	if err != nil {
		t.Fatal(err)
	}
	got, want := Network(60, 6, &Layer{Kind: Masking}, layers, 2), Stack(60, 6, []int{64, 32}, true, 0.3, 32)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c, err := Network(60, 6, nil, layers, 3).Chain()
	if err != nil || c.Classes != 3 || c.Masked || c.Head[2].Activation != Linear {
		t.Errorf("of three classes: %+v, %v", c, err)
	}
}
