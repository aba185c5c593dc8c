package train

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
)

// TestModelRoundTrip saves, loads and evaluates: the file alone gives the test scores of the run, scaling included.
func TestModelRoundTrip(t *testing.T) {
	cfg, _ := inFolder(t, quietConfig(float64Engine))
	cfg.Scale, cfg.Epochs = ScaleStandard, 3
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m, meta, err := LoadModel(res.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if meta.Epoch != res.BestEpoch || meta.Seed != 42 || meta.Scaling.Kind != ScaleStandard || m.Loss.Kind != model.BinaryFocal {
		t.Errorf("meta %+v, loss %v", meta, m.Loss)
	}
	for _, m := range []*Model{m, &res.Model} {
		v, err := Evaluate(context.Background(), m, float64Engine, cfg.Dataset, cfg.Parts.Test)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.Probability, res.Test.Probability) || v.Confusion != res.Test.Confusion {
			t.Errorf("%v, want %v", v.Probability, res.Test.Probability)
		}
	}
	whole, err := Evaluate(context.Background(), m, float64Engine, cfg.Dataset, nil)
	if err != nil || whole.Samples != 60 {
		t.Errorf("all windows: %+v, %v", whole, err)
	}
	other := Sample(20, 1)
	if _, err := Evaluate(context.Background(), m, float64Engine, other, nil); err == nil || !strings.Contains(err.Error(), "60 steps × 6 features, the model reads 3 × 2") {
		t.Errorf("other shape: %v", err)
	}
	other = &Dataset{Path: "x.npz", N: 1, T: 3, F: 2, X: make([]float32, 6)}
	if _, err := Evaluate(context.Background(), m, float64Engine, other, nil); err == nil || !strings.Contains(err.Error(), "without labels") {
		t.Errorf("no labels: %v", err)
	}
}

// TestLoadModelDamaged refuses what the attribute cannot be.
func TestLoadModelDamaged(t *testing.T) {
	spec := model.Classifier(3, 2, 2, 0.3, 2)
	m := &Model{Spec: spec, State: spec.Init(1), Loss: model.Focal()}
	for _, tc := range []struct {
		name string
		meta Meta
		want string
	}{
		{"version", Meta{Version: 7}, "version 7"},
		{"scaling", Meta{Version: 1, Scaling: Scaling{Kind: ScaleMinMax, Scaling: model.Scaling{Offset: []float32{1}, Factor: []float32{1}}}}, "1 values for 2 features"},
	} {
		path := filepath.Join(t.TempDir(), CheckpointFile)
		m.Scaling = tc.meta.Scaling
		if err := SaveModel(path, m, 1e-3, tc.meta); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadModel(path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, _, err := LoadModel(filepath.Join(t.TempDir(), "none.h5")); err == nil {
		t.Error("no file, no error")
	}
}
