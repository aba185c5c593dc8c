// Package exporttest holds what the tests of file formats for other runtimes share: trained networks of every form, windows
// with every mask, what the float64 reference says of them, and a way to ask a runtime in Python.
package exporttest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// Case is a trained network with windows for it.
type Case struct {
	Name string
	model.Trained
	X    []float32 // [N][T][F], as measured
	Want []float64 // [N][C], what the reference says; NaN for a window with an infinity

	ordinary bool // its values may grow without bound, so that only windows of ordinary size are compared
}

// N returns the number of windows.
func (c Case) N() int { return len(c.X) / (c.Spec.Timesteps * c.Spec.Features) }

// C returns how many probabilities a window has.
func (c Case) C() int { return len(c.Want) / c.N() }

// Cases returns networks of every form: one layer, several, both directions, ensembles, scaled and not.
func Cases(t *testing.T) []Case {
	t.Helper()
	mixed := model.Stack(9, 3, []int{7, 5, 6}, true, 0, 4)
	mixed.Layers[2].Bidirectional = false
	var cases []Case
	type form struct {
		name    string
		spec    model.Spec
		members int
		scaled  bool
	}
	forms := []form{
		{"usual", model.Classifier(60, 6, 64, 0.3, 32), 1, false},
		{"usual scaled", model.Classifier(60, 6, 64, 0.3, 32), 1, true},
		{"one step", model.Classifier(1, 2, 3, 0, 2), 1, true},
		{"one of everything", model.Classifier(5, 1, 1, 0, 1), 1, false},
		{"two layers", model.Stack(12, 5, []int{16, 8}, false, 0, 8), 1, true},
		{"both directions", model.Stack(12, 5, []int{16}, true, 0, 8), 1, true},
		{"two layers of both directions", model.Stack(12, 4, []int{9, 6}, true, 0, 5), 1, false},
		{"mixed", mixed, 1, true},
		{"ensemble", model.Classifier(10, 3, 8, 0, 4), 3, true},
		{"ensemble of both directions", model.Stack(8, 3, []int{5, 4}, true, 0, 4), 2, true},
		{"vanished kernel", model.Classifier(6, 2, 5, 0, 3), 1, false},
		{"vanished kernels", model.Classifier(6, 2, 5, 0, 3), 1, false},
		{"scaled away", model.Classifier(6, 2, 5, 0, 3), 1, true},
		{"small kernel", model.Classifier(6, 2, 5, 0, 3), 1, false},
	}
	for k, n := range networks {
		layers, err := model.ParseLayers(n.layers)
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, form{n.layers, model.Network(9, 3, n.masking, layers, n.classes), 1 + k%2, k%3 > 0})
	}
	for i, tc := range forms {
		rng := rand.New(rand.NewPCG(uint64(i), 99))
		c := Case{Name: tc.name, Trained: model.Trained{Spec: tc.spec, Threshold: 0.5}}
		for m := range tc.members {
			p := tc.spec.Init(uint64(10*i + m)).Params
			for _, v := range tc.spec.Layout().Variables {
				positive := strings.HasSuffix(v.Name, "/gamma") || strings.HasSuffix(v.Name, "/moving_variance")
				for j, of := 0, v.Of(p); j < len(of); j++ {
					of[j] += 0.1 * float32(rng.NormFloat64())
					if positive {
						of[j] = float32(math.Abs(float64(of[j])) + 0.1)
					}
				}
			}
			for v, factor := range map[string][]float32{ // as L2 leaves kernels where the input says nothing
				"vanished kernel": {1e-42}, "vanished kernels": {1e-37, 1e-37, 1, 1e-37, 1, 1e-37}, "small kernel": {1e-6},
			}[tc.name] {
				for j := range tc.spec.Layout().Variables[v].Of(p) {
					tc.spec.Layout().Variables[v].Of(p)[j] *= factor
				}
			}
			c.Members = append(c.Members, p)
		}
		if tc.scaled {
			for f := range tc.spec.Features {
				c.Scaling.Offset = append(c.Scaling.Offset, float32(f)-1.5)
				c.Scaling.Factor = append(c.Scaling.Factor, 1/float32(f+2))
			}
		}
		if tc.name == "scaled away" { // the difference is infinite, the product 0
			c.Scaling.Offset[1], c.Scaling.Factor[1] = -math.MaxFloat32, 0
		}
		c.X = Windows(rng, tc.spec.Timesteps, tc.spec.Features)
		chain, err := tc.spec.Chain()
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range c.X {
			if v == 0 && chain.MaskValue != 0 {
				c.X[j] = chain.MaskValue
			}
		}
		for _, l := range chain.LSTMs {
			c.ordinary = c.ordinary || l.Activation == model.Relu
		}
		c.Want = Want(t, c.Trained, c.X)
		cases = append(cases, c)
	}
	return cases
}

