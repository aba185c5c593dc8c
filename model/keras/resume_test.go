package keras

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// resumed is one case of testdata/resume.py.
type resumed struct {
	File        string        `json:"file"`
	X           [][][]float32 `json:"x"`
	Y           []float32     `json:"y"`
	Probability []float64     `json:"probability"`
	Step        int           `json:"step"`
	Out         string        `json:"out"`
}

// resumeTolerance is how far a parameter may be from the reference after one step. Keras computes in float32; a gradient
// errs by some 1e-6 of its array's largest, and moves m/√v of a parameter whose gradients are a hundredth of that by
// some 1e-4, times the learning rate of 2e-3.
const resumeTolerance = 1e-6

// firstTolerance is the same for a first step with fresh moments, lr·g/(|g| + 3.2e-6): where g is near 0 and errs by 1e-8,
// which is 1e-6 of its array's largest, the quotient errs by 3e-3.
const firstTolerance = 6e-6

// Keras goes on training from files of ours with the same next step, and ours from Keras's.
func TestKerasResumes(t *testing.T) {
	interpreter := python(t)
	dir := t.TempDir()
	windows, labels, batch := resumeData()
	N, T, F := len(labels), len(windows[0]), len(windows[0][0])
	adam := func(change func(o *model.Optimizer)) model.Optimizer {
		o := model.DefaultAdam()
		change(&o)
		return o
	}
	type problem struct {
		name string
		spec model.Spec
		loss model.Loss
		o    model.Optimizer
		n    int // members
	}
	problems := []problem{
		{"adam", model.Classifier(T, F, 4, 0, 3), model.Focal(), model.DefaultAdam(), 1},
		{"adamw", chain(T, F), model.Loss{Kind: model.BinaryCrossentropy}, adam(func(o *model.Optimizer) { o.WeightDecay, o.GlobalClipNorm = 0.05, 0.1 }), 1},
		{"penalty", model.Stack(T, F, []int{4, 3}, true, 0, 3), model.Focal(), adam(func(o *model.Optimizer) { o.L2, o.ClipNorm, o.Beta1 = 0.01, 0.05, 0.8 }), 1},
		{"ensemble", chain(T, F), model.Loss{Kind: model.BinaryCrossentropy}, model.DefaultAdam(), 2},
	}
	const rate = 2e-3
	networks, states := map[string]reference.Network{}, map[string]*reference.State{}
	files := map[string]*File{}
	var cases []resumed
	for _, p := range problems {
		p.spec.Layers[len(p.spec.Layers)-3].Rate = 0
		net, err := reference.NewNetwork(p.spec)
		if err != nil {
			t.Fatal(err)
		}
		options := model.Options{Loss: p.loss, Optimizer: p.o}
		var f *File
		probability := make([]float64, N)
		step := -1
		for k := range p.n {
			s := model.NewState(net.Layout.Size)
			copy(s.Params, p.spec.Init(uint64(k+3)).Params)
			s64 := wideState(s)
			for range 3 {
				net.Step(s64, options, batch, reference.Draw{}, rate)
			}
			params := narrow(s64.Params)
			if k == 0 {
				f = &File{Spec: p.spec, Params: params, Loss: p.loss, LearningRate: rate, Rule: p.o, Extra: map[string]string{"vklstm": `{"größe":1}`},
					Optimizer: &Optimizer{M: narrow(s64.M), V: narrow(s64.V), Step: s64.Step}}
			} else {
				f.Others = append(f.Others, params)
			}
			pass := net.Forward(widen(params), batch.X, batch.Mask, reference.Draw{})
			for i, v := range pass.Probability {
				probability[i] += v / float64(p.n)
			}
		}
		b, err := EncodeKeras(f)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		want := *f
		if p.n > 1 {
			want.Optimizer = nil
		} else {
			step = 3
		}
		back.LossName = ""
		back.LearningRate = rate // float32 in the file
		if !reflect.DeepEqual(*back, want) {
			t.Errorf("%s: read back as %+v, want %+v", p.name, back, want)
		}
		c := resumed{File: filepath.Join(dir, p.name+".keras"), X: windows, Y: labels, Probability: probability, Step: step, Out: filepath.Join(dir, p.name+"_out")}
		if err := os.WriteFile(c.File, b, 0o600); err != nil {
			t.Fatal(err)
		}
		networks[p.name], files[p.name] = net, f
		states[p.name] = &reference.State{Params: widen(f.Params), M: widen(f.Optimizer.M), V: widen(f.Optimizer.V), Step: f.Optimizer.Step}
		cases = append(cases, c)
	}
	// Keras 2 counts an optimizer's variables without the learning rate, and leaves a state of Keras 3's alone: from such a
	// file it goes on with fresh moments, and with its own from one that is written for it.
	for _, tc := range []struct {
		module    string
		forKeras2 bool
		steps     int
	}{{"keras", false, 3}, {"tf_keras", false, 0}, {"tf_keras", true, 3}} {
		module, steps := tc.module, tc.steps
		for i, p := range problems {
			cases[i].Out = filepath.Join(dir, fmt.Sprintf("%s_%s_%t", p.name, module, tc.forKeras2))
			if p.n == 1 {
				cases[i].Step = steps
			}
			f := *files[p.name]
			f.ForKeras2 = tc.forKeras2
			b, err := EncodeKeras(&f)
			if err == nil {
				err = os.WriteFile(cases[i].File, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(b)
			if err != nil || p.n == 1 && !reflect.DeepEqual(back.Optimizer, f.Optimizer) {
				t.Errorf("%s for Keras 2: %t: read back as %+v, %v", p.name, tc.forKeras2, back, err)
			}
		}
		text, err := json.Marshal(cases)
		if err != nil {
			t.Fatal(err)
		}
		list := filepath.Join(dir, "cases.json")
		if err := os.WriteFile(list, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(interpreter, "testdata/resume.py", module, list).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", module, err, out[max(0, len(out)-3000):])
		}
		for i, p := range problems {
			var after [][]float64
			b, err := os.ReadFile(cases[i].Out + ".json")
			if err == nil {
				err = json.Unmarshal(b, &after)
			}
			if err != nil || len(after) != min(2, 3-p.n) {
				t.Fatal(err, len(after))
			}
			theirs, err := Read(cases[i].Out + ".keras")
			if err != nil {
				t.Fatal(err)
			}
			if p.n > 1 {
				mean := make([]float64, N)
				for _, params := range append([][]float32{theirs.Params}, theirs.Others...) {
					for j, v := range networks[p.name].Forward(widen(params), batch.X, batch.Mask, reference.Draw{}).Probability {
						mean[j] += v / float64(p.n)
					}
				}
				sameStep(t, p.name+", "+module+": prediction of Keras's file", mean, after[0], predictTol)
				if trained := theirs.Params[0] != narrow(states[p.name].Params)[0]; !trained || len(theirs.Others) != p.n-1 {
					t.Errorf("%s, %s: %d further members, trained: %v", p.name, module, len(theirs.Others), trained)
				}
				continue
			}
			options := model.Options{Loss: p.loss, Optimizer: p.o}
			same := func(what string, got, want []float64) {
				t.Helper()
				tolerance := resumeTolerance
				if steps == 0 && what == "Keras's step from our file" {
					tolerance = firstTolerance
				}
				sameStep(t, p.name+", "+module+": "+what, got, want, tolerance)
			}
			s := states[p.name].Clone()
			if steps == 0 {
				s.M, s.V, s.Step = make([]float64, len(s.M)), make([]float64, len(s.V)), 0
			}
			networks[p.name].Step(s, options, batch, reference.Draw{}, rate)
			same("Keras's step from our file", after[0], s.Params)
			if theirs.Optimizer == nil || theirs.Optimizer.Step != steps+1 {
				t.Fatalf("%s: Keras's file has optimizer %+v", p.name, theirs.Optimizer)
			}
			s = &reference.State{Params: widen(theirs.Params), M: widen(theirs.Optimizer.M), V: widen(theirs.Optimizer.V), Step: steps + 1}
			networks[p.name].Step(s, options, batch, reference.Draw{}, theirs.LearningRate)
			same("our step from Keras's file", s.Params, after[1])
		}
	}
}

// resumeData returns windows of 5 × 3, of which all but two have a masked step, as Keras and as the reference take them.
func resumeData() ([][][]float32, []float32, reference.Batch) {
	const N, T, F = 7, 5, 3
	rng := rand.New(rand.NewPCG(61, 62))
	x := make([]float64, N*T*F)
	mask, y := make([]bool, N*T), make([]float64, N)
	windows, labels := make([][][]float32, N), make([]float32, N)
	for n := range N {
		y[n] = float64(n % 2)
		labels[n] = float32(y[n])
		for s := range T {
			frame := make([]float32, F)
			if masked := s == n%T && n > 1; !masked {
				mask[n*T+s] = true
				for f := range frame {
					frame[f] = float32(rng.NormFloat64())
					x[(n*T+s)*F+f] = float64(frame[f])
				}
			}
			windows[n] = append(windows[n], frame)
		}
	}
	return windows, labels, reference.Batch{X: x, Mask: mask, Y: y}
}

// sameStep fails the test unless parameters after a step are within tolerance.
func sameStep(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	worst := 0.0
	for j := range want {
		worst = math.Max(worst, math.Abs(got[j]-want[j]))
	}
	if t.Logf("%s differs by at most %.1e", what, worst); !(worst <= tolerance) {
		t.Errorf("%s differs by %v, at most %v", what, worst, tolerance)
	}
}

// We go on training from .h5 files that Keras 2 has trained, with the same next step.
func TestKeras2IsResumed(t *testing.T) {
	interpreter := python(t)
	dir := t.TempDir()
	windows, labels, batch := resumeData()
	var cases []resumed
	var specs []model.Spec
	for name, spec := range map[string]model.Spec{"one": model.Classifier(5, 3, 4, 0, 3), "chain": chain(5, 3)} {
		spec.Layers[len(spec.Layers)-3].Rate = 0
		b, err := Encode(&File{Spec: spec, Params: spec.Init(3).Params, Loss: model.Focal(), LearningRate: 2e-3})
		if err != nil {
			t.Fatal(err)
		}
		c := resumed{File: filepath.Join(dir, name+".h5"), X: windows, Y: labels, Out: filepath.Join(dir, name+"_out")}
		if err := os.WriteFile(c.File, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cases, specs = append(cases, c), append(specs, spec)
	}
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "cases.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(interpreter, "testdata/resume2.py", list).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-3000):])
	}
	for i, c := range cases {
		var after [][]float64
		b, err := os.ReadFile(c.Out + ".json")
		if err == nil {
			err = json.Unmarshal(b, &after)
		}
		if err != nil || len(after) != 2 {
			t.Fatal(err, len(after))
		}
		f, err := Read(c.Out + ".h5")
		if err != nil {
			t.Fatal(err)
		}
		if f.Optimizer == nil || f.Optimizer.Step != 4 || f.Rule.Kind != model.Adam || !f.Loss.Equal(model.Focal()) {
			t.Fatalf("%s has optimizer %+v, rule %+v, loss %+v", c.Out, f.Optimizer, f.Rule, f.Loss)
		}
		sameStep(t, "what Keras 2 saved", widen(f.Params), after[0], resumeTolerance)
		net, err := reference.NewNetwork(specs[i])
		if err != nil {
			t.Fatal(err)
		}
		s := &reference.State{Params: widen(f.Params), M: widen(f.Optimizer.M), V: widen(f.Optimizer.V), Step: 4}
		net.Step(s, model.Options{Loss: f.Loss, Optimizer: f.Rule}, batch, reference.Draw{}, f.LearningRate)
		sameStep(t, "our step from Keras 2's file", s.Params, after[1], resumeTolerance)
	}
}

func wideState(s *model.State) *reference.State {
	return &reference.State{Params: widen(s.Params), M: widen(s.M), V: widen(s.V), Step: s.Step}
}

func widen(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

func narrow(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}
