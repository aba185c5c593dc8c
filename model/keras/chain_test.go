package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
)

// TestChainConfig changes one thing of a sound configuration with several LSTM layers at a time.
func TestChainConfig(t *testing.T) {
	want := chain(5, 3)
	text, err := modelConfig(want, 1)
	if err != nil {
		t.Fatal(err)
	}
	forward := `"layer":{"class_name":"LSTM","config":{"name":"lstm","return_sequences":true,"units":3},"module":"keras.layers","registered_name":null}`
	backward := strings.Replace(strings.Replace(forward, `"layer"`, `"backward_layer"`, 1), `"units":3`, `"units":3,"go_backwards":true`, 1)
	with := func(old, new string) string { return forward + "," + strings.Replace(backward, old, new, 1) }
	plain := `{"class_name":"LSTM","config":{"name":"lstm","return_sequences":true,"units":4}}`
	for _, tc := range []struct {
		what, old, new string
		kind           error // nil: accepted
		says           string
	}{
		{"as written", "", "", nil, ""},
		{"backward layer given", forward, with("", ""), nil, ""},
		{"no backward layer", forward, forward + `,"backward_layer":null`, nil, ""},
		{"zeros in masked steps, as Keras 3 sets it", `"units":3`, `"units":3,"zero_output_for_mask":true`, nil, ""},
		{"zeros in masked steps of one direction", `"units":4`, `"units":4,"zero_output_for_mask":true`, nil, ""},
		{"merge mode not said", `"merge_mode":"concat",`, ``, nil, ""},
		{"two outputs", `"merge_mode":"concat"`, `"merge_mode":null`, ErrUnsupported, "merge_mode"},
		{"merge mode of numbers", `"merge_mode":"concat"`, `"merge_mode":3`, ErrUnsupported, `merge_mode "3"`},
		{"last step alone in front of an LSTM", `"return_sequences":true,"units":4`, `"units":4`, ErrUnsupported, `layer "lstm" has return_sequences=False`},
		{"the same inside", `"return_sequences":true,"units":3`, `"units":3`, ErrUnsupported, `layer "bidirectional_1" has return_sequences=False`},
		{"all steps at the end", `"units":2`, `"units":2,"return_sequences":true`, ErrUnsupported, `layer "bidirectional_2" has return_sequences=True`},
		{"forward walks backwards", `"units":3`, `"units":3,"go_backwards":true`, ErrUnsupported, `the forward layer of layer "bidirectional_1" (Bidirectional) has go_backwards=True`},
		{"backward walks forward", forward, with(`"go_backwards":true`, `"go_backwards":false`), ErrUnsupported, `the backward layer of layer "bidirectional_1" (Bidirectional) has go_backwards=False`},
		{"other units", forward, with(`"units":3`, `"units":4`), ErrUnsupported, "differs from the forward one"},
		{"other sequences", forward, with(`"return_sequences":true,`, ``), ErrUnsupported, "differs from the forward one"},
		{"other activation", forward, with(`"units":3`, `"units":3,"activation":"relu"`), ErrUnsupported, "differs from the forward one"},
		{"activation", `"units":3`, `"units":3,"activation":"selu"`, ErrUnsupported, `the forward layer of layer "bidirectional_1" (Bidirectional) has activation "selu"`},
		{"recurrent activation", `"units":2`, `"units":2,"recurrent_activation":"hard_sigmoid"`, ErrUnsupported, "hard_sigmoid"},
		{"no bias", `"units":3`, `"units":3,"use_bias":false`, ErrUnsupported, "use_bias=False"},
		{"GRU", `"layer":{"class_name":"LSTM"`, `"layer":{"class_name":"GRU"`, ErrUnsupported, `the forward layer of layer "bidirectional_1" (Bidirectional) is of class "GRU"`},
		{"no layer inside", forward, `"layer":null`, ErrFormat, "has no settings"},
		{"a number inside", forward, `"layer":7`, ErrFormat, "has no settings"},
		{"dense in between", plain, plain + `,{"class_name":"Dense","config":{"name":"x","units":5}}`, ErrUnsupported, `layer "x", Dense, stands between LSTMs`},
		{"too many layers", plain, strings.Join(repeat(plain, 16), ","), ErrUnsupported, "at most 16"},
	} {
		changed := strings.Replace(text, tc.old, tc.new, 1)
		if tc.old != "" && changed == text {
			t.Fatalf("%s: %q is not in %s", tc.what, tc.old, text)
		}
		spec, _, _, err := parseModel(changed)
		if tc.kind == nil {
			if err != nil || !reflect.DeepEqual(spec, want) {
				t.Errorf("%s: %+v, %v", tc.what, spec, err)
			}
		} else if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one with %q that is %q", tc.what, err, tc.says, tc.kind)
		}
	}

	_, _, got, err := parseModel(strings.Replace(text, `"units":3`, `"units":3,"recurrent_regularizer":{"class_name":"L2"}`, 1))
	if ignored := got.ignored; err != nil || len(ignored) != 1 || !strings.Contains(ignored[0], `the forward layer of layer "bidirectional_1" (Bidirectional) has recurrent_regularizer`) {
		t.Errorf("a regularizer inside: %q, %v", got.ignored, err)
	}
	dropout := `{"class_name":"Dropout","config":{"name":"dropout","rate":0.25}},`
	for _, tc := range []struct {
		what, old, new string
		change         func(l *[]model.Layer)
	}{
		{"sum", `"merge_mode":"concat"`, `"merge_mode":"sum"`, func(l *[]model.Layer) { (*l)[2].Merge = model.Sum }},
		{"both relu", `"units":3`, `"units":3,"activation":"relu"`, func(l *[]model.Layer) { (*l)[2].Activation = model.Relu }},
		{"without Dropout", dropout, "", func(l *[]model.Layer) { *l = slices.Delete(*l, 4, 5) }},
		{"dropout in between", plain, plain + `,{"class_name":"Dropout","config":{"name":"x","rate":0.5}}`, func(l *[]model.Layer) {
			*l = slices.Insert(*l, 2, model.Layer{Kind: model.Dropout, Name: "x", Rate: 0.5})
		}},
		{"normalization in between", plain, plain + `,{"class_name":"BatchNormalization","config":{"name":"x","momentum":0.9,"epsilon":0.01}}`, func(l *[]model.Layer) {
			*l = slices.Insert(*l, 2, model.Layer{Kind: model.BatchNormalization, Name: "x", Momentum: 0.9, Epsilon: 0.01})
		}},
		{"an Activation of its own", `"activation":"relu"`, `"activation":"linear"`, func(l *[]model.Layer) { (*l)[5].Activation = model.Linear }},
	} {
		changed := strings.Replace(text, tc.old, tc.new, 1)
		want := chain(5, 3)
		tc.change(&want.Layers)
		spec, _, _, err := parseModel(changed)
		if err != nil || changed == text || !reflect.DeepEqual(spec, want) {
			t.Errorf("%s: %+v, %v", tc.what, spec, err)
		}
	}
}

