package train

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// TestEnsemble trains three members as one and alone: the file holds what each alone reaches, and the test part is scored
// by their mean, at the threshold that their mean has on the validation part.
func TestEnsemble(t *testing.T) {
	cfg, dir := InFolder(t, DefaultConfig())
	cfg.Dataset, cfg.Engine, cfg.Log, cfg.Out = data.Sample(60, 3), traintest.Float64Engine, nil, nil
	cfg.Units, cfg.DenseUnits, cfg.Epochs, cfg.Seed, cfg.LearningRate = []int{3}, 3, 2, 7, 0.01
	var log bytes.Buffer
	cfg.Log, cfg.Ensemble, cfg.Threshold = &log, 3, metrics.ThresholdRule{Kind: metrics.ThresholdBestF1}
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := data.SplitRandom(60, 7); !slices.Equal(res.Parts.Train, want.Train) || len(res.Others) != 2 || len(res.Histories) != 3 {
		t.Fatalf("%d members, %d histories, parts %v", 1+len(res.Others), len(res.Histories), res.Parts)
	}
	var tests, vals [][]float32
	for k := range 3 {
		one := cfg
		one.Ensemble, one.Log, one.SaveBest, one.HistoryDir, one.PlotDir = 1, nil, false, "", ""
		one.Seed, one.Parts = cfg.Seed+uint32(k), &res.Parts
		alone, err := LSTM(context.Background(), one)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Members()[k]; !slices.Equal(got.Params, alone.State.Params) {
			t.Errorf("member %d is not what it is alone", k)
		}
		tests = append(tests, alone.Test.Probability)
		val, err := Evaluate(context.Background(), &alone.Model, traintest.Float64Engine, cfg.Dataset, res.Parts.Val)
		if err != nil {
			t.Fatal(err)
		}
		vals = append(vals, val.Probability)
	}
	if slices.Equal(tests[0], tests[1]) || slices.Equal(tests[1], tests[2]) {
		t.Error("members are alike")
	}
	if want := metrics.MeanProbability(tests); !slices.Equal(res.Test.Probability, want) {
		t.Errorf("test part: %v, want %v", res.Test.Probability, want)
	}
	want := cfg.Threshold.ChooseMean(cfg.Dataset.Y, res.Parts.Val, vals)
	if res.Threshold != want.Threshold || res.Test.Threshold != want.Threshold {
		t.Errorf("threshold %v, of the test part %v; want %+v", res.Threshold, res.Test.Threshold, want)
	}
	m, err := saved.Load(filepath.Join(dir, "c", CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Evaluate(context.Background(), m, traintest.Float64Engine, cfg.Dataset, res.Parts.Test)
	if err != nil || !slices.Equal(again.Probability, res.Test.Probability) || again.Threshold != want.Threshold || m.Origin.Seed != 7 {
		t.Errorf("%v; the file says %v at %v, want %v", err, again.Probability, again.Threshold, res.Test.Probability)
	}
	f1 := validationF1(metrics.Labels(cfg.Dataset.Y, res.Parts.Val), metrics.MeanProbability(vals))
	if float64(m.Origin.ValF1) != f1 {
		t.Errorf("the file says validation F1 %v, want %v", m.Origin.ValF1, f1)
	}
	for _, name := range []string{"lstm_history.csv", "lstm_history_seed8.csv", "lstm_history_seed9.csv"} {
		path := filepath.Join(dir, "h", name)
		if _, err := os.Stat(path); err != nil || !slices.Contains(res.Files, path) {
			t.Errorf("%v, files %v", err, res.Files)
		}
	}
	text := log.String()
	for s, n := range map[string]int{"Total parameters": 1, "ensemble of 3 members, seeds 7 to 9": 1, "seed 8: 1/2  loss": 1, "seed 9: training ended": 1, "split random, seed 7": 1} {
		if strings.Count(text, s) != n {
			t.Errorf("%q is not %d times in\n%s", s, n, text)
		}
	}
	for _, n := range []int{0, 1025} {
		cfg.Ensemble = n
		if _, err := LSTM(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "ensemble is ") {
			t.Errorf("%d members: error %v", n, err)
		}
	}
}

// TestEnsembleInterrupted keeps the weights that the members have.
func TestEnsembleInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg, dir := InFolder(t, DefaultConfig())
	cfg.Dataset, cfg.Engine, cfg.Log, cfg.Out = data.Sample(60, 3), traintest.Float64Engine, nil, nil
	cfg.Units, cfg.DenseUnits, cfg.Epochs, cfg.Ensemble = []int{3}, 3, 50, 2
	cfg.Callbacks = []Callback{&stopAfter{epoch: 1, stop: cancel}}
	res, err := LSTM(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Stopped != StoppedInterrupted || len(res.Others) != 1 || res.Test == nil {
		t.Errorf("stopped %q, %d members", res.Stopped, 1+len(res.Others))
	}
	if m, err := saved.Load(filepath.Join(dir, "c", CheckpointFile)); err != nil || len(m.Others) != 1 {
		t.Errorf("saved: %v", err)
	}
}

// stopAfter ends a context when an epoch has ended.
type stopAfter struct {
	NoCallback
	epoch int
	stop  func()
}

// OnEpochEnd implements Callback.
func (s *stopAfter) OnEpochEnd(_ *Run, e Epoch) error {
	if e.Epoch >= s.epoch {
		s.stop()
	}
	return nil
}
