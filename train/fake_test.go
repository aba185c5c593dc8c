package train

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/device"
)

// script says what a fakeEngine brings, epoch by epoch.
type script struct {
	hits   []int                 // validation windows with y = 1 that are found, of 10; −1: probabilities are NaN
	loss   map[int]float64       // mean training loss of an epoch, where it is not 0.5
	params map[int]float32       // parameters after an epoch, where they are not the number of epochs trained
	before func(epoch int) error // called before an epoch; its error ends the epoch after one step
}

// fakeEngine is an engine that follows a script. Each of its parameters is the number of whole epochs trained, so a
// test sees which weights it holds.
type fakeEngine struct {
	script
	size    int
	state   *model.State
	y       []float32
	plans   []model.Plan
	closed  int
	options []model.Options
}

func (f *fakeEngine) factory(spec model.Spec, opts []model.Options) (model.Engine, error) {
	f.size, f.options = spec.Timesteps*spec.Features, opts
	f.state = model.NewState(spec.Layout().Size)
	return f, nil
}

func (f *fakeEngine) String() string { return "a device of paper (as the test asked)" }
func (f *fakeEngine) Models() int    { return 1 }
func (f *fakeEngine) Close() error   { f.closed++; return nil }

func (f *fakeEngine) Progress() (done, of int) { return f.state.Step, f.state.Step }

func (f *fakeEngine) Load(w model.Windows) error { f.y = w.Y; return nil }

func (f *fakeEngine) State(int) (*model.State, error) { return f.state.Clone(), nil }

func (f *fakeEngine) SetState(_ int, s *model.State) error { f.state = s.Clone(); return nil }

func (f *fakeEngine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	p := plans[0]
	p.Check(len(f.y))
	f.plans = append(f.plans, p)
	if f.before != nil {
		if err := f.before(p.Epoch); err != nil {
			f.state.Step++
			return []model.Outcome{{Steps: 1}}, err
		}
	}
	if err := ctx.Err(); err != nil {
		f.state.Step++
		return []model.Outcome{{Steps: 1}}, err
	}
	f.state.Step += p.Steps()
	fill := float32(p.Epoch + 1)
	if v, ok := f.params[p.Epoch]; ok {
		fill = v
	}
	for i := range f.state.Params {
		f.state.Params[i] = fill
	}
	o := model.Outcome{Steps: p.Steps()}
	loss, ok := f.loss[p.Epoch]
	if !ok {
		loss = 0.5
	}
	for _, w := range p.Train {
		o.Probability = append(o.Probability, f.y[w])
		o.Loss = append(o.Loss, float32(loss))
	}
	left := f.hits[p.Epoch%len(f.hits)]
	for _, w := range p.Eval {
		q := float32(0.1)
		switch {
		case left < 0:
			q = float32(math.NaN())
		case f.y[w] == 1 && left > 0:
			q = 0.9
			left--
		}
		o.EvalProbability = append(o.EvalProbability, q)
		o.EvalLoss = append(o.EvalLoss, 0.25)
	}
	return []model.Outcome{o}, nil
}

func (f *fakeEngine) Gradient(int, model.Plan) ([]float32, model.Outcome, error) {
	return nil, model.Outcome{}, fmt.Errorf("fake: no gradient")
}

// Predict tells the fifth of the windows with the lowest first value from the others, whatever was trained.
func (f *fakeEngine) Predict(_ context.Context, _ int, x []float32) ([]float32, error) {
	p := make([]float32, len(x)/f.size)
	for i := range p {
		p[i] = x[i*f.size]
	}
	return p, nil
}

// fakeData is 60 windows of 3 × 2, half of them positive, in parts of 20 with 10 positive ones each. The first
// value of a window is its probability under a fakeEngine.
func fakeData() (*data.Dataset, *data.Parts) {
	d := &data.Dataset{Path: "paper", N: 60, T: 3, F: 2, X: make([]float32, 60*6), Y: make([]float32, 60)}
	for i := range d.X {
		d.X[i] = float32(i%7+1) / 8
	}
	var p data.Parts
	for i := range 60 {
		d.Y[i] = float32(i % 2)
		d.X[i*6] = 0.3 + 0.4*d.Y[i] - 0.3*float32(i%3/2)
		switch i / 20 {
		case 0:
			p.Train = append(p.Train, int32(i))
		case 1:
			p.Val = append(p.Val, int32(i))
		default:
			p.Test = append(p.Test, int32(i))
		}
	}
	return d, &p
}

// quietConfig is a small run on fakeData that writes nothing.
func QuietConfig(factory device.Factory) Config {
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Parts = fakeData()
	cfg.Units, cfg.DenseUnits, cfg.Batch, cfg.Epochs = []int{2}, 2, 8, 8
	cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir = "", "", ""
	cfg.Log, cfg.Out, cfg.Engine = nil, nil, factory
	return cfg
}

// inFolder makes a run write all its files into a new folder.
func InFolder(t testing.TB, cfg Config) (Config, string) {
	dir := t.TempDir()
	cfg.SaveBest = true
	cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir = filepath.Join(dir, "c"), filepath.Join(dir, "h"), filepath.Join(dir, "p")
	return cfg, dir
}
