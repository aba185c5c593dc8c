package saved

import (
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/train/data"
)

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
		{"scaling", Meta{Version: 1, Scaling: data.Scaling{Kind: data.ScaleMinMax, Scaling: model.Scaling{Offset: []float32{1}, Factor: []float32{1}}}}, "1 values for 2 features"},
	} {
		path := filepath.Join(t.TempDir(), "lstm_best.h5")
		m.Scaling = tc.meta.Scaling
		if err := Save(path, m, 1e-3, tc.meta); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Load(path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.h5")); err == nil {
		t.Error("no file, no error")
	}
}
