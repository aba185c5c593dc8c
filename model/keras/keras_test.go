package keras

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
)

// small returns a model with parameters that all differ.
func small() *File {
	f := &File{
		Spec: model.Classifier(5, 3, 4, 0.25, 2), Extra: map[string]string{"vklstm": `{"scaling":"größe"}`, "empty": ""},
		Loss: model.Focal(), LossName: "binary_focal_crossentropy", LearningRate: 0.002,
	}
	f.Params = numbers(f.Spec, 0)
	return f
}

// ensemble returns three members of a chain.
func ensemble() *File {
	f := small()
	f.Spec = chain(5, 3)
	f.Params, f.Others = numbers(f.Spec, 0), [][]float32{numbers(f.Spec, 1), numbers(f.Spec, 2)}
	return f
}

// numbers returns parameters that all differ, others for each member of an ensemble.
func numbers(spec model.Spec, member int) []float32 {
	var params []float32
	for i := range spec.Layout().Size {
		params = append(params, float32(math.Sin(float64(i+1000*member))))
	}
	return params
}

// chain returns a network of three LSTM layers: of one direction, both, both.
func chain(timesteps, features int) model.Spec {
	s := model.Stack(timesteps, features, []int{4, 3, 2}, true, 0.25, 3)
	s.Layers[1].Bidirectional, s.Layers[1].Name = false, "lstm"
	return s
}

func TestRoundTrip(t *testing.T) {
	renamed := small()
	for i, name := range []string{"Maske", "my_lstm.1", "d", "1fc-0", "zz"} {
		renamed.Spec.Layers[i].Name = name
	}
	uncompiled := small()
	uncompiled.Loss, uncompiled.LossName, uncompiled.LearningRate = model.Loss{}, "", 0
	bce := small()
	bce.Loss, bce.LossName = model.Loss{Kind: model.BinaryCrossentropy}, "binary_crossentropy"
	stacked := small()
	stacked.Spec = chain(5, 3)
	stacked.Params = numbers(stacked.Spec, 0)
	for name, f := range map[string]*File{"stacked": stacked, "ensemble": ensemble(), "focal": small(), "other names": renamed, "uncompiled": uncompiled, "crossentropy": bce} {
		b, err := Encode(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := *f
		if f.Loss.Kind != "" {
			want.Rule = model.DefaultAdam() // which .h5 files are compiled with
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: what was read is not what was written", name)
		}
		again, err := Encode(got)
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%s: written again, it is another file (%v)", name, err)
		}
		var w bytes.Buffer
		if err := WriteH5(&w, f); err != nil || !bytes.Equal(w.Bytes(), b) {
			t.Errorf("%s: WriteH5 and Encode differ (%v)", name, err)
		}
	}
}

// TestOptimizer finds Adam's state in each of the three orders in which Keras has kept it.
func TestOptimizer(t *testing.T) {
	for name, rate := range map[string]float64{
		"keras3.h5": 2e-3, "keras3.keras": 2e-3, "chunked.h5": 2e-3,
		"keras2.h5": 3e-3, "keras2.keras": 3e-3, "keras2_legacy_adam.h5": 3e-3,
		"keras3_chain.h5": 2e-3, "keras3_chain.keras": 2e-3, "keras2_chain.h5": 2e-3, "keras2_chain.keras": 2e-3,
	} {
		list := "expected.json"
		if strings.Contains(name, "chain") {
			list = "expected_stack.json"
		}
		e, _ := readExpectedOf(t, list)
		f, err := Read("testdata/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Optimizer == nil || f.Optimizer.Step != e.Iteration {
			t.Errorf("%s: optimizer %+v, want step %d", name, f.Optimizer, e.Iteration)
			continue
		}
		if math.Abs(f.LearningRate-rate) > 1e-9 { // a float32 of 2e-3 is within 2e-10
			t.Errorf("%s: learning rate %v, want %v", name, f.LearningRate, rate)
		}
		for i, v := range f.Optimizer.V {
			// Adam's v after two steps is (1-β2)(β2 g1² + g2²) and m is (1-β1)(β1 g1 + g2), so by Cauchy and
			// Schwarz m² ≤ v·(1-β1)²/(1-β2)·(β1²/β2 + 1): confusing m with v, or one variable with another, breaks it.
			m := float64(f.Optimizer.M[i])
			if bound := float64(v) * 10 * (0.81/0.999 + 1); v < 0 || m*m > bound*1.001 {
				t.Errorf("%s: m %v and v %v at element %d cannot be Adam's", name, m, v, i)
				break
			}
		}
		if !strings.HasPrefix(name, "keras2") {
			l := f.Spec.Layout().Variables
			if m, v := l[0].Of(f.Optimizer.M), l[len(l)-1].Of(f.Optimizer.V); !slices.Equal(m, e.FirstM) || !slices.Equal(v, e.LastV) {
				t.Errorf("%s: m of lstm/kernel %v, want %v; v of dense_1/bias %v, want %v", name, m, e.FirstM, v, e.LastV)
			}
		}
	}
}

