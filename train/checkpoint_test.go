package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/train/data"
)

// TestCheckpointFails takes away the place of the checkpoint during training: the error is reported, what else can
// be written is written, and the weights are in the result.
func TestCheckpointFails(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1, 5, 7}}}
	cfg, dir := InFolder(t, QuietConfig(f.factory))
	path := filepath.Join(dir, "c", CheckpointFile)
	cfg.Callbacks = []Callback{&probe{epoch: func(_ *Run, e Epoch) error {
		if e.Epoch == 1 {
			// The file of the second epoch gives way to a folder that cannot be replaced.
			return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o777))
		}
		return nil
	}}}
	res, err := LSTM(context.Background(), cfg)
	if err == nil || !strings.Contains(err.Error(), CheckpointFile) {
		t.Fatalf("error %v", err)
	}
	if res.Stopped != StoppedError || res.BestEpoch != 2 || res.State.Params[0] != 3 || len(res.Files) != 5 {
		t.Errorf("stopped %q (%s), best %d, weights %v, files %v", res.Stopped, res.Reason, res.BestEpoch, res.State.Params[0], res.Files)
	}
}

// TestValidate asks for one sentence that names the setting and what is wrong.
func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	var zero float64
	for want, change := range map[string]func(*Config){
		"batch is 0; it must be at least 1":                      func(c *Config) { c.Batch = 0 },
		"batch is -3; it must be at least 1":                     func(c *Config) { c.Batch = -3 },
		"batch is 9999999; it must be at most":                   func(c *Config) { c.Batch = 9999999 },
		"epochs is 0; it must be at least 1":                     func(c *Config) { c.Epochs = 0 },
		"patience is -1; it must be at least 0":                  func(c *Config) { c.Patience = -1 },
		"lstm-units is 0; it must be at least 1":                 func(c *Config) { c.Units = []int{0} },
		"lstm-units is 100000; it must be at most 4096":          func(c *Config) { c.Units = []int{64, 100000} },
		"dense-units is -1; it must be at least 1":               func(c *Config) { c.DenseUnits = -1 },
		"lr is 0; the learning rate must be above 0":             func(c *Config) { c.LearningRate = 0 },
		"lr is -0.1; the learning rate must be above 0":          func(c *Config) { c.LearningRate = -.1 },
		"lr is NaN; the learning rate must be above 0":           func(c *Config) { c.LearningRate = zero / zero },
		"lr is +Inf; the learning rate must be above 0":          func(c *Config) { c.LearningRate = 1 / zero },
		"lr is 5; the learning rate must be above 0":             func(c *Config) { c.LearningRate = 5 },
		"dropout is 1; it must be at least 0 and below 1":        func(c *Config) { c.Dropout = 1 },
		"dropout is -0.1; it must be at least 0 and below 1":     func(c *Config) { c.Dropout = -.1 },
		"dropout is NaN; it must be at least 0 and below 1":      func(c *Config) { c.Dropout = zero / zero },
		`augment is "much"; it must be one of none, moderate`:    func(c *Config) { c.Augment = "much" },
		`split is "kfold"; it must be one of random, group`:      func(c *Config) { c.Split = "kfold" },
		`scale is ""; it must be one of none, minmax, standard`:  func(c *Config) { c.Scale = "" },
		`log-format is "xml"; it must be one of text, json`:      func(c *Config) { c.LogFormat = "xml" },
		"lstm-units lists 0 layers; it must be at least 1":       func(c *Config) { c.Units = nil },
		"lstm-units lists 17 layers":                             func(c *Config) { c.Units = make([]int, 17) },
		"focal-alpha is 1.5; it must be at least 0":              func(c *Config) { c.FocalAlpha = 1.5 },
		"focal-gamma is NaN; it must be at least 0":              func(c *Config) { c.FocalGamma = zero / zero },
		"clipnorm is -1; it must be at least 0":                  func(c *Config) { c.ClipNorm = -1 },
		"global-clipnorm is +Inf; it must be at least 0":         func(c *Config) { c.GlobalClipNorm = 1 / zero },
		"weight-decay is NaN; it must be at least 0":             func(c *Config) { c.WeightDecay = zero / zero },
		"weight-decay 2000 at lr 0.001 takes 2 of each weight":   func(c *Config) { c.WeightDecay = 2000 },
		"l2 is 1001; it must be at least 0 and at most 1000":     func(c *Config) { c.L2 = 1001 },
		"global-clipnorm that of all together; give one":         func(c *Config) { c.ClipNorm, c.GlobalClipNorm = 1, 1 },
		`schedule is "step"; it must be one of constant, cosine`: func(c *Config) { c.Schedule.Kind = "step" },
		"warmup is -1 epochs; it must be at least 0":             func(c *Config) { c.Schedule.Warmup = -1 },
		"warmup is 100 epochs of 100; it must be shorter":        func(c *Config) { c.Schedule.Warmup = 100 },
		"warmup goes with schedule cosine or constant":           func(c *Config) { c.Schedule.Kind, c.Schedule.Warmup = SchedulePlateau, 1 },
		"min-lr is NaN; it must be at least 0":                   func(c *Config) { c.Schedule.Kind, c.Schedule.MinLR = ScheduleCosine, zero/zero },
		"min-lr is where schedule cosine or plateau ends":        func(c *Config) { c.Schedule.MinLR = 1e-4 },
		"min-lr is 0.01, above lr, 0.001":                        func(c *Config) { c.Schedule.Kind, c.Schedule.MinLR = ScheduleCosine, 1e-2 },
		"plateau-factor is 1; it must be above 0 and below 1":    func(c *Config) { c.Schedule.Kind, c.Schedule.Factor = SchedulePlateau, 1 },
		"plateau-patience is -1; it must be at least 0":          func(c *Config) { c.Schedule.Kind, c.Schedule.Patience = SchedulePlateau, -1 },
		"plateau-min-delta is -0.1; it must be at least 0":       func(c *Config) { c.Schedule.Kind, c.Schedule.MinDelta = SchedulePlateau, -.1 },
		"plateau-cooldown is -1; it must be at least 0":          func(c *Config) { c.Schedule.Kind, c.Schedule.Cooldown = SchedulePlateau, -1 },
		"plateau-patience is 10 and patience 10":                 func(c *Config) { c.Schedule.Kind, c.Schedule.Patience = SchedulePlateau, 10 },
		"train-on-val leaves no validation part to stop":         func(c *Config) { c.TrainOnVal = true },
		"follows validation F1, and train-on-val": func(c *Config) {
			c.Schedule.Kind, c.EarlyStopping, c.TrainOnVal = SchedulePlateau, false, true
		},
		"checkpoint-dir is empty": func(c *Config) { c.SaveBest, c.CheckpointDir = true, "" },
		"give one":                func(c *Config) { c.Data, c.Dataset = "x.npz", &data.Dataset{} },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "train: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %q", err, want)
		}
		if _, e := LSTM(context.Background(), cfg); fmt.Sprint(e) != fmt.Sprint(err) {
			t.Errorf("LSTM says %v", e)
		}
	}
}
