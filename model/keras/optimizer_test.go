package keras

import (
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
		`{"optimizer": {"class_name": "AdamW", "config": {"learning_rate": 0.002, "clipvalue": 0.5}}}`:                            "settings are none of ours",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": {"class_name": "CosineDecay"}}}}`:                       "schedule",
		`{"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002}}, "loss": "mse"}`:                                `the loss "mse"`,
	} {
		var f File
		f.compiled(parseCompile([]byte(text), "optimizer"), func() ([]*hdf5.Object, error) { return nil, nil })
		if got := strings.Join(f.Ignored, "; "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