// TestOptimizerUnreadable reads a model whose optimizer cannot be read: Keras's newest storage, and damage.
func TestOptimizerUnreadable(t *testing.T) {
	damaged, err := os.ReadFile("testdata/keras3.h5")
	if err != nil {
		t.Fatal(err)
	}
	e, _ := readExpected(t)
	at := bytes.Index(damaged, leBytes(e.FirstM[:8]))
	copy(damaged[at:], leBytes([]float32{float32(math.Inf(1))}))
	latest, err := os.ReadFile("testdata/latest.h5")
	if err != nil {
		t.Fatal(err)
	}
	for says, data := range map[string][]byte{"dense storage": latest, "m of lstm/kernel holds +Inf": damaged} {
		f, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", says, err)
		} else if f.Optimizer != nil || len(f.Ignored) != 1 || !strings.Contains(f.Ignored[0], says) {
			t.Errorf("%s: optimizer %v, ignored %q", says, f.Optimizer, f.Ignored)
		}
	}
}

func TestLosses(t *testing.T) {
	for _, tc := range []struct {
		config string
		want   model.Loss
		name   string
	}{
		{`"binary_crossentropy"`, model.Loss{Kind: model.BinaryCrossentropy}, "binary_crossentropy"},
		{`{"class_name":"BinaryCrossentropy","config":{"name":"b","from_logits":false}}`, model.Loss{Kind: model.BinaryCrossentropy}, "b"},
		{`{"class_name":"BinaryCrossentropy","config":{"from_logits":true}}`, model.Loss{}, "BinaryCrossentropy"},
		{`{"class_name":"BinaryCrossentropy","config":{"label_smoothing":0.1}}`, model.Loss{Kind: model.BinaryCrossentropy, LabelSmoothing: 0.1}, "BinaryCrossentropy"},
		{`{"class_name":"BinaryFocalCrossentropy","config":{"apply_class_balancing":true,"alpha":0.5,"gamma":1}}`, model.Loss{Kind: model.BinaryFocal, Alpha: 0.5, Gamma: 1}, "BinaryFocalCrossentropy"},
		{`{"class_name":"BinaryFocalCrossentropy","config":{"apply_class_balancing":true}}`, model.Focal(), "BinaryFocalCrossentropy"},
		{`{"class_name":"BinaryFocalCrossentropy","config":{"apply_class_balancing":true,"alpha":7}}`, model.Loss{}, "BinaryFocalCrossentropy"},
		{`"binary_focal_crossentropy"`, model.Loss{}, "binary_focal_crossentropy"}, // without alpha
		{`{"module":"builtins","class_name":"function","config":"binary_crossentropy","registered_name":"function"}`, model.Loss{Kind: model.BinaryCrossentropy}, "binary_crossentropy"},
		{`"focal_loss"`, model.Loss{}, "focal_loss"},
		{`["binary_crossentropy"]`, model.Loss{}, ""},
		{`null`, model.Loss{}, ""},
		{`17`, model.Loss{}, ""},
	} {
		c := parseCompile([]byte(`{"loss":`+tc.config+`}`), "optimizer_config", 1)
		if !c.loss.Equal(tc.want) || c.lossName != tc.name {
			t.Errorf("%s: %+v %q, want %+v %q", tc.config, c.loss, c.lossName, tc.want, tc.name)
		}
	}
	f, err := Read("testdata/keras2.h5")
	if err != nil {
		t.Fatal(err)
	}
	if want := (model.Loss{Kind: model.BinaryFocal, Alpha: 0.3, Gamma: 1.5}); !f.Loss.Equal(want) {
		t.Errorf("keras2.h5: loss %+v, want %+v", f.Loss, want)
	}
}

