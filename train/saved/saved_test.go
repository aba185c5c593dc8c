package saved

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/train/data"
)

// TestLoadModelDamaged refuses what the attribute cannot be.
func TestLoadModelDamaged(t *testing.T) {
	spec := model.Classifier(3, 2, 2, 0.3, 2)
	m := &Model{Spec: spec, State: spec.Init(1), Loss: model.Focal(),
		Scaling: data.Scaling{Kind: data.ScaleMinMax, Scaling: model.Scaling{Offset: []float32{1, 2}, Factor: []float32{1, 1}}}}
	path := filepath.Join(t.TempDir(), "lstm_best.h5")
	if err := Save(path, m); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{`"version":1`, `"version":7`, "version 7"},
		{`"offset":[1,2]`, `"offset":[1  ]`, "1 values for 2 features"},
	} {
		changed := strings.Replace(string(whole), tc.old, tc.new, 1)
		if changed == string(whole) {
			t.Fatalf("%s is not in the file", tc.old)
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", tc.new, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.h5")); err == nil {
		t.Error("no file, no error")
	}
}
