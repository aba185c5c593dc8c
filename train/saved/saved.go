package saved

import (
	"encoding/json"
	"fmt"
	"io"

	"vklstm/model"
	"vklstm/model/keras"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
)

// Attribute is the root attribute of a checkpoint that holds, as JSON, what Keras has no place for: Meta.
const Attribute = "vklstm"

// Meta is what a checkpoint says about itself beside the network.
type Meta struct {
	Version      int            `json:"version"` // 1
	Scaling      data.Scaling   `json:"scaling"`
	Epoch        int            `json:"epoch"`  // from which the weights are, counted from 0; −1: from no whole epoch
	ValF1        metrics.Number `json:"val_f1"` // validation F1 of that epoch
	Seed         uint32         `json:"seed"`
	Split        string         `json:"split"`
	Augment      string         `json:"augment"`
	ClassWeights bool           `json:"class_weights"`
	Threshold    float64        `json:"threshold"` // Model.Threshold; SaveModel sets it, and Scaling, to the model's
}

// Model is a trained network with all that is needed to predict. It may be an ensemble: several networks of one Spec,
// which differ in their parameters alone, and whose probabilities are averaged.
type Model struct {
	Spec    model.Spec
	State   *model.State
	Others  []*model.State // the further members of an ensemble; empty for a single network
	Scaling data.Scaling   // applied to measured values before the network sees them
	Loss    model.Loss     // that it was trained with; Kind is empty when not known

	// Optimizer is what the model was trained with; Kind is empty when not known, which stands for Keras's Adam. Only
	// .keras files hold it. L2 is known, and minded, without a Kind too.
	Optimizer    model.Optimizer
	LearningRate float64 // of the file, 0 when not known

	// Lost lists, one sentence each, what its file says of training that is not known here, so that training which goes
	// on from it takes another step than the program that wrote it.
	Lost []string

	// Threshold is the probability above which a window counts as positive, above 0 and below 1. 0 stands for
	// DefaultThreshold; LoadModel never leaves it 0.
	Threshold float64

	forKeras2 bool // a .keras file's optimizer is to be restored by Keras 2
}

// Members returns the states of all members, State first.
func (m *Model) Members() []*model.State {
	return append([]*model.State{m.State}, m.Others...)
}

// Decision returns the threshold by which the model calls a window positive.
func (m *Model) Decision() float64 {
	if m.Threshold == 0 {
		return metrics.DefaultThreshold
	}
	return m.Threshold
}

// LoadModel reads a model that LSTM, Export (.npz) or Keras (.h5, .keras) wrote. A file of Keras has no scaling, and the threshold
// DefaultThreshold. The error is a sentence that names the file.
func Load(path string) (*Model, *Meta, error) {
	if m, meta, ok, err := readNPZ(path); ok {
		return m, meta, err
	}
	f, err := keras.Read(path)
	if err != nil {
		return nil, nil, err
	}
	m := &Model{Spec: f.Spec, Loss: f.Loss, Optimizer: f.Rule, LearningRate: f.LearningRate, Lost: f.Ignored, State: model.NewState(len(f.Params)), Scaling: data.Scaling{Kind: data.ScaleNone},
		Threshold: metrics.DefaultThreshold}
	copy(m.State.Params, f.Params)
	for _, params := range f.Others {
		s := model.NewState(len(params))
		copy(s.Params, params)
		m.Others = append(m.Others, s)
	}
	if o := f.Optimizer; o != nil {
		m.State.M, m.State.V, m.State.Step = o.M, o.V, o.Step
	}
	text, ok := f.Extra[Attribute]
	if !ok {
		return m, nil, nil
	}
	meta := Meta{Threshold: metrics.DefaultThreshold}
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return nil, nil, fmt.Errorf("train: read %s: its attribute %q is damaged (%w); train the model again", path, Attribute, err)
	}
	if err := meta.check(m.Spec.Features); err != nil {
		return nil, nil, fmt.Errorf("train: read %s: %w", path, err)
	}
	m.Scaling, m.Threshold = meta.Scaling, meta.Threshold
	return m, &meta, nil
}

// check returns an error when the numbers are not those of a model of f features that this program reads.
func (m Meta) check(f int) error {
	switch {
	case m.Version != 1:
		return fmt.Errorf("its %q has version %d, this program reads 1; use a newer vklstm", Attribute, m.Version)
	case !(m.Threshold > 0 && m.Threshold < 1):
		return fmt.Errorf("its threshold is %v; it must be above 0 and below 1, so train the model again", m.Threshold)
	}
	return m.Scaling.Check(f)
}

// SaveModel writes a model as Keras HDF5, or, where path ends in .keras, in Keras 3's own format with the state of the
// optimizer, so that training can go on from it; learning rate, threshold and Meta included; see WriteFile for what happens to
// an older file. An ensemble is one file too.
func Save(path string, m *Model, learningRate float64, meta Meta) error {
	b, err := EncodeModel(path, m, learningRate, meta)
	if err != nil {
		return fmt.Errorf("train: write %s: %w", path, err)
	}
	return files.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// encodeModel returns the bytes of SaveModel's file.
func EncodeModel(path string, m *Model, learningRate float64, meta Meta) ([]byte, error) {
	meta.Threshold, meta.Scaling = m.Decision(), m.Scaling.ForPrediction()
	if !(meta.Threshold > 0 && meta.Threshold < 1) {
		return nil, fmt.Errorf("threshold %v; it must be above 0 and below 1", meta.Threshold)
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	f := &keras.File{Spec: m.Spec, Params: m.State.Params, Loss: m.Loss, LearningRate: learningRate, Rule: m.Optimizer,
		Extra: map[string]string{Attribute: string(text)}}
	for _, s := range m.Others {
		f.Others = append(f.Others, s.Params)
	}
	if !IsArchive(path) {
		return keras.Encode(f)
	}
	if s := m.State; s.Step > 0 {
		f.Optimizer, f.ForKeras2 = &keras.Optimizer{M: s.M, V: s.V, Step: s.Step}, m.forKeras2
	}
	return keras.EncodeKeras(f)
}

// Check returns an error that wraps model.ErrShape when d's windows are not what m reads.
func (m *Model) Check(d *data.Dataset) error {
	if m.Spec.Timesteps != d.T || m.Spec.Features != d.F {
		return data.WrongShape(d.Path, d.T, d.F, m.Spec.Timesteps, m.Spec.Features)
	}
	return nil
}
