package train

import (
	"context"
	"testing"

	"vklstm/train/data"
	"vklstm/train/device"
)

// sampleRun trains on the sample as `vklstm train --device cpu` does, without writing files.
func sampleRun(t *testing.T, change func(*data.Dataset)) *Result {
	t.Helper()
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	device, err := device.Open("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Engine = data.Sample(data.SampleWindows, uint64(cfg.Seed)), device.NewEngine
	cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir, cfg.Log, cfg.Out = "", "", "", nil, nil
	if change != nil {
		change(cfg.Dataset)
	}
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s; %s; test F1 %.3f, AUC %.3f", res.Device, res.Reason, float64(res.Test.F1), float64(res.Test.AUC))
	return res
}

// TestSampleIsLearned: the first command of the README must find falls.
func TestSampleIsLearned(t *testing.T) {
	if f1 := float64(sampleRun(t, nil).Test.F1); !(f1 >= 0.9) {
		t.Errorf("test F1 is %.3f, at least 0.9 is wanted", f1)
	}
}

// TestShuffledLabelsAreNot: with labels that say nothing about the windows there is nothing to learn, and a test F1
// above 0.6 would mean that the test part leaks into training. (Predicting 1 throughout gives 2p/(1 + p), 0.49 for
// the 32 % of positive windows.)
func TestShuffledLabelsAreNot(t *testing.T) {
	shuffle := func(d *data.Dataset) {
		y := make([]float32, d.N)
		for i, j := range Permutation(d.N, 5, 0) {
			y[i] = d.Y[j]
		}
		d.Y = y
	}
	if f1 := float64(sampleRun(t, shuffle).Test.F1); !(f1 <= 0.6) {
		t.Errorf("test F1 is %.3f on shuffled labels, at most 0.6 is possible without a leak", f1)
	}
}
