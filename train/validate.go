package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/internal/wording"
	"vklstm/train/metrics"
	"vklstm/train/progress"
	"vklstm/train/saved"
)

// Validate returns an error, one sentence, for the first setting that makes no sense.
func (c Config) Validate() error {
	for _, v := range []struct {
		what      string
		n, lo, hi int
	}{
		{"epochs", c.Epochs, 1, maxEpochs}, {"batch", c.Batch, 1, maxBatch}, {"patience", c.Patience, 0, math.MaxInt},
		{"dense-units", c.DenseUnits, 1, 1 << 16},
	} {
		switch {
		case v.n < v.lo:
			return fmt.Errorf("train: %s is %d; it must be at least %d", v.what, v.n, v.lo)
		case v.n > v.hi:
			return fmt.Errorf("train: %s is %d; it must be at most %d", v.what, v.n, v.hi)
		}
	}
	if err := c.checkUnits(); err != nil {
		return err
	}
	switch {
	case !(c.LearningRate > 0 && c.LearningRate <= 1):
		return fmt.Errorf("train: lr is %v; the learning rate must be above 0 and at most 1 (0.001 is usual)", c.LearningRate)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("train: dropout is %v; it must be at least 0 and below 1 (0.3 is usual)", c.Dropout)
	case c.Data != "" && c.Dataset != nil:
		return fmt.Errorf("train: both a data file and a data set in memory are given; give one")
	case c.Init != nil && c.From != nil:
		return fmt.Errorf("train: both a model to start from and a run to go on with are given; give one")
	case c.SaveBest && c.CheckpointDir == "":
		return fmt.Errorf("train: the best model is to be saved, but checkpoint-dir is empty; name a folder")
	}
	for _, v := range []struct {
		what, value string
		known       []string
	}{
		{"augment", c.Augment, augments},
		{"split", c.Split, []string{SplitByWindow, SplitByGroup}},
		{"scale", c.Scale, data.Scales},
		{"monitor", c.Monitor, Monitors},
		{"log-format", c.LogFormat, []string{progress.Text, progress.JSON}},
	} {
		if !slices.Contains(v.known, v.value) {
			return fmt.Errorf("train: %s is %q; it must be one of %s", v.what, wording.Short(v.value), strings.Join(v.known, ", "))
		}
	}
	for _, err := range []error{c.checkLoss(), c.checkOptimizer(), c.checkSchedule(), c.checkStopping(), c.checkTriplets()} {
		if err != nil {
			return err
		}
	}
	return nil
}

// The methods below are Config.Validate's, a part of the settings each.

func (c Config) checkUnits() error {
	if c.Layers != nil {
		return nil // Network says what is wrong with them
	}
	if c.Activation != "" && c.Activation != model.Tanh && c.Activation != model.Relu {
		return fmt.Errorf("train: activation is %q; it must be %s or %s", wording.Short(string(c.Activation)), model.Tanh, model.Relu)
	}
	if n := len(c.Units); n < 1 || n > model.MaxLSTMs {
		return fmt.Errorf("train: lstm-units lists %d layers; it must be at least 1 and at most %d", n, model.MaxLSTMs)
	}
	for _, n := range c.Units {
		switch {
		case n < 1:
			return fmt.Errorf("train: lstm-units is %d; it must be at least 1", n)
		case n > maxUnits:
			return fmt.Errorf("train: lstm-units is %d; it must be at most %d", n, maxUnits)
		}
	}
	return nil
}

func (c Config) checkLoss() error {
	switch {
	case !(c.FocalAlpha >= 0 && c.FocalAlpha <= 1):
		return fmt.Errorf("train: focal-alpha is %v; it must be at least 0 and at most 1 (0.25 is usual)", c.FocalAlpha)
	case !(c.FocalGamma >= 0 && c.FocalGamma <= 100):
		return fmt.Errorf("train: focal-gamma is %v; it must be at least 0 and at most 100 (2 is usual)", c.FocalGamma)
	case !(c.LabelSmoothing >= 0 && c.LabelSmoothing < 1):
		return fmt.Errorf("train: label-smoothing is %v; it must be at least 0 and below 1 (0.1 is usual, 0 is none)", c.LabelSmoothing)
	case math.IsNaN(float64(c.Masking.Value)) || math.IsInf(float64(c.Masking.Value), 0):
		return fmt.Errorf("train: mask-value is %v; it must be a finite number", c.Masking.Value)
	}
	for _, a := range c.ClassAlpha {
		if !(a >= 0 && a <= 1) {
			return fmt.Errorf("train: focal-alpha lists %v; each must be at least 0 and at most 1", a)
		}
	}
	return nil
}