// TestConfig changes one thing of a sound configuration at a time.
func TestConfig(t *testing.T) {
	text, err := modelConfig(small().Spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what, old, new string
		kind           error  // nil: accepted
		says           string // part of the sentence
	}{
		{"as written", "", "", nil, ""},
		{"Keras 3's shape", `batch_input_shape`, `batch_shape`, nil, ""},
		{"shape in the first layer", `{"class_name":"InputLayer","config":{"batch_input_shape":[null,5,3],"dtype":"float32","name":"input_layer"}},{"class_name":"Masking","config":{`,
			`{"class_name":"Masking","config":{"batch_input_shape":[null,5,3],`, nil, ""},
		{"shape beside the layers", `{"class_name":"InputLayer","config":{"batch_input_shape":[null,5,3],"dtype":"float32","name":"input_layer"}},`, "", ErrUnsupported, "none"},
		{"any length", `[null,5,3]`, `[null,null,3]`, ErrUnsupported, "any size"},
		{"shape of 2", `[null,5,3]`, `[null,15]`, ErrUnsupported, "Input((timesteps, features))"},
		{"half a step", `[null,5,3]`, `[null,5.5,3]`, ErrFormat, "5.5"},
		{"no steps", `[null,5,3]`, `[null,0,3]`, ErrFormat, "shape"},
		{"functional", `"Sequential"`, `"Functional"`, ErrUnsupported, "Functional"},
		{"own model", `"Sequential"`, `"Mine"`, ErrUnsupported, `class "Mine"`},
		{"other layer", `"Dropout"`, `"GaussianNoise"`, ErrUnsupported, `"dropout" (GaussianNoise)`},
		{"activation", `"units":4`, `"units":4,"activation":"selu"`, ErrUnsupported, `activation "selu"`},
		{"same activation", `"units":4`, `"units":4,"activation":"tanh","recurrent_activation":{"class_name":"function","config":"sigmoid"}`, nil, ""},
		{"recurrent activation", `"units":4`, `"units":4,"recurrent_activation":"hard_sigmoid"`, ErrUnsupported, "hard_sigmoid"},
		{"own activation", `"units":4`, `"units":4,"activation":{"class_name":"Mine"}`, ErrUnsupported, "Mine"},
		{"no bias", `"units":4`, `"units":4,"use_bias":false`, ErrUnsupported, "use_bias=False"},
		{"sequences", `"units":4`, `"units":4,"return_sequences":true`, ErrUnsupported, "return_sequences=True"},
		{"state", `"units":4`, `"units":4,"stateful":true`, ErrUnsupported, "stateful=True"},
		{"zero output", `"units":4`, `"units":4,"zero_output_for_mask":true`, ErrUnsupported, "zero_output_for_mask=True"},
		{"no units", `"units":4`, `"units":null`, ErrFormat, "0 units"},
		{"part of a unit", `"units":4`, `"units":4.5`, ErrFormat, "4.5 units"},
		{"absurd units", `"units":4`, `"units":1e300`, ErrFormat, "units"},
		{"too many parameters", `"units":4`, `"units":16000000`, ErrUnsupported, "parameters"},
		{"units of text", `"units":4`, `"units":"four"`, ErrFormat, `setting "units"`},
		{"dense without bias", `"units":2`, `"units":2,"use_bias":false`, ErrUnsupported, "use_bias=False"},
		{"dense activation", `"relu"`, `"gelu"`, ErrUnsupported, `has activation "gelu"; supported are "linear", "relu"`},
		{"output activation", `"activation":"sigmoid",`, ``, ErrUnsupported, `activation "linear"; supported are 1 with sigmoid`},
		{"two outputs", `"units":1`, `"units":2`, ErrUnsupported, `2 units and activation "sigmoid"; supported are`},
		{"no rate", `"rate":0.25`, `"seed":1`, ErrFormat, "no rate"},
		{"absurd rate", `"rate":0.25`, `"rate":1.5`, ErrUnsupported, `"dropout", Dropout, has rate 1.5`},
		{"twice the same name", `"dense_1"`, `"dense"`, ErrFormat, `named "dense"`},
		{"no name", `"dense_1"`, `""`, ErrFormat, "no name"},
		{"a Dropout in front", `{"class_name":"LSTM"`, `{"class_name":"Dropout","config":{"rate":0.1,"name":"x"}},{"class_name":"LSTM"`, ErrUnsupported, `layer "x", Dropout, stands before the first LSTM`},
		{"two inputs", `{"class_name":"Dropout"`, `{"class_name":"InputLayer","config":{"name":"x"}},{"class_name":"Dropout"`, ErrUnsupported, "one input"},
		{"cut", `"name":"sequential"}}`, ``, ErrFormat, "no JSON"},
		{"a list", `{"layers":[`, `[`, ErrFormat, ""},
	} {
		changed := strings.Replace(text, tc.old, tc.new, 1)
		if tc.old != "" && changed == text {
			t.Fatalf("%s: %q is not in %s", tc.what, tc.old, text)
		}
		spec, _, _, err := parseModel(changed)
		if tc.kind == nil {
			if err != nil || !reflect.DeepEqual(spec, small().Spec) {
				t.Errorf("%s: %+v, %v", tc.what, spec, err)
			}
			continue
		}
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %q, want one with %q that is %q", tc.what, err, tc.says, tc.kind)
		}
	}

	masking := `{"class_name":"Masking","config":{"mask_value":0.0,"name":"masking"}},`
	for _, tc := range []struct {
		what, old, new string
		change         func(l *[]model.Layer)
	}{
		{"no masking", masking, "", func(l *[]model.Layer) { *l = (*l)[1:] }},
		{"mask value", `"mask_value":0.0`, `"mask_value":-1.0`, func(l *[]model.Layer) { (*l)[0].MaskValue = -1 }},
		{"activation", `"units":4`, `"units":4,"activation":"relu"`, func(l *[]model.Layer) { (*l)[1].Activation = model.Relu }},
		{"backwards", `"units":4`, `"units":4,"go_backwards":true`, func(l *[]model.Layer) { (*l)[1].GoBackwards = true }},
		{"a layer more", `{"class_name":"Dropout"`, `{"class_name":"Dropout","config":{"rate":0.1,"name":"x"}},{"class_name":"Dropout"`, func(l *[]model.Layer) {
			*l = slices.Insert(*l, 2, model.Layer{Kind: model.Dropout, Name: "x", Rate: 0.1})
		}},
		{"without Dropout", `{"class_name":"Dropout","config":{"name":"dropout","rate":0.25}},`, "", func(l *[]model.Layer) { *l = slices.Delete(*l, 2, 3) }},
		{"three classes", `"activation":"sigmoid","name":"dense_1","units":1`, `"activation":"softmax","name":"dense_1","units":3`, func(l *[]model.Layer) {
			(*l)[4].Units, (*l)[4].Activation = 3, model.Softmax
		}},
	} {
		changed := strings.Replace(text, tc.old, tc.new, 1)
		want := small().Spec
		want.Layers = slices.Clone(want.Layers)
		tc.change(&want.Layers)
		spec, _, _, err := parseModel(changed)
		if err != nil || changed == text || !reflect.DeepEqual(spec, want) {
			t.Errorf("%s: %+v, %v", tc.what, spec, err)
		}
	}
	_, _, got, err := parseModel(strings.Replace(text, `"units":4`, `"units":4,"recurrent_dropout":0.2,"dropout":0.0,"kernel_regularizer":null`, 1))
	if err != nil || len(got.ignored) != 1 || !strings.Contains(got.ignored[0], "recurrent_dropout") {
		t.Errorf("dropout inside the LSTM: %q, %v", got.ignored, err)
	}
}

