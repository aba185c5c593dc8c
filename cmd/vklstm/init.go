package main

import (
	"fmt"
	"slices"
	"strconv"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/saved"
)

// init has training start from a model file: settings that no flag names are the file's.
func (t *trainFlags) init(path string) error {
	m, err := saved.Load(path)
	if err != nil {
		return err
	}
	cfg := &t.cfg
	cfg.Init = m
	named := t.set.Changed("layers") || t.set.Changed("no-masking") || t.set.Changed("mask-value")
	for _, name := range networkFlags {
		named = named || t.set.Changed(name) && name != "dropout"
	}
	if !named { // the file's own
		t.takeNetwork(m.Spec)
	} else if !t.set.Changed("layers") {
		if err := t.fillNetwork(path, m.Spec); err != nil {
			return err
		}
	}
	if !t.set.Changed("lr") && m.LearningRate > 0 {
		cfg.LearningRate, _ = strconv.ParseFloat(strconv.FormatFloat(m.LearningRate, 'g', -1, 32), 64) // files hold float32
	}
	if l := m.Loss; l.Kind != "" && !t.set.Changed("no-focal-loss") && !t.set.Changed("focal-alpha") && !t.set.Changed("focal-gamma") {
		if t.noFocal = l.Kind != model.BinaryFocal && l.Kind != model.CategoricalFocal; !t.noFocal {
			cfg.FocalAlpha, cfg.ClassAlpha, cfg.FocalGamma = l.Alpha, l.ClassAlpha, l.Gamma
		}
		if !t.set.Changed("label-smoothing") {
			cfg.LabelSmoothing = l.LabelSmoothing
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

// takeNetwork has all layers be those of a file. --dropout sets the rate of its first Dropout.
func (t *trainFlags) takeNetwork(spec model.Spec) {
	cfg := &t.cfg
	layers := slices.Clone(spec.Layers[:len(spec.Layers)-1]) // the last one follows from the labels
	if cfg.Masking = (data.Masking{Off: true}); layers[0].Kind == model.Masking {
		cfg.Masking = data.Masking{Value: float32(layers[0].MaskValue)}
		layers = layers[1:]
	}
	if i := slices.IndexFunc(layers, func(l model.Layer) bool { return l.Kind == model.Dropout }); i >= 0 && t.set.Changed("dropout") {
		layers[i].Rate = cfg.Dropout
	}
	cfg.Layers = layers
}

// fillNetwork takes what no flag names from a file of the default network's form.
func (t *trainFlags) fillNetwork(path string, spec model.Spec) error {
	c, err := spec.Chain()
	if err != nil {
		return err
	}
	cfg := &t.cfg
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
				return fmt.Errorf("--init %s: some of its LSTM layers have both directions and some one; leave out what names the network", path)
			}
		}
	}
	if !t.set.Changed("dense-units") && len(c.Head) > 1 {
		cfg.DenseUnits = c.Head[len(c.Head)-1].In
	}
	if !t.set.Changed("dropout") {
		cfg.Dropout = spec.Rate()
	}
	return nil
}