// repeat returns n copies of a layer's configuration, each with a name of its own.
func repeat(layer string, n int) []string {
	var list []string
	for i := range n {
		list = append(list, strings.Replace(layer, `"name":"`, `"name":"`+strings.Repeat("x", i), 1))
	}
	return list
}

// TestDirections tells the directions apart: exchanged, the file predicts otherwise.
func TestDirections(t *testing.T) {
	f, err := Read("testdata/keras3_chain.h5")
	if err != nil {
		t.Fatal(err)
	}
	e, x := readExpectedOf(t, "expected_stack.json")
	l := f.Spec.Layout().Variables
	for i := 3; i < 6; i++ { // bidirectional/forward_lstm and /backward_lstm
		forward, backward := l[i].Of(f.Params), l[i+3].Of(f.Params)
		for j := range forward {
			forward[j], backward[j] = backward[j], forward[j]
		}
	}
	worst := 0.0
	for i, p := range forward(f, x) {
		worst = max(worst, math.Abs(p-float64(e.Probability["keras3_chain.h5"][i])))
	}
	if worst < 10*predictTol {
		t.Errorf("with the directions exchanged the file predicts the same: within %.2g", worst)
	}
}

// TestEnsembleConfig changes one thing of a sound ensemble at a time.
func TestEnsembleConfig(t *testing.T) {
	want := chain(5, 3)
	text, err := modelConfig(want, 3)
	if err != nil {
		t.Fatal(err)
	}
	average := `"inbound_nodes":[[["member_1",0,0,{}],["member_2",0,0,{}],["member_3",0,0,{}]]]`
	input := `"name":"member_2","inbound_nodes":[[["input_layer",0,0,{}]]]`
	tensor := func(name string) string {
		return `{"class_name":"__keras_tensor__","config":{"shape":[null,1],"dtype":"float32","keras_history":["` + name + `",0,0]}}`
	}
	for _, tc := range []struct {
		what, old, new string
		kind           error // nil: accepted
		says           string
	}{
		{"as written", "", "", nil, ""},
		{"Keras 3's nodes", average, `"inbound_nodes":[{"args":[[` + tensor("member_1") + "," + tensor("member_2") + "," + tensor("member_3") + `]],"kwargs":{}}]`, nil, ""},
		{"Keras 3's input", input, `"name":"member_2","inbound_nodes":[{"args":[` + tensor("input_layer") + `],"kwargs":{}}]`, nil, ""},
		{"Keras 3's output", `"output_layers":[["average",0,0]]`, `"output_layers":["average",0,0]`, nil, ""},
		{"no shape", `"batch_input_shape":[null,5,3],`, ``, ErrUnsupported, "shape none"},
		{"a member of another shape", `"name":"member_2"},`, `"name":"member_2","build_input_shape":[null,5,4]},`, ErrUnsupported, "differs in its layers"},
		{"another rate", `"rate":0.25`, `"rate":0.5`, nil, ""},
		{"a member less in the mean", `,["member_3",0,0,{}]`, ``, ErrUnsupported, "averages"},
		{"a member twice in the mean", `["member_3",0,0,{}]`, `["member_2",0,0,{}]`, ErrUnsupported, "averages"},
		{"a member after another", input, `"name":"member_2","inbound_nodes":[[["member_1",0,0,{}]]]`, ErrUnsupported, `"member_2" does not read its input alone`},
		{"a member used twice", input, `"name":"member_2","inbound_nodes":[[["input_layer",0,0,{}]],[["input_layer",0,0,{}]]]`, ErrUnsupported, `"member_2" does not read its input alone`},
		{"another output", `"output_layers":[["average",0,0]]`, `"output_layers":[["member_1",0,0]]`, ErrUnsupported, "its output is"},
		{"two outputs", `"output_layers":[["average",0,0]]`, `"output_layers":[["average",0,0],["member_1",0,0]]`, ErrUnsupported, "its output is"},
		{"product", `"Average"`, `"Multiply"`, ErrUnsupported, `has a layer "average" (Multiply)`},
		{"other units", `"units":4`, `"units":5`, ErrUnsupported, `"member_2" differs in its layers from "member_1"`},
		{"a member that is not ours", `"relu"`, `"gelu"`, ErrUnsupported, `member "member_1": layer "dense", Dense, has activation "gelu"`},
		{"no nodes", average, `"inbound_nodes":[]`, ErrUnsupported, "Average"},
		{"deep nodes", average, `"inbound_nodes":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000), ErrUnsupported, "Average"},
		{"no layers", `"layers":[{"class_name":"InputLayer"`, `"lawyers":[{"class_name":"InputLayer"`, ErrUnsupported, `its output is ["average"]`},
	} {
		changed := strings.Replace(text, tc.old, tc.new, 1)
		if tc.old != "" && changed == text {
			t.Fatalf("%s: %q is not in %s", tc.what, tc.old, text)
		}
		if !json.Valid([]byte(changed)) {
			t.Fatalf("%s: no JSON", tc.what)
		}
		spec, members, _, err := parseModel(changed)
		if tc.kind == nil {
			spec.Layers[len(spec.Layers)-3].Rate = 0.25
			if err != nil || !reflect.DeepEqual(spec, want) || !slices.Equal(members, []string{"member_1", "member_2", "member_3"}) {
				t.Errorf("%s: %+v, %q, %v", tc.what, spec, members, err)
			}
		} else if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one with %q that is %q", tc.what, err, tc.says, tc.kind)
		}
	}
}

// TestEnsembleWeights breaks members one at a time.
func TestEnsembleWeights(t *testing.T) {
	nan := ensemble()
	nan.Others[1][7] = float32(math.NaN())
	short := ensemble()
	short.Others[0] = short.Others[0][1:]
	many := ensemble()
	many.Others = slices.Repeat(many.Others[:1], MaxMembers)
	for says, f := range map[string]*File{
		"member 3 of the ensemble: lstm/kernel holds NaN at element 7": nan, "member 2 of the ensemble: ": short, "65 members; at most 64": many,
	} {
		if _, err := Encode(f); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}
	good, err := Encode(ensemble())
	if err != nil {
		t.Fatal(err)
	}
	second := leBytes(ensemble().Others[0][:8])
	damaged := bytes.Replace(good, second, leBytes([]float32{float32(math.Inf(1)), 0, 0, 0, 0, 0, 0, 0}), 1)
	if _, err := Decode(damaged); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "member 2: lstm/kernel holds +Inf at element 0") {
		t.Errorf("infinite: %v", err)
	}
}

// A Functional model's mask, which Keras 3.15 writes as operations beside Masking, is Masking's; without it, it is refused.
func TestFunctionalMask(t *testing.T) {
	b, err := os.ReadFile("testdata/functional_masked.json") // by functional.py
	if err != nil {
		t.Fatal(err)
	}
	spec, _, _, err := parseFunctional(b)
	if err != nil {
		t.Fatal(err)
	}
	c, err := spec.Chain()
	if err != nil || !c.Masked || c.MaskValue != -1 || len(c.LSTMs) != 2 || c.Classes != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	for old, says := range map[string]string{`"class_name": "Masking"`: "has no Masking", `"class_name": "Any"`: "does not read", `["not_equal", 0, 0]`: "does not read"} {
		with := map[string]string{`"class_name": "Masking"`: `"class_name": "Dropout"`, `"class_name": "Any"`: `"class_name": "All"`, `["not_equal", 0, 0]`: `["lstm", 0, 0]`}[old]
		if !strings.Contains(string(b), old) {
			t.Fatalf("no %s", old)
		}
		if _, _, _, err := parseFunctional([]byte(strings.Replace(string(b), old, with, 1))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", with, err, says)
		}
	}
}