// TestWeights changes what the arrays are, not the configuration.
func TestWeights(t *testing.T) {
	good, err := Encode(small())
	if err != nil {
		t.Fatal(err)
	}
	text, err := modelConfig(small().Spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte {
		if len(old) != len(new) || !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%q cannot take the place of %q", new, old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	nan := small()
	data := slices.Clone(good)
	at := bytes.Index(data, leBytes(nan.Params[:8]))
	copy(data[at+4*7:], leBytes([]float32{float32(math.NaN())}))
	for _, tc := range []struct {
		what string
		data []byte
		says string
	}{
		{"other units", replace(text, strings.Replace(text, `"units":4`, `"units":5`, 1)), "lstm/kernel has shape [3 16]; by the configuration it should have [3 20]"},
		{"array missing", replace("dense_1/kernel", "dense_1/biases"), `"/model_weights/dense_1/dense_1/biases" is not in the file`},
		{"NaN", data, "lstm/kernel holds NaN at element 7 of 48"},
		{"no configuration", replace("model_config\x00", "model_carfig\x00"), "model_config"},
		{"no weights", replace("\x00model_weights\x00", "\x00motel_weights\x00"), `"/model_weights" is not in the file`},
	} {
		_, err := Decode(tc.data)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one with %q", tc.what, err, tc.says)
		}
	}
}

// TestFiles gives Read what it cannot read. Each sentence names the file once.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile("testdata/keras3.h5")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile("testdata/keras3.keras")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		data []byte
		kind error
		says string
	}{
		{"missing.h5", nil, fs.ErrNotExist, "no such file"},
		{"empty.h5", []byte{}, ErrFormat, "neither"},
		{"text.h5", []byte("PK is not enough, and neither is text"), ErrFormat, "neither"},
		{"cut.h5", good[:len(good)-1], ErrFormat, "cut off"},
		{"head.h5", good[:20], ErrFormat, "bytes"},
		{"cut.keras", archive[:len(archive)-1], ErrFormat, "no whole .keras file"},
		{"other.keras", []byte("PK\x03\x04 and then nothing"), ErrFormat, "no whole .keras file"},
	} {
		path := filepath.Join(dir, tc.name)
		if tc.data != nil {
			if err := os.WriteFile(path, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Read(path)
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) || strings.Count(err.Error(), tc.name) != 1 || !strings.HasPrefix(err.Error(), "keras: read ") {
			t.Errorf("%s: error %v, want one with %q", tc.name, err, tc.says)
		}
	}
	if _, err := Read(dir); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err := Read(os.DevNull); !errors.Is(err, ErrFormat) {
		t.Errorf("device: %v", err)
	}
	if _, err := ReadKeras("testdata/keras3.h5"); !errors.Is(err, ErrFormat) {
		t.Errorf("an .h5 file as .keras: %v", err)
	}
	if _, err := ReadH5("testdata/keras3.keras"); !errors.Is(err, ErrFormat) {
		t.Errorf("a .keras file as .h5: %v", err)
	}
	if _, err := Read("testdata/lzf.h5"); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "filter 32000") {
		t.Errorf("compressed with lzf: %v", err)
	}
}