// networks are those that people have beyond Stack, of every kind of layer.
var networks = []struct {
	masking *model.Layer
	layers  string
	classes int
}{
	{nil, "lstm 7", 2},
	{nil, "lstm 9 relu, lstm 5 relu, dense 6 relu, dense 4 tanh", 3},
	{masking(0), "lstm 9 relu, dropout 0.3, lstm 5, dense 6 sigmoid, dense 4", 5},
	{masking(-1), "bidirectional 6 relu, lstm 5 relu", 3},
	{nil, "bidirectional 6 sum, bidirectional 5 mul, dense 4 relu", 3},
	{masking(0), "bidirectional 6 mul, bidirectional 5 ave", 2},
	{masking(0.5), "bidirectional 6 ave, lstm 5, bidirectional 4 sum", 4},
	{nil, "lstm 6 backwards", 2},
	{nil, "lstm 6 backwards, lstm 5, bidirectional 4", 3},
	{masking(0), "lstm 6 backwards", 3},
	{masking(0), "lstm 6 backwards, lstm 5 backwards, bidirectional 4, lstm 3 backwards", 3},
	{masking(-1), "lstm 6 backwards, lstm 5", 2},
	{masking(0), "lstm 6, batchnorm, dense 5 relu, batchnorm, batchnorm, dense 4", 3},
	{nil, "bidirectional 6, batchnorm, dropout 0.2, bidirectional 5 mul, batchnorm", 3},
	{masking(0), "lstm 6 backwards, batchnorm, bidirectional 5 relu, batchnorm, dense 4 relu, batchnorm", 4},
}

func masking(value float64) *model.Layer {
	return &model.Layer{Kind: model.Masking, Name: "masking", MaskValue: value}
}

// Changed returns the case with kernels as a file keeps them that does not keep float32: keep changes all but the last,
// a[rows][columns]. Want is what the reference says of it then: the file, run in float32, must agree as closely as one that
// is not changed does.
func (c Case) Changed(t *testing.T, keep func(a []float32, columns int)) Case {
	t.Helper()
	c.Trained = c.Folded()
	variables := c.Spec.Layout().Variables
	members := c.Members
	c.Members = nil
	for _, m := range members {
		m = append([]float32(nil), m...)
		for _, v := range variables[:len(variables)-2] {
			if v.Matrix() {
				keep(v.Of(m), v.Shape[1])
			}
		}
		c.Members = append(c.Members, m)
	}
	c.Want = Want(t, c.Trained, c.X)
	return c
}

// Half rounds to the nearest float16: multiples of 2⁻¹⁰ of the power of two below, at least of 2⁻²⁴.
func Half(a []float32, _ int) {
	for i, v := range a {
		if v != 0 {
			step := math.Ldexp(1, max(math.Ilogb(math.Abs(float64(v))), -14)-10)
			a[i] = float32(math.RoundToEven(float64(v)/step) * step)
		}
	}
}

// kinds of windows that Windows makes, in this order, again and again.
var kinds = []string{"none", "right", "left", "holes", "mostly holes", "all masked", "one step", "missing cells",
	"missing steps", "zero cells", "negative zero", "subnormal", "large", "raw", "immense", "huge", "infinite", "negative infinite", "none"}

// Windows returns 57 windows with every kind of mask, missing values, large ones and infinities. A window without any of
// these stands after each that has infinities, so that a state kept between calls shows.
func Windows(rng *rand.Rand, t, f int) []float32 {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	var x []float32
	for n := range 3 * len(kinds) {
		kind, cut, at := kinds[n%len(kinds)], 1+rng.IntN(max(t-1, 1)), rng.IntN(t)
		for step := range t {
			zero := kind == "right" && step >= cut || kind == "left" && step < cut || kind == "holes" && rng.Float64() < 0.3 ||
				kind == "mostly holes" && rng.Float64() < 0.9 || kind == "all masked" || kind == "one step" && step != at
			lost := kind == "missing steps" && rng.Float64() < 0.4
			for i := range f {
				v := float32(2 * rng.NormFloat64())
				switch {
				case lost || kind == "missing cells" && rng.Float64() < 0.3:
					v = nan
				case zero || kind == "zero cells" && rng.Float64() < 0.5:
					v = 0
				case kind == "negative zero" && step%2 == 0:
					v = float32(math.Copysign(0, -1))
				case kind == "subnormal" && step%2 == 0:
					v *= 1e-40
				case kind == "large":
					v *= 1000
				case kind == "raw": // counts of a 24-bit converter
					v *= 4e6
				case kind == "immense":
					v *= 1e30
				case kind == "huge":
					v = float32(math.Copysign(3e38, float64(v)))
				case kind == "infinite" && step == at && i == 0:
					v = inf
				case kind == "negative infinite" && step == at && i == f-1:
					v = -inf
				}
				x = append(x, v)
			}
		}
	}
	return x
}

// Beyond reports whether window i has values that Trained.Largest may bound, or of which the network may make what float32 does not hold to
// the tolerance.
func (c Case) Beyond(i int) bool {
	kind := kinds[i%len(kinds)]
	return kind == "huge" || c.ordinary && slices.Contains([]string{"large", "raw", "immense"}, kind)
}

