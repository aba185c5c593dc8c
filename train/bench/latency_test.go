package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vklstm/model"
	"vklstm/model/cpu"
	"vklstm/train/data"
	"vklstm/train/saved"
)

// TestLatencies asks an engine, and the runtimes where there are any: all must say the same of the windows, scaled ones.
func TestLatencies(t *testing.T) {
	spec := model.Classifier(10, 3, 8, 0, 4)
	m := &saved.Model{Spec: spec, State: spec.Init(1), Scaling: data.Scaling{Kind: data.ScaleStandard,
		Scaling: model.Scaling{Offset: []float32{100, 0, -3}, Factor: []float32{0.1, 5, 1}}}}
	p, err := m.Open(func(s model.Spec, o []model.Options) (model.Engine, error) { return cpu.New(s, o, 1) })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	python := os.Getenv("VKLSTM_PYTHON")
	list, err := Latencies(t.Context(), m, []string{"ours"}, []OneWindow{p}, python)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ours"}
	if python != "" {
		want = append(want, "LiteRT", "onnxruntime")
	}
	if len(list) != len(want) {
		t.Fatalf("%+v", list)
	}
	for i, l := range list {
		if !strings.HasPrefix(l.Name, want[i]) || l.Calls != latencyRounds*latencyCalls || !(0 < l.P50 && l.P50 <= l.P95 && l.P95 <= l.P99) || l.Largest > 1e-5 {
			t.Errorf("%+v", l)
		}
	}
	if _, err := Latencies(t.Context(), m, []string{"ours"}, []OneWindow{p}, "/bin/false"); err == nil || !strings.Contains(err.Error(), "onnxruntime and ai-edge-litert") {
		t.Errorf("an interpreter without runtimes: %v", err)
	}

	silent := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(silent, []byte("#!/bin/sh\nexec sleep 100\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Latencies(ctx, m, []string{"ours"}, []OneWindow{p}, silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an interpreter that says nothing until the end: %v", err)
	}
}
