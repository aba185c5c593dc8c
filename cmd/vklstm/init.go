package main

import (
	"fmt"
	"strconv"

	"vklstm/model"
	"vklstm/train/saved"
)

// init has training start from a model file: settings that no flag names are the file's.
func (t *trainFlags) init(path string) error {
	m, err := saved.Load(path)
	if err != nil {
		return err
	}
	c, err := m.Spec.Chain()
	if err != nil {
		return err
	}
	cfg := &t.cfg
	cfg.Init = m
	if !t.set.Changed("lstm-units") {
		cfg.Units = nil
		for _, l := range c.LSTMs {
			cfg.Units = append(cfg.Units, l.Units)
		}
	}
	if !t.set.Changed("bidirectional") {
		cfg.Bidirectional = c.LSTMs[0].Bidirectional
		for _, l := range c.LSTMs {
			if l.Bidirectional != cfg.Bidirectional {
				return fmt.Errorf("--init %s: some of its LSTM layers have both directions and some one; training needs all alike", path)
			}
		}
	}
	if !t.set.Changed("dense-units") {
		cfg.DenseUnits = c.D()
	}
	if !t.set.Changed("dropout") {
		cfg.Dropout = m.Spec.Rate()
	}
	if !t.set.Changed("lr") && m.LearningRate > 0 {
		cfg.LearningRate, _ = strconv.ParseFloat(strconv.FormatFloat(m.LearningRate, 'g', -1, 32), 64) // files hold float32
	}
	if l := m.Loss; l.Kind != "" && !t.set.Changed("no-focal-loss") && !t.set.Changed("focal-alpha") && !t.set.Changed("focal-gamma") {
		if t.noFocal = l.Kind != model.BinaryFocal; !t.noFocal {
			cfg.FocalAlpha, cfg.FocalGamma = l.Alpha, l.Gamma
		}
	}
	if !t.set.Changed("l2") && m.Optimizer.L2 > 0 { // of the layers, also where no optimizer is known
		cfg.L2 = m.Optimizer.L2
	}
	if o := m.Optimizer; o.Kind != "" {
		if !t.set.Changed("weight-decay") {
			cfg.WeightDecay = o.WeightDecay
		}
		if !t.set.Changed("clipnorm") && !t.set.Changed("global-clipnorm") { // of which there is one
			cfg.ClipNorm, cfg.GlobalClipNorm = o.ClipNorm, o.GlobalClipNorm
		}
	}
	return nil
}
