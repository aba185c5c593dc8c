package train

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// TestThresholdOfRun trains with a rule: it is chosen by the best epoch's validation, saved, and used for the test part.
func TestThresholdOfRun(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{5, 9, 3}}} // found windows have 0.9, all others 0.1
	cfg, dir := InFolder(t, QuietConfig(f.factory))
	cfg.Threshold, cfg.Epochs = metrics.ThresholdRule{Kind: metrics.ThresholdBestF1}, 3
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	const want = (float64(float32(.9)) + float64(float32(.1))) / 2
	if res.BestEpoch != 1 || res.Threshold != want || res.Test.Threshold != want {
		t.Errorf("epoch %d, threshold %v, of the test part %v; want 1 and %v", res.BestEpoch, res.Threshold, res.Test.Threshold, want)
	}
	m, err := saved.Load(filepath.Join(dir, "c", CheckpointFile))
	if err != nil || m.Threshold != want {
		t.Errorf("saved: %v, %v", m.Threshold, err)
	}
	e, err := Evaluate(context.Background(), m, f.factory, res.Dataset, nil)
	if err != nil || e.Threshold != want {
		t.Errorf("evaluated at %v, %v", e.Threshold, err)
	}
	// Windows of the test part have 0.3, 0.4, 0.7 or 1 under the fake engine: 0.35 tells them apart in another way.
	cfg.Threshold = metrics.ThresholdRule{Kind: metrics.ThresholdFixed, Value: 0.35}
	low, err := LSTM(context.Background(), cfg)
	if err != nil || low.Test.Confusion == res.Test.Confusion || low.Test.Threshold != 0.35 {
		t.Errorf("%v; at 0.35 %+v, at %v %+v", err, low.Test.Confusion, want, res.Test.Confusion)
	}
	cfg.Threshold = metrics.ThresholdRule{Kind: metrics.ThresholdBestF1}
	cfg.EarlyStopping, cfg.TrainOnVal = false, true
	if _, err := LSTM(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "train-on-val leaves none") {
		t.Errorf("error %v", err)
	}
}

// TestThresholdWithoutValidation ends training before an epoch has validated the weights that are kept: they are predicted
// with. The first value of a window is its probability then.
func TestThresholdWithoutValidation(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fakeEngine{script: script{hits: []int{5}, before: func(int) error { cancel(); return nil }}}
	cfg := QuietConfig(f.factory)
	cfg.Threshold = metrics.ThresholdRule{Kind: metrics.ThresholdBestF1}
	res, err := LSTM(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var y, p []float32
	for _, w := range cfg.Parts.Val {
		y, p = append(y, cfg.Dataset.Y[w]), append(p, cfg.Dataset.X[w*6])
	}
	want := cfg.Threshold.Choose(y, p)
	if want.Problem != "" || res.Stopped != StoppedInterrupted || res.Threshold != want.Threshold {
		t.Errorf("stopped %q, threshold %v, want %+v", res.Stopped, res.Threshold, want)
	}
}
