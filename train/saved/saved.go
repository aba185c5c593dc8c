// Package saved is a trained model in files: load, save, export, predict, evaluate.
//
//	m, err := saved.Load("lstm_best.h5")            // or .keras, or .npz; Keras's own files too
//	_, err = saved.Export("lstm.onnx", m, saved.FormatONNX, model.QuantizeFloat16)
//	v, err := m.Evaluate(ctx, device.NewEngine, d, nil)
package saved

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"vklstm/model"
	"vklstm/model/keras"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
)

// Attribute is the root attribute of a checkpoint that holds, as JSON, what Keras has no place for.
const Attribute = "vklstm"

// about is what Attribute holds.
type about struct {
	Version int          `json:"version"` // 1
	Scaling data.Scaling `json:"scaling"`
	Origin
	Threshold float64  `json:"threshold"`
	Classes   []string `json:"classes,omitempty"` // where they have names of their own
}

// Origin says where a model's weights come from.
type Origin struct {
	Epoch        int            `json:"epoch"`  // from which the weights are, counted from 0; −1: from no whole epoch
	ValF1        metrics.Number `json:"val_f1"` // validation F1 of that epoch
	Seed         uint32         `json:"seed"`
	Split        string         `json:"split"`
	Augment      string         `json:"augment"`
	ClassWeights bool           `json:"class_weights"`
}

// unknown is the Origin of a model of which nothing is known.
var unknown = Origin{Epoch: -1, ValF1: metrics.Number(metrics.NaN)}

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
	LearningRate float64 // that it was trained with, 0 when not known

	Origin *Origin // nil: not known

	// Lost lists, one sentence each, what its file says of training that is not known here, so that training which goes
	// on from it takes another step than the program that wrote it.
	Lost []string

	// Threshold is the probability above which a window counts as positive, above 0 and below 1. 0 stands for
	// DefaultThreshold; Load never leaves it 0.
	Threshold float64

	// Classes are the names of the classes in the order of their numbers, of a network with one output those of 0 and 1; nil: 0, 1, ….
	Classes []string

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

// Outputs returns the number of the network's outputs: 1, P(y = 1), or one for each class. It panics where the Spec is none.
func (m *Model) Outputs() int {
	c, err := m.Spec.Chain()
	if err != nil {
		panic(err)
	}
	return c.Classes
}

// ClassNames returns the names of the classes, 0, 1, … where none are known.
func (m *Model) ClassNames() []string {
	if m.Classes != nil {
		return m.Classes
	}
	return data.DefaultClasses(max(2, m.Outputs()))
}

// Judge says how the model's probabilities are judged.
func (m *Model) Judge() metrics.Judge {
	j := metrics.Judge{Threshold: m.Decision()}
	if m.Outputs() > 1 {
		j.Classes = m.ClassNames()
	} else {
		j.Names = data.OwnNames(m.Classes)
	}
	return j
}

// Load reads a model that LSTM, Export (.npz) or Keras (.h5, .keras) wrote. A file of Keras has no scaling, and the threshold
// DefaultThreshold. The error is a sentence that names the file.
func Load(path string) (*Model, error) {
	if m, ok, err := readNPZ(path); ok {
		return m, err
	}
	f, err := keras.Read(path)
	if err != nil {
		return nil, err
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
		return m, nil
	}
	a := about{Threshold: metrics.DefaultThreshold}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("train: read %s: its attribute %q is damaged (%w); train the model again", path, Attribute, err)
	}
	if err := a.check(m.Spec.Features); err != nil {
		return nil, fmt.Errorf("train: read %s: %w", path, err)
	}
	m.Scaling, m.Threshold, m.Origin, m.Classes = a.Scaling, a.Threshold, &a.Origin, a.Classes
	if err := m.checkClasses(); err != nil {
		return nil, fmt.Errorf("train: read %s: %w", path, err)
	}
	return m, nil
}

// check returns an error when the numbers are not those of a model of f features that this program reads.
func (a about) check(f int) error {
	switch {
	case a.Version != 1:
		return fmt.Errorf("its %q has version %d, this program reads 1; use a newer vklstm", Attribute, a.Version)
	case !(a.Threshold > 0 && a.Threshold < 1):
		return fmt.Errorf("its threshold is %v; it must be above 0 and below 1, so train the model again", a.Threshold)
	}
	return a.Scaling.Check(f)
}

// checkClasses returns an error unless the classes are as many as the network tells apart, and of different names.
func (m *Model) checkClasses() error {
	if m.Classes == nil {
		return nil
	}
	if want := max(2, m.Outputs()); len(m.Classes) != want {
		return fmt.Errorf("its %q names %d classes, and its network tells %d apart; train the model again", Attribute, len(m.Classes), want)
	}
	for i, name := range m.Classes {
		if name == "" || len(name) > maxClassName || slices.Contains(m.Classes[:i], name) {
			return fmt.Errorf("its %q names a class %.60q, which is empty, too long or there twice; train the model again", Attribute, name)
		}
	}
	return nil
}

// maxClassName bounds the name of a class in bytes.
const maxClassName = 1024

// Save writes a model as Keras HDF5, or, where path ends in .keras, in Keras 3's own format with the state of the
// optimizer, so that training can go on from it; see files.Write for what happens to an older file. An ensemble is one file
// too.
func Save(path string, m *Model) error {
	b, err := Encode(path, m)
	if err != nil {
		return fmt.Errorf("train: write %s: %w", path, err)
	}
	return files.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Encode returns the bytes of Save's file.
func Encode(path string, m *Model) ([]byte, error) {
	a, err := m.about()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	f := &keras.File{Spec: m.Spec, Params: m.State.Params, Loss: m.Loss, LearningRate: m.LearningRate, Rule: m.Optimizer,
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

// about returns what a file says of m. The error is about a threshold that decides nothing.
func (m *Model) about() (about, error) {
	a := about{Version: 1, Scaling: m.Scaling.ForPrediction(), Origin: unknown, Threshold: m.Decision()}
	a.Classes = data.OwnNames(m.Classes)
	if m.Origin != nil {
		a.Origin = *m.Origin
	}
	if !(a.Threshold > 0 && a.Threshold < 1) {
		return a, fmt.Errorf("threshold %v; it must be above 0 and below 1", a.Threshold)
	}
	return a, nil
}

// Check returns an error that wraps model.ErrShape when d's windows are not what m reads.
func (m *Model) Check(d *data.Dataset) error {
	if m.Spec.Timesteps != d.T || m.Spec.Features != d.F {
		return data.WrongShape(d.Path, d.T, d.F, m.Spec.Timesteps, m.Spec.Features)
	}
	c, err := m.Spec.Chain()
	if err != nil {
		return err
	}
	return d.CheckMasking(c.Masked)
}
