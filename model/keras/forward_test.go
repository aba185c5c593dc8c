package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"codeberg.org/sbinet/npyio"

	"vklstm/model"
)

// forward returns P(y = 1) of the windows x[n][T][F] in float64. It is written straight from the formulas and shares
// nothing with the engines, so that a mistake in the order of the weights cannot be made twice.
func forward(f *File, x []float32) []float64 {
	d, err := f.Spec.Dims()
	if err != nil {
		panic(err)
	}
	vars := f.Spec.Layout().Variables
	at := func(variable, row, column int) float64 {
		v := vars[variable]
		width := v.Shape[len(v.Shape)-1]
		return float64(v.Of(f.Params)[row*width+column])
	}
	sigmoid := func(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
	var out []float64
	for ; len(x) > 0; x = x[d.T*d.F:] {
		h, c := make([]float64, d.H), make([]float64, d.H)
		for t := range d.T {
			step := x[t*d.F : (t+1)*d.F]
			masked := true
			for _, v := range step {
				masked = masked && v == 0
			}
			if masked {
				continue
			}
			var z [4][]float64 // i, f, c, o
			for gate := range z {
				for u := range d.H {
					column := gate*d.H + u
					s := at(model.Bias, 0, column)
					for k, v := range step {
						s += float64(v) * at(model.Kernel, k, column)
					}
					for k, v := range h {
						s += v * at(model.RecurrentKernel, k, column)
					}
					z[gate] = append(z[gate], s)
				}
			}
			for u := range d.H {
				c[u] = sigmoid(z[1][u])*c[u] + sigmoid(z[0][u])*math.Tanh(z[2][u])
				h[u] = sigmoid(z[3][u]) * math.Tanh(c[u])
			}
		}
		logit := at(model.OutputBias, 0, 0)
		for j := range d.D {
			s := at(model.DenseBias, 0, j)
			for u, v := range h {
				s += v * at(model.DenseKernel, u, j)
			}
			logit += max(s, 0) * at(model.OutputKernel, j, 0)
		}
		out = append(out, sigmoid(logit))
	}
	return out
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
	b, err := os.ReadFile("testdata/expected.json")
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

// TestGolden predicts with every Keras file at hand what Keras predicts with it.
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
	e, x := readExpected(t)
	for name, want := range e.Probability {
		f, err := Read("testdata/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		near(t, name, forward(f, x), want)
	}
}