// Want returns what the reference says of windows x[N][T][F], [N][C]: the mean of the members' probabilities, and NaN where a
// window has an infinity.
func Want(t *testing.T, m model.Trained, x []float32) []float64 {
	t.Helper()
	size := m.Spec.Timesteps * m.Spec.Features
	chain, err := m.Spec.Chain()
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, len(x)/size*chain.Classes)
	loss := model.Focal()
	if chain.Classes > 1 {
		loss = model.Loss{Kind: model.CategoricalCrossentropy}
	}
	finite := append([]float32(nil), x...)
	for i, v := range finite {
		if size := math.Abs(float64(v)); size > math.MaxFloat32 || size < 0x1p-126 { // subnormal numbers are 0 to training
			finite[i] = 0
		}
	}
	for _, params := range m.Members {
		e, err := reference.New(m.Spec, []model.Options{{Loss: loss, Optimizer: model.DefaultAdam(), Scaling: m.Scaling}})
		if err != nil {
			t.Fatal(err)
		}
		s := model.NewState(len(params))
		copy(s.Params, params)
		if err := e.SetState(0, s); err != nil {
			t.Fatal(err)
		}
		p, err := e.Predict(t.Context(), 0, finite)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			want[i] += float64(p[i]) / float64(len(m.Members))
		}
	}
	for i, v := range x {
		if math.IsInf(float64(v), 0) {
			for c := range chain.Classes {
				want[i/size*chain.Classes+c] = math.NaN()
			}
		}
	}
	return want
}

// Answer is what a runtime says of a file: probabilities of all windows, [N][C], in calls of each batch size, in order and then
// backwards, and what the file says about itself.
type Answer struct {
	Batches  map[string][]float64 `json:"batches"` // by batch size; -1 backwards, one by one
	Metadata map[string]string    `json:"metadata"`
}

// Ask hands a file and windows to the script in testdata/judge.py, which runs them in the real runtime. Without an
// interpreter the test is skipped, or fails where VKLSTM_REQUIRE_PYTHON=1 forbids that.
func Ask(t *testing.T, file []byte, c Case) Answer {
	t.Helper()
	return AskScript(t, filepath.Join("testdata", "judge.py"), file, c.X, c.Spec)
}

// AskScript is Ask of another script, and of windows x[N][T][F] of a network of spec's T and F.
func AskScript(t *testing.T, script string, file []byte, x []float32, spec model.Spec) Answer {
	t.Helper()
	python := os.Getenv("VKLSTM_PYTHON")
	if python == "" {
		if os.Getenv("VKLSTM_REQUIRE_PYTHON") == "1" {
			t.Fatal("VKLSTM_REQUIRE_PYTHON=1, but VKLSTM_PYTHON names no interpreter with the runtimes; run go run ./cmd/check -setup")
		}
		t.Skip("no runtime to judge the file: VKLSTM_PYTHON names no interpreter; go run ./cmd/check -setup installs one")
	}
	dir := t.TempDir()
	model, windows := filepath.Join(dir, "model"), filepath.Join(dir, "x.bin")
	var raw []byte
	for _, v := range x {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for path, data := range map[string][]byte{model: file, windows: raw} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, script, model, windows, fmt.Sprint(spec.Timesteps), fmt.Sprint(spec.Features))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the judge: %v", err)
	}
	// Python writes NaN as such, which is no JSON: it sends null.
	var answer struct {
		Batches  map[string][]*float64 `json:"batches"`
		Metadata map[string]string     `json:"metadata"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("the judge said %.200q: %v", out, err)
	}
	a := Answer{Batches: map[string][]float64{}, Metadata: answer.Metadata}
	for size, list := range answer.Batches {
		for _, p := range list {
			v := math.NaN()
			if p != nil {
				v = *p
			}
			a.Batches[size] = append(a.Batches[size], v)
		}
	}
	return a
}

// Near fails the test unless every probability is within tolerance of the case's, and NaN where that is; it returns the
// largest difference.
func (c Case) Near(t *testing.T, what string, got []float64, tolerance float64) float64 {
	t.Helper()
	if len(got) != len(c.Want) {
		t.Fatalf("%s: %d probabilities of %d windows", what, len(got), len(c.Want))
	}
	worst := 0.0
	for i, want := range c.Want {
		d := math.Abs(got[i] - want)
		if math.IsNaN(want) && math.IsNaN(got[i]) {
			d = 0
		}
		n := i / c.C()
		if c.Beyond(n) {
			if d = 0; math.IsNaN(got[i]) && !c.ordinary {
				t.Errorf("%s: window %d, of huge values, is no number", what, n)
			}
		}
		if !(d <= tolerance) {
			t.Errorf("%s: window %d (%s) is %v, want %v", what, n, kinds[n%len(kinds)], got[i], want)
		}
		worst = max(worst, d)
	}
	return worst
}
