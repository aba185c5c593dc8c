package saved

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/cpu"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
)

// TestThreshold saves thresholds and finds them again; a file without one has the default.
func TestThreshold(t *testing.T) {
	spec := model.Classifier(3, 2, 2, 0.3, 2)
	path := filepath.Join(t.TempDir(), "lstm_best.h5")
	for _, tc := range []struct {
		threshold, want float64
		says            string // part of the error of SaveModel
	}{
		{0, 0.5, ""}, {0.3125, 0.3125, ""}, {0.1, 0.1, ""}, {1, 0, "threshold 1; it must be above 0 and below 1"}, {metrics.NaN, 0, "threshold NaN"},
	} {
		m := &Model{Spec: spec, State: spec.Init(1), Threshold: tc.threshold, Scaling: data.Scaling{Kind: data.ScaleNone}}
		err := Save(path, m)
		if tc.says != "" {
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v: error %v, want one with %q", tc.threshold, err, tc.says)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Threshold != tc.want || got.Decision() != tc.want || m.Decision() != tc.want {
			t.Errorf("%v: read %v, want %v", tc.threshold, got.Threshold, tc.want)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for old, tc := range map[string]struct {
		new, says string
		want      float64
	}{
		`"threshold":0.1`: {`"thresholt":0.1`, "", 0.5}, // as a file of an earlier version
		`threshold":0.1`:  {`threshold":2.1`, "its threshold is 2.1", 0},
	} {
		changed := strings.Replace(string(data), old, tc.new, 1)
		if changed == string(data) {
			t.Fatalf("%s is not in the file", old)
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Load(path)
		if tc.says == "" && (err != nil || m.Threshold != tc.want) || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %+v, %v", tc.new, m, err)
		}
	}
	if m, err := Load(filepath.Join("..", "..", "model", "keras", "testdata", "keras3.h5")); err != nil || m.Threshold != 0.5 {
		t.Errorf("a file of Keras: %+v, %v", m, err)
	}
}

// TestPredictor predicts with an ensemble what the mean of its members is, and scores it.
func TestPredictor(t *testing.T) {
	ctx, spec := context.Background(), model.Classifier(3, 2, 4, 0.3, 2)
	d := &data.Dataset{Path: "x.npz", N: 5, T: 3, F: 2, Y: []float32{0, 1, 0, 1, 1}}
	for i := range 5 * 3 * 2 {
		d.X = append(d.X, float32(i%7)/4-1)
	}
	whole := &Model{Spec: spec, State: spec.Init(1), Others: []*model.State{spec.Init(2), spec.Init(3)}}
	var members [][]float32
	for _, s := range whole.Members() {
		single, err := (&Model{Spec: spec, State: s}).Evaluate(ctx, traintest.Float64Engine, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, single.Probability)
	}
	want := make([]float32, 5)
	for i := range want {
		want[i] = (members[0][i] + members[1][i] + members[2][i]) / 3
	}
	if slices.Equal(members[0], members[1]) || slices.Equal(want, members[0]) {
		t.Fatal("the members do not differ")
	}
	for _, windows := range [][]int32{nil, {0, 1, 2, 3, 4}} {
		v, err := whole.Evaluate(ctx, traintest.Float64Engine, d, windows)
		if err != nil || !slices.Equal(v.Probability, want) {
			t.Errorf("%v, %v; want %v", v, err, want)
		}
	}
}

// TestEnsembleFile saves an ensemble and finds its members again, in order.
func TestEnsembleFile(t *testing.T) {
	spec := model.Stack(3, 2, []int{4, 3}, true, 0.3, 2)
	m := &Model{Spec: spec, State: spec.Init(1), Others: []*model.State{spec.Init(2), spec.Init(3)}, Threshold: 0.25, Loss: model.Focal(),
		Scaling: data.Scaling{Kind: data.ScaleNone}, Origin: &Origin{Seed: 7}}
	path := filepath.Join(t.TempDir(), "lstm_best.h5")
	if err := Save(path, m); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Spec, spec) || got.Threshold != 0.25 || got.Origin.Seed != 7 || !got.Loss.Equal(m.Loss) {
		t.Errorf("%+v, %+v", got, got.Origin)
	}
	members, want := got.Members(), m.Members()
	if len(members) != 3 {
		t.Fatalf("%d members", len(members))
	}
	for k := range want {
		if !slices.Equal(members[k].Params, want[k].Params) {
			t.Errorf("member %d is another", k)
		}
	}
}

// A stream's probabilities are those of the same windows predicted together, bit for bit, on the CPU engine.
func TestStreamIsBatch(t *testing.T) {
	const T, F, N, hop = 12, 3, 200, 5
	spec := model.Classifier(T, F, 9, 0, 4)
	m := &Model{Spec: spec, State: spec.Init(1)}
	p, err := m.Open(func(s model.Spec, o []model.Options) (model.Engine, error) { return cpu.New(s, o, 1) })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	var x, windows []float32
	for n := range N {
		for f := range F {
			v := float32(rng.NormFloat64())
			if n%9 == 4 {
				v = 0
			}
			x = append(x, v)
			fmt.Fprintf(&text, "%g", v)
			if f < F-1 {
				text.WriteByte(',')
			}
		}
		text.WriteByte('\n')
		if n+1 >= T && (n+1-T)%hop == 0 {
			windows = append(windows, x[(n+1-T)*F:(n+1)*F]...)
		}
	}
	want, err := p.Predict(t.Context(), windows)
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	one := func(w []float32) ([]float32, error) { return p.Predict(context.Background(), w) }
	if err := data.StreamLines(t.Context(), &text, data.NewStream(T, F, hop, one), func(_ int, p []float32) error {
		got = append(got, p...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d probabilities, want %d", len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("window %d: %v alone, %v among others", i, got[i], want[i])
		}
	}
}