func (c Config) checkOptimizer() error {
	for _, v := range []struct {
		what  string
		x, hi float64
		usual string
	}{
		{"clipnorm", c.ClipNorm, 1e9, "1 is usual, 0 does not clip"}, {"global-clipnorm", c.GlobalClipNorm, 1e9, "1 is usual, 0 does not clip"},
		{"weight-decay", c.WeightDecay, 1e9, "0.01 is usual, 0 is none"}, {"l2", c.L2, 1000, "0.0001 is usual, 0 is none"},
	} {
		if !(v.x >= 0 && v.x <= v.hi) {
			return fmt.Errorf("train: %s is %v; it must be at least 0 and at most %v (%s)", v.what, v.x, v.hi, v.usual)
		}
	}
	switch share := c.WeightDecay * c.LearningRate; {
	case c.ClipNorm > 0 && c.GlobalClipNorm > 0:
		return fmt.Errorf("train: clipnorm bounds each variable's gradient, global-clipnorm that of all together; give one")
	case share >= 1:
		return fmt.Errorf("train: weight-decay %v at lr %v takes %.3g of each weight away in a step, which must be less than 1 (a weight-decay of 0.01 is usual)", c.WeightDecay, c.LearningRate, share)
	}
	return nil
}

func (c Config) checkSchedule() error {
	s := c.Schedule
	if kinds := []string{ScheduleConstant, ScheduleCosine, SchedulePlateau}; !slices.Contains(kinds, s.Kind) {
		return fmt.Errorf("train: schedule is %q; it must be one of %s", wording.Short(s.Kind), strings.Join(kinds, ", "))
	}
	switch {
	case !(s.Warmup >= 0 && !math.IsInf(s.Warmup, 0)):
		return fmt.Errorf("train: warmup is %v epochs; it must be at least 0", s.Warmup)
	case s.Warmup > 0 && s.Kind == SchedulePlateau:
		return fmt.Errorf("train: warmup goes with schedule %s or %s, not with %s", ScheduleCosine, ScheduleConstant, SchedulePlateau)
	case s.Warmup >= float64(c.Epochs):
		return fmt.Errorf("train: warmup is %v epochs of %d; it must be shorter than the training", s.Warmup, c.Epochs)
	case !(s.MinLR >= 0):
		return fmt.Errorf("train: min-lr is %v; it must be at least 0", s.MinLR)
	case s.MinLR > 0 && s.Kind == ScheduleConstant:
		return fmt.Errorf("train: min-lr is where schedule %s or %s ends; with %s the learning rate stays lr", ScheduleCosine, SchedulePlateau, ScheduleConstant)
	case s.MinLR > c.LearningRate:
		return fmt.Errorf("train: min-lr is %v, above lr, %v; the learning rate only goes down", s.MinLR, c.LearningRate)
	}
	if s.Kind != SchedulePlateau {
		return nil
	}
	switch {
	case !(s.Factor > 0 && s.Factor < 1):
		return fmt.Errorf("train: plateau-factor is %v; it must be above 0 and below 1 (0.1 is usual)", s.Factor)
	case s.Patience < 0:
		return fmt.Errorf("train: plateau-patience is %d; it must be at least 0", s.Patience)
	case !(s.MinDelta >= 0 && s.MinDelta < 1):
		return fmt.Errorf("train: plateau-min-delta is %v; it must be at least 0 and below 1 (0.0001 is usual)", s.MinDelta)
	case s.Cooldown < 0:
		return fmt.Errorf("train: plateau-cooldown is %d; it must be at least 0", s.Cooldown)
	case c.TrainOnVal:
		return fmt.Errorf("train: schedule %s follows validation F1, and train-on-val leaves no validation part; use schedule %s", SchedulePlateau, ScheduleCosine)
	case c.EarlyStopping && s.Patience >= max(c.Patience, 1):
		return fmt.Errorf("train: plateau-patience is %d and patience %d: training would stop before the learning rate is lowered; plateau-patience must be the lesser", s.Patience, c.Patience)
	}
	return nil
}

func (c Config) checkStopping() error {
	switch err := c.Threshold.Check(); {
	case c.Ensemble < 1 || c.Ensemble > saved.MaxMembers:
		return fmt.Errorf("train: ensemble is %d; it must be at least 1 and at most %d", c.Ensemble, saved.MaxMembers)
	case uint64(c.Seed)+uint64(c.Ensemble)-1 > math.MaxUint32:
		return fmt.Errorf("train: seed %d with an ensemble of %d: the last member's seed is beyond %d", c.Seed, c.Ensemble, uint32(math.MaxUint32))
	case c.Ensemble > 1 && c.From != nil:
		return fmt.Errorf("train: an ensemble of %d cannot go on from one run's snapshot; train a Pool of its members", c.Ensemble)
	case c.TrainOnVal && c.EarlyStopping:
		return fmt.Errorf("train: train-on-val leaves no validation part to stop early by; add no-early-stopping")
	case err != nil:
		return fmt.Errorf("train: %w", err)
	case c.TrainOnVal && c.Threshold.Kind != metrics.ThresholdFixed:
		return fmt.Errorf("train: threshold %v is chosen on the validation part, and train-on-val leaves none; give a number, or train-on-val=false", c.Threshold)
	}
	return nil
}
