package train

import (
	"fmt"
	"reflect"

	"vklstm/model"
	"vklstm/train/data"
)

// initial returns the state that training starts from where Config.Init names a model: its weights, and the optimizer's
// moments and step where it has them. It fits spec: useInit saw to that.
func (c Config) initial() *model.State { return c.Init.State.Clone() }

// useInit checks that the run's network is that of Config.Init, and takes its scaling, which its weights know. The notes
// say what of it differs from the flags, and what of its training is not known.
func (r *Run) useInit() (notes []string, err error) {
	m := r.Config.Init
	if len(m.Others) > 0 {
		return nil, fmt.Errorf("train: the model to start from is an ensemble of %d members; start from one network", len(m.Members()))
	}
	want, err := m.Spec.Chain()
	if err != nil {
		return nil, err
	}
	got, err := r.Spec.Chain()
	if err != nil {
		return nil, err
	}
	if want.T != got.T || want.F != got.F {
		return nil, data.WrongShape(r.Dataset.Path, got.T, got.F, want.T, want.F)
	}
	if !reflect.DeepEqual(want, got) {
		return nil, fmt.Errorf("train: the model to start from has %s, and the network to train %s; leave out what names the network, or name the same",
			describe(want), describe(got))
	}
	if m.Scaling.Kind != data.ScaleNone {
		if r.Config.Scale != data.ScaleNone && !reflect.DeepEqual(m.Scaling.Scaling, r.Scaling.ForPrediction().Scaling) {
			notes = append(notes, "the data is scaled as the model to start from has it, not anew")
		}
		r.Scaling = m.Scaling // without bounds of augmentation's noise, which files do not hold
	}
	for _, lost := range m.Lost {
		notes = append(notes, "the model to start from: "+lost)
	}
	return notes, nil
}

// describe says of a network what flags name.
func describe(c model.Chain) string {
	text := "LSTM layers of "
	for i, l := range c.LSTMs {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(l.Units)
		if l.Activation == model.Relu {
			text += " with relu"
		}
		if l.GoBackwards {
			text += " backwards"
		}
		if l.Bidirectional {
			text += " in both directions"
		}
	}
	for _, s := range c.Stages() {
		switch s.Kind {
		case model.Dense:
			text += fmt.Sprintf(", Dense of %d", s.Out)
		case model.BatchNormalization:
			text += ", BatchNormalization"
		}
	}
	if !c.Masked {
		text += ", no masking"
	}
	return text
}
