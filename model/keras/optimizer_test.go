package keras

import (
	"regexp"
	"strings"
	"testing"

	"vklstm/model/keras/internal/hdf5"
)

// TestNotKept says of every setting that training cannot go on with that it is lost, and nothing of those that are kept.
func TestNotKept(t *testing.T) {
	for text, want := range map[string]string{
		``: "",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "clipnorm": 1}}, "loss": "binary_crossentropy"}`: "",
		`{"optimizer": {"class_name": "RMSprop", "config": {}}}`:                                                                  `the optimizer "rmsprop" and its state`,
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "amsgrad": true}}}`:                              "settings are none of ours",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "gradient_accumulation_steps": 4}}}`:             "settings are none of ours",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "decay": 0.01}}}`:                                "settings are none of ours",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "decay": 0.0}}}`:                                 "",
		`{"optimizer": {"class_name": "AdamW", "config": {"learning_rate": 0.002, "clipvalue": 0.5}}}`:                            "settings are none of ours",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": {"class_name": "CosineDecay"}}}}`:                       "schedule",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002}}, "loss": "mse"}`:                                `the loss "mse"`,
	} {
		var f File
		f.compiled(training{}, parseCompile([]byte(text), "optimizer", 1), func() ([]*hdf5.Object, error) { return nil, nil })
		if got := strings.Join(f.Ignored, "; "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestPenalty keeps the same L2 on every kernel, as both versions write it, and tells of any other penalty.
func TestPenalty(t *testing.T) {
	text, err := modelConfig(chain(5, 3), 1)
	if err != nil {
		t.Fatal(err)
	}
	const l2, keras2 = `{"class_name":"L2","config":{"l2":0.01}}`, `{"module":"keras.regularizers","class_name":"L2","config":{"l2":0.009999999776482582},"registered_name":null}`
	lstm := func(one string) string {
		return `"units":$1,"kernel_regularizer":` + one + `,"recurrent_regularizer":` + one
	}
	dense := func(one string) string { return `"activation":"$1","units":$2,"kernel_regularizer":` + one }
	with := func(text, inLSTM, inDense string) string {
		text = regexp.MustCompile(`"activation":"(\w+)","name":"(\w+)","units":(\d+)`).ReplaceAllString(text, `"name":"$2","activation":"$1","#":$3`)
		text = regexp.MustCompile(`"units":(\d+)`).ReplaceAllString(text, lstm(inLSTM))
		return regexp.MustCompile(`"activation":"(\w+)","#":(\d+)`).ReplaceAllString(text, dense(inDense))
	}
	all := with(text, l2, l2)
	for what, tc := range map[string]struct {
		text string
		l2   float64
		says string // in what is not kept
	}{
		"none":            {text, 0, ""},
		"Keras 3":         {all, 0.01, ""},
		"Keras 2":         {with(text, keras2, keras2), 0.01, ""},
		"both":            {with(text, strings.ReplaceAll(l2, `"L2","config":{`, `"L1L2","config":{"l1":0.0,`), l2), 0.01, ""},
		"not in LSTMs":    {with(text, "null", l2), 0, `layer "dense" (Dense) has kernel_regularizer`},
		"not in Dense":    {with(text, l2, "null"), 0, `recurrent_regularizer`},
		"other in Dense":  {with(text, l2, `{"class_name":"L2","config":{"l2":0.02}}`), 0, `has kernel_regularizer`},
		"L1":              {with(text, l2, `{"class_name":"L1","config":{"l1":0.01}}`), 0, `has kernel_regularizer`},
		"L1 too":          {with(text, l2, `{"class_name":"L1L2","config":{"l1":0.01,"l2":0.01}}`), 0, `has kernel_regularizer`},
		"of its own":      {with(text, l2, `{"class_name":"mine>L2","config":{"l2":0.01}}`), 0, `has kernel_regularizer`},
		"a bias too":      {strings.Replace(all, `"kernel_regularizer"`, `"bias_regularizer":`+l2+`,"kernel_regularizer"`, 1), 0.01, `bias_regularizer`},
		"a frozen layer":  {strings.Replace(text, `"activation":"relu"`, `"trainable":false,"activation":"relu"`, 1), 0, `layer "dense" (Dense) is frozen`},
		"trainable layer": {strings.Replace(text, `"activation":"relu"`, `"trainable":true,"activation":"relu"`, 1), 0, ""},
	} {
		_, _, got, err := parseModel(tc.text)
		if err != nil || got.l2 != tc.l2 {
			t.Errorf("%s: L2 %v, %v; want %v", what, got.l2, err, tc.l2)
		}
		if says := strings.Join(got.ignored, "; "); (says == "") != (tc.says == "") || !strings.Contains(says, tc.says) {
			t.Errorf("%s: %q, want %q", what, says, tc.says)
		}
	}
}
