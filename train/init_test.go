package train

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/saved"
)

// atBegin keeps the state that training begins with.
type atBegin struct {
	NoCallback
	state   *model.State
	scaling data.Scaling
}

func (a *atBegin) OnTrainBegin(r *Run) (err error) {
	a.scaling = r.Scaling
	a.state, err = r.State()
	return err
}

// small returns a quick run that keeps its last weights in dir.
func quick(dir string) Config {
	c := DefaultConfig()
	c.Dataset, c.Engine, c.Log, c.Out = data.Sample(60, 3), traintest.Float64Engine, nil, nil
	c.Epochs, c.Units, c.DenseUnits, c.EarlyStopping, c.Scale = 1, []int{3}, 2, false, data.ScaleStandard
	c.WeightDecay, c.GlobalClipNorm, c.LearningRate = 0.01, 1, 2e-3
	c.SaveBest, c.SaveKeras, c.CheckpointDir, c.HistoryDir, c.PlotDir = true, true, dir, "", ""
	return c
}

// A training that starts from a file begins with its weights, moments, step and scaling.
func TestInit(t *testing.T) {
	dir := t.TempDir()
	res, err := LSTM(t.Context(), quick(dir))
	if err != nil {
		t.Fatal(err)
	}
	m, err := saved.Load(filepath.Join(dir, KerasFile))
	if err != nil {
		t.Fatal(err)
	}
	if m.State.Step == 0 || !reflect.DeepEqual(m.State, res.State) || m.Optimizer.WeightDecay != 0.01 || m.Optimizer.GlobalClipNorm != 1 || float32(m.LearningRate) != 2e-3 {
		t.Errorf("the file has step %d, optimizer %+v, learning rate %v", m.State.Step, m.Optimizer, m.LearningRate)
	}
	var seen atBegin
	c := quick(dir)
	m.Optimizer.Beta2, m.Optimizer.Epsilon, m.Lost = 0.99, 1e-8, []string{"the loss was another"} // as a file of Keras may have it
	var log strings.Builder
	c.Log = &log
	c.Init, c.SaveBest, c.Seed, c.Callbacks = m, false, 7, []Callback{&seen}
	after, err := LSTM(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(seen.state, m.State) || !reflect.DeepEqual(seen.scaling.Scaling, m.Scaling.Scaling) {
		t.Error("training began with another state or scaling than the file's")
	}
	if !reflect.DeepEqual(after.Optimizer, m.Optimizer) {
		t.Errorf("trained with %+v, not the file's %+v", after.Optimizer, m.Optimizer)
	}
	if !strings.Contains(log.String(), "the model to start from: the loss was another") {
		t.Errorf("the log says nothing of what was lost:\n%s", log.String())
	}
	if after.State.Step != m.State.Step+(len(after.Parts.Train)+31)/32 {
		t.Errorf("step %d after %d", after.State.Step, m.State.Step)
	}
	if reflect.DeepEqual(after.State.Params, m.State.Params) {
		t.Error("nothing was trained")
	}

	for want, change := range map[string]func(*Config, *saved.Model){
		"LSTM layers of 3":    func(c *Config, _ *saved.Model) { c.Units = []int{4} },
		"in both directions":  func(c *Config, _ *saved.Model) { c.Bidirectional = true },
		"Dense of 2":          func(c *Config, _ *saved.Model) { c.DenseUnits = 3 },
		"the model reads 60":  func(c *Config, _ *saved.Model) { c.Dataset = data.Sample(60, 3); c.Dataset.T, c.Dataset.F = 30, 12 },
		"ensemble of 2":       func(_ *Config, m *saved.Model) { m.Others = []*model.State{m.State} },
		"a run to go on with": func(c *Config, _ *saved.Model) { c.From = &Snapshot{} },
	} {
		c, other := c, *m
		change(&c, &other)
		c.Init = &other
		if _, err := LSTM(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
