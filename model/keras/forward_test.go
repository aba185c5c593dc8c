package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"codeberg.org/sbinet/npyio"

	"vklstm/model"
)

// forward returns P(y = 1) of the windows x[n][T][F] in float64: of an ensemble, the mean over its members. It is
// written straight from the formulas and shares nothing with the engines, so that a mistake in the order of the weights
// cannot be made twice.
func forward(f *File, x []float32) []float64 {
	members := append([][]float32{f.Params}, f.Others...)
	var mean []float64
	for _, params := range members {
		p := forwardOne(f.Spec, params, x)
		if mean == nil {
			mean = make([]float64, len(p))
		}
		for i, v := range p {
			mean[i] += v / float64(len(members))
		}
	}
	return mean
}

func forwardOne(spec model.Spec, params []float32, x []float32) []float64 {
	c, err := spec.Chain()
	if err != nil {
		panic(err)
	}
	// By its name, so that the order of the file must be right.
	variables := map[string]model.Variable{}
	for _, v := range spec.Layout().Variables {
		variables[v.Name] = v
	}
	array := func(name string) func(row, column int) float64 {
		v := variables[name]
		width, values := v.Shape[len(v.Shape)-1], v.Of(params)
		return func(row, column int) float64 { return float64(values[row*width+column]) }
	}
	hidden, output := spec.Layers[len(spec.Layers)-2].Name, spec.Layers[len(spec.Layers)-1].Name
	var out []float64
	for ; len(x) > 0; x = x[c.T*c.F:] {
		var steps [][]float64 // those that are not masked
		for t := range c.T {
			var step []float64
			masked := true
			for _, v := range x[t*c.F : (t+1)*c.F] {
				step = append(step, float64(v))
				masked = masked && v == 0
			}
			if !masked {
				steps = append(steps, step)
			}
		}
		var last []float64
		for _, l := range spec.Layers[1 : 1+len(c.LSTMs)] {
			if !l.Bidirectional {
				steps, last = lstm(steps, l.Units, l.Name, array)
				continue
			}
			there, end := lstm(steps, l.Units, l.Name+"/forward_lstm", array)
			slices.Reverse(steps)
			back, start := lstm(steps, l.Units, l.Name+"/backward_lstm", array)
			steps = nil
			for t := range there {
				steps = append(steps, slices.Concat(there[t], back[len(back)-1-t]))
			}
			last = slices.Concat(end, start)
		}
		kernel, bias := array(hidden+"/kernel"), array(hidden+"/bias")
		logit, weight := array(output+"/bias")(0, 0), array(output+"/kernel")
		for j := range c.D() {
			s := bias(0, j)
			for u, v := range last {
				s += v * kernel(u, j)
			}
			logit += max(s, 0) * weight(j, 0)
		}
		out = append(out, sigmoid(logit))
	}
	return out
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// lstm walks over steps[][In], none of them masked, and returns h after each and after the last, zeros without steps.
func lstm(steps [][]float64, units int, name string, array func(string) func(row, column int) float64) (all [][]float64, last []float64) {
	kernel, recurrent, bias := array(name+"/kernel"), array(name+"/recurrent_kernel"), array(name+"/bias")
	h, c := make([]float64, units), make([]float64, units)
	for _, step := range steps {
		var z [4][]float64 // i, f, c, o
		for gate := range z {
			for u := range units {
				column := gate*units + u
				s := bias(0, column)
				for k, v := range step {
					s += v * kernel(k, column)
				}
				for k, v := range h {
					s += v * recurrent(k, column)
				}
				z[gate] = append(z[gate], s)
			}
		}
		h = slices.Clone(h)
		for u := range units {
			c[u] = sigmoid(z[1][u])*c[u] + sigmoid(z[0][u])*math.Tanh(z[2][u])
			h[u] = sigmoid(z[3][u]) * math.Tanh(c[u])
		}
		all = append(all, h)
	}
	return all, h
}

// predictTol is the contract: Keras's float32 probabilities against ours. Its own rounding is far below: about 1e-7
// per step, damped by the gates.
const predictTol = 1e-5

// near reports the worst deviation of got from want.
func near(t *testing.T, what string, got []float64, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d probabilities, want %d", what, len(got), len(want))
	}
	worst := 0
	for i := range got {
		if math.Abs(got[i]-float64(want[i])) > math.Abs(got[worst]-float64(want[worst])) {
			worst = i
		}
	}
	if e := math.Abs(got[worst] - float64(want[worst])); !(e <= predictTol) {
		t.Errorf("%s: window %d: got %v, Keras has %v: off by %.2g, %.3g times the tolerance", what, worst, got[worst], want[worst], e, e/predictTol)
	}
}

// expected is testdata/expected.json.
type expected struct {
	X           [][][]float32        `json:"x"`
	Probability map[string][]float32 `json:"probability"`
	Iteration   int                  `json:"iteration"`
	FirstM      []float32            `json:"first_m"`
	LastV       []float32            `json:"last_v"`
}

func readExpected(t *testing.T) (e expected, x []float32) {
	t.Helper()
	return readExpectedOf(t, "expected.json")
}

// readExpectedOf reads a file of testdata like expected.json, and its windows one after the other.
func readExpectedOf(t *testing.T, name string) (e expected, x []float32) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range e.X {
		for _, s := range w {
			x = append(x, s...)
		}
	}
	return e, x
}

// shared returns the folder with the golden cases and the data, or skips.
func shared(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("VKLSTM_SHARED")
	if dir == "" {
		dir = "../../../shared"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no golden files: the folder %q is not there (VKLSTM_SHARED names another)", dir)
	}
	return dir
}

// npz reads a float32 array of an .npz file.
func npz(t *testing.T, path, key string) []float32 {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r, err := z.Open(key + ".npy")
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var a []float32
	if err := npyio.Read(bytes.NewReader(b), &a); err != nil {
		t.Fatalf("%s, %s: %v", path, key, err)
	}
	return a
}

// TestGolden predicts with every Keras file in testdata what Keras predicts with it.
func TestGolden(t *testing.T) {
	dir := shared(t)
	cases := map[string]string{ // file: predictions; "" where Keras's are not stored
		"data/lstm_best_keras3.h5": "golden/h5/h5_predictions.npz",
		"data/lstm_weda_keras3.h5": "",
	}
	for _, pattern := range []string{"golden/h5/*.h5", "golden/h5/*.keras", "data/*.h5"} {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(list) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, path := range list {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			name = filepath.ToSlash(name)
			if _, ok := cases[name]; !ok {
				cases[name] = name[:len(name)-len(filepath.Ext(name))] + ".npz"
			}
		}
	}
	for name, predictions := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := Read(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if predictions == "" {
				return
			}
			want := filepath.Join(dir, predictions)
			near(t, name, forward(f, npz(t, want, "x")), npz(t, want, "probability"))
		})
	}
}

// TestOtherWriters reads what Keras 2, Keras 3 and h5py with other settings write.
func TestOtherWriters(t *testing.T) {
	for _, list := range []string{"expected.json", "expected_stack.json"} {
		e, x := readExpectedOf(t, list)
		for name, want := range e.Probability {
			f, err := Read("testdata/" + name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			near(t, name, forward(f, x), want)
		}
	}
}
