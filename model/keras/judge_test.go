package keras

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/exporttest"
)

// python returns the interpreter that has both Keras versions. Without one the test is skipped, or fails where
// VKLSTM_REQUIRE_PYTHON=1 forbids that.
func python(t *testing.T) string {
	t.Helper()
	p := os.Getenv("VKLSTM_PYTHON")
	if p == "" && os.Getenv("VKLSTM_REQUIRE_PYTHON") == "1" {
		t.Fatal("VKLSTM_REQUIRE_PYTHON=1, but VKLSTM_PYTHON names no interpreter with keras, tf_keras and h5py; run go run ./cmd/check -setup")
	}
	if p == "" {
		t.Skip("no Keras to judge the files: VKLSTM_PYTHON names no interpreter; go run ./cmd/check -setup installs one")
	}
	return p
}

// judged is one case of testdata/judge.py.
type judged struct {
	File         string        `json:"file"`
	X            [][][]float32 `json:"x"`
	Y            []float32     `json:"y"`
	Probability  []float64     `json:"probability"`
	LearningRate float64       `json:"learning_rate"`
	Loss         *string       `json:"loss"`
	LossValue    float64       `json:"loss_value"`
	Attribute    string        `json:"vklstm"`
	Arrays       int           `json:"arrays"`
	Graph        bool          `json:"graph"` // not eagerly
	Out          string        `json:"out"`
}

// TestKeras writes files, lets Keras 3 and Keras 2 load, predict, evaluate, train and save them, and reads what they saved.
func TestKeras(t *testing.T) {
	interpreter := python(t)
	dir := t.TempDir()
	e, x := readExpected(t)
	y := []float32{0, 1, 0, 1, 1, 0}
	files := map[string]*File{}
	var cases []judged
	T, F := len(e.X[0]), len(e.X[0][0])
	add := func(name string, spec model.Spec, loss model.Loss, rate float64, change func(f *File)) {
		f := small()
		f.Spec, f.Params = spec, numbers(spec, 0)
		f.Loss, f.LearningRate = loss, rate
		change(f)
		b, err := Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		c := judged{File: filepath.Join(dir, name+".h5"), X: e.X, Y: y, Attribute: f.Extra["vklstm"], Arrays: len(spec.Layout().Variables) * (1 + len(f.Others)), LearningRate: rate, Graph: name == "crossentropy", Out: filepath.Join(dir, name)}
		if err := os.WriteFile(c.File, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Probability = probabilities(t, f, x)
		if kind := string(loss.Kind); kind != "" {
			c.Loss = &kind
			for i, p := range c.Probability {
				c.LossValue += lossOf(loss, p, y[i]) / float64(len(y))
			}
		}
		files[name] = f
		cases = append(cases, c)
	}
	one := model.Classifier(T, F, 4, 0.25, 3)
	add("crossentropy", one, model.Loss{Kind: model.BinaryCrossentropy}, 0.002, func(f *File) {})
	// A learning rate of 1 must not become an integer.
	add("focal", one, model.Loss{Kind: model.BinaryFocal, Alpha: 0.6, Gamma: 1.5}, 1, func(f *File) {})
	add("names_uncompiled", model.Classifier(T, F, 4, 0.25, 3), model.Loss{}, 0, func(f *File) {
		for i, name := range []string{"Maske", "my_lstm.1", "d", "1fc-0", "zz"} {
			f.Spec.Layers[i].Name = name
		}
		f.Spec.Layers[2].Rate = 0
		f.Extra["vklstm"] = `{"größe":1}`
		for _, name := range []string{"a", "b", "c"} {
			big := make([]byte, 60000)
			for i := range big {
				big[i] = name[0]
			}
			f.Extra[name] = string(big)
		}
	})

	add("ensemble", model.Stack(T, F, []int{4}, true, 0.25, 3), model.Loss{Kind: model.BinaryCrossentropy}, 0.002, func(f *File) {
		f.Others = [][]float32{numbers(f.Spec, 1), numbers(f.Spec, 2)}
	})
	layers, err := model.ParseLayers("lstm 4, batchnorm, bidirectional 3 sum, dense 3 tanh, batchnorm")
	if err != nil {
		t.Fatal(err)
	}
	normalized := model.Network(T, F, &model.Layer{Kind: model.Masking, Name: "masking"}, layers, 2)
	add("ensemble_normalized", normalized, model.Loss{Kind: model.BinaryCrossentropy}, 0.002, func(f *File) {
		f.Others = [][]float32{numbers(f.Spec, 1), numbers(f.Spec, 2)}
		for _, params := range append(f.Others, f.Params) {
			for _, v := range f.Spec.Layout().Variables {
				if strings.HasSuffix(v.Name, "/moving_variance") {
					for i, p := range v.Of(params) {
						v.Of(params)[i] = 0.5 + p*p
					}
				}
			}
		}
	})
	add("chain", chain(T, F), model.Loss{Kind: model.BinaryCrossentropy}, 0.002, func(*File) {})

	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "cases.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(interpreter, "testdata/judge.py", list).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out[max(0, len(out)-80):])

	// What the two made of the files, read again: the way back.
	for name, f := range files {
		for _, version := range []string{"_k3", "_k2"} {
			var after struct {
				Probability []float32 `json:"probability"`
				V           []float32 `json:"v"`
			}
			b, err := os.ReadFile(filepath.Join(dir, name+version+".json"))
			if err == nil {
				err = json.Unmarshal(b, &after)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range []string{".h5", ".keras"} {
				what := name + version + end
				got, err := Read(filepath.Join(dir, what))
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				near(t, what, probabilities(t, got, x), after.Probability)
				if f.Loss.Kind != "" && !got.Loss.Equal(f.Loss) {
					t.Errorf("%s: loss %+v, want %+v", what, got.Loss, f.Loss)
				}
				if len(got.Others) != len(f.Others) {
					t.Errorf("%s: %d further members, want %d", what, len(got.Others), len(f.Others))
				}
				if len(f.Others) > 0 {
					continue // whose optimizer's state is not kept
				}
				if version+end == "_k2.keras" && f.Loss.Kind != "" {
					continue // Keras 2 takes our Adam for its legacy one, whose state it keeps in .h5 files only
				}
				if o := got.Optimizer; o == nil || o.Step != 2 || o.V[len(o.V)-1] != after.V[0] {
					t.Errorf("%s: optimizer %+v, want step 2 and last v %v", what, o, after.V)
				}
			}
		}
	}
}

// probabilities are those that the reference computes.
func probabilities(t *testing.T, f *File, x []float32) []float64 {
	t.Helper()
	return exporttest.Want(t, model.Trained{Spec: f.Spec, Members: append([][]float32{f.Params}, f.Others...)}, x)
}

// lossOf is the loss of one window from its probability, by the formulas at model.LossKind.
func lossOf(l model.Loss, p float64, y float32) float64 {
	alpha := l.Alpha
	if y == 0 {
		p, alpha = 1-p, 1-alpha
	}
	if l.Kind == model.BinaryFocal {
		return alpha * math.Pow(1-p, l.Gamma) * -math.Log(p)
	}
	return -math.Log(p)
}