// TestEncodeRefuses lists what cannot be written.
func TestEncodeRefuses(t *testing.T) {
	for what, tc := range map[string]struct {
		change func(f *File)
		says   string
	}{
		"short parameters":  {func(f *File) { f.Params = f.Params[1:] }, "parameters for a network of"},
		"NaN":               {func(f *File) { f.Params[50] = float32(math.NaN()) }, "lstm/recurrent_kernel holds NaN at element 2"},
		"infinity":          {func(f *File) { f.Params[0] = float32(math.Inf(-1)) }, "lstm/kernel holds -Inf"},
		"no layers":         {func(f *File) { f.Spec.Layers = nil }, "there is no LSTM"},
		"slash":             {func(f *File) { f.Spec.Layers[1].Name = "a/b" }, `"a/b"`},
		"space":             {func(f *File) { f.Spec.Layers[1].Name = "my lstm" }, `"my lstm"`},
		"same names":        {func(f *File) { f.Spec.Layers[1].Name = "dense" }, `"dense"`},
		"name of the input": {func(f *File) { f.Spec.Layers[1].Name = "input_layer" }, `"input_layer"`},
		"large extra":       {func(f *File) { f.Extra["vklstm"] = strings.Repeat("x", 1<<16) }, `"vklstm" of 65536 bytes`},
		"zero byte":         {func(f *File) { f.Extra["vklstm"] = "a\x00b" }, "zero byte"},
		"Keras's attribute": {func(f *File) { f.Extra["model_config"] = "{}" }, `"model_config"`},
		"unnamed extra":     {func(f *File) { f.Extra[""] = "x" }, "no name"},
		"loss":              {func(f *File) { f.Loss.Kind = "hinge" }, `"hinge"`},
		"learning rate":     {func(f *File) { f.LearningRate = math.NaN() }, "learning rate NaN"},
	} {
		f := small()
		tc.change(f)
		b, err := Encode(f)
		if err == nil || b != nil || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "keras: write") {
			t.Errorf("%s: error %v, want one with %q", what, err, tc.says)
		}
	}
	f := small()
	f.Params = nil
	if _, err := Encode(f); !errors.Is(err, model.ErrShape) {
		t.Errorf("no parameters: %v is not model.ErrShape", err)
	}
	// Up to just below the limit of 64 KiB it is written and read again.
	f = small()
	f.Extra["vklstm"] = strings.Repeat("x", 65000)
	b, err := Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(b); err != nil || got.Extra["vklstm"] != f.Extra["vklstm"] {
		t.Errorf("65000 bytes: %v", err)
	}
}
