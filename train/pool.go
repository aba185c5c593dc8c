package train

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/metrics"
	"vklstm/train/progress"
	"vklstm/train/saved"
)

// Pool trains k ≥ 1 models of one Spec side by side on one engine: the folds of a cross-validation, the members of an
// ensemble, the settings of a search. Each Run has a Config of its own, with its parts, scaling, augmentation, seed,
// class weights, learning rate and patience, and its own order of windows, history, best weights and end. What it
// reaches is, bit for bit, what it reaches alone; LSTM is a pool of one.
//
//	p, err := train.NewPool(ctx, configs)
//	defer p.Close()
//	err = p.Train(ctx, 10)               // ten epochs, or fewer where a run ended before
//	for k, r := range p.Runs {           // r.Err, r.Stopped, r.History, r.Best
//		e, err := p.Evaluate(ctx, k, windows)
//	}
//	s, err := p.Runs[0].Snapshot()       // to go on later, in another pool: Config.From
//
// A Pool is used by one goroutine at a time.
type Pool struct {
	Runs   []*Run // in the order of the configurations
	Device string // which device trains, by which path, and why

	// OnEpoch hears of each epoch and of the runs that it trained, whose History it now ends; OnEnd hears of each run's end.
	// Train calls them where they are not nil. They may look at a Run, but OnEpoch may not ask for its State, because the
	// next epoch may be training already.
	OnEpoch func(trained []*Run)
	OnEnd   func(r *Run)

	engine model.Engine
	closed bool
}

// NewPool prepares a run for each configuration and makes the engine, by the first configuration's Engine. All must
// name the same data (one Dataset, or one file and keys) and lead to one Spec. The files that Config.SaveBest,
// HistoryDir and PlotDir name are LSTM's; a pool writes none. ctx ends the preparation.
func NewPool(ctx context.Context, configs []Config) (*Pool, error) {
	if len(configs) == 0 {
		return nil, fmt.Errorf("train: a pool of no configuration; at least one is needed")
	}
	first := configs[0]
	for k, c := range configs {
		if err := c.Validate(); err != nil {
			return nil, err
		}
		if k > 0 && (c.Dataset != first.Dataset || c.Data != first.Data || c.Keys != first.Keys || c.Data == "" && c.Dataset == nil) {
			return nil, fmt.Errorf("train: configuration %d of a pool has other data than the first; models side by side need one data set", k)
		}
	}
	d, err := first.LoadData()
	if err != nil {
		return nil, err
	}
	p, err := prepareAll(configs, d)
	if err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// prepareAll prepares a run for each of the valid configurations, of models that are all trained on d.
func prepareAll(configs []Config, d *data.Dataset) (*Pool, error) {
	p := &Pool{}
	for k, cfg := range configs {
		r, err := prepare(cfg, d)
		if err != nil && cfg.Name != "" {
			err = fmt.Errorf("%s: %w", cfg.Name, err)
		}
		if err != nil {
			return nil, err
		}
		if k > 0 && !slices.Equal(r.Spec.Layers, p.Runs[0].Spec.Layers) {
			return nil, fmt.Errorf("train: configuration %d of a pool has another network than the first; models side by side need one", k)
		}
		r.k = k
		p.Runs = append(p.Runs, r)
	}
	return p, nil
}

// LoadData returns the data set that the configuration names.
func (c Config) LoadData() (*data.Dataset, error) {
	switch {
	case c.Dataset != nil:
		return c.Dataset, nil
	case c.Data != "":
		d, err := data.LoadNPZ(c.Data, c.Keys)
		if err == nil && c.Init != nil {
			d.Extend(c.Init.Spec.Timesteps)
			if c.Keys.Positive == "" {
				d.Follow(c.Init.Classes)
			}
		}
		return d, err
	}
	return data.Sample(data.SampleWindows, uint64(c.Seed)), nil
}

// prepare divides the data and fits the scaling. The run's notes are warnings for the log, which begins with the
// device.
func prepare(cfg Config, d *data.Dataset) (*Run, error) {
	r := &Run{Config: cfg, Dataset: d, LearningRate: cfg.LearningRate, log: &logger{Log: progress.New(cfg.Log, cfg.LogFormat, cfg.Quiet)}}
	r.log.Name = cfg.Name
	r.Best.Lower = lowerIsBetter(cfg.Monitor)
	var err error
	if r.Parts, err = cfg.divide(d); err != nil {
		return nil, err
	}
	if cfg.TrainOnVal {
		r.Parts = r.Parts.WithoutValidation()
	}
	if r.notes, err = d.Check(r.Parts, data.Division{NoValidation: cfg.TrainOnVal, Given: cfg.Parts != nil && !cfg.partsOfSplit, Masking: cfg.Masking}); err != nil {
		return nil, err
	}
	var more []string
	if r.Scaling, more, err = data.FitScaling(cfg.Scale, d, r.Parts.Train, cfg.Masking); err != nil {
		return nil, err
	}
	r.notes = append(r.notes, more...)
	if cfg.ClassWeights {
		r.Weights = classWeights(d, r.Parts.Train)
	}
	if r.Spec, err = cfg.Network(d); err != nil {
		return nil, err
	}
	if err := r.setOutputs(); err != nil {
		return nil, err
	}
	if cfg.Init != nil {
		notes, err := r.useInit()
		if err != nil {
			return nil, err
		}
		r.notes = append(r.notes, notes...)
	}
	r.order = func(epoch int) []int32 {
		order := Permutation(len(r.Parts.Train), uint64(cfg.Seed), epoch)
		for i, j := range order {
			order[i] = r.Parts.Train[j]
		}
		return order
	}
	r.callbacks = slices.Concat([]Callback{r.log, &warnings{list: r.notes}}, cfg.builtIn(), cfg.Callbacks)
	if cfg.From != nil {
		r.resume(cfg.From)
	}
	return r, nil
}

// setOutputs notes how many outputs the network has, and checks the settings that depend on it.
func (r *Run) setOutputs() error {
	c, err := r.Spec.Chain()
	if err != nil {
		return err
	}
	cfg, classes := r.Config, len(r.Dataset.Names())
	r.outputs = c.Classes
	fixed := metrics.ThresholdRule{Kind: metrics.ThresholdFixed, Value: metrics.DefaultThreshold}
	switch {
	case c.Classes > 1 && cfg.Threshold != fixed:
		return fmt.Errorf("train: threshold %v says from when on one of two classes counts; of %d outputs the largest counts, so leave it out", cfg.Threshold, c.Classes)
	case len(cfg.ClassAlpha) > 0 && cfg.Focal && len(cfg.ClassAlpha) != max(classes, c.Classes) || len(cfg.ClassAlpha) > 0 && c.Classes == 1:
		return fmt.Errorf("train: focal-alpha lists %d weights for %d classes (%s); give one for all or, of more than two classes, one for each", len(cfg.ClassAlpha), classes, strings.Join(r.Dataset.Names(), ", "))
	case cfg.LabelSmoothing > 0 && cfg.Focal && c.Classes == 1:
		return fmt.Errorf("train: label-smoothing is of crossentropy, or of more than two classes; add no-focal-loss")
	}
	return nil
}

// open makes the engine, loads the windows and sets the initial weights.
func (p *Pool) open(ctx context.Context) error {
	var options []model.Options
	var starts []*model.State
	for _, r := range p.Runs {
		o, err := r.Config.options(r.Scaling, r.outputs)
		if err != nil {
			return err
		}
		start, err := r.start(ctx)
		if err != nil {
			return err
		}
		options, starts = append(options, o), append(starts, start)
	}
	factory := p.Runs[0].Config.Engine
	if factory == nil {
		device, err := device.Open("auto")
		if err != nil {
			return err
		}
		factory = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
			e, err := device.NewEngine(spec, opts)
			if err != nil {
				device.Close()
				return nil, err
			}
			return ownedEngine{e, device}, nil
		}
	}
	e, err := factory(p.Runs[0].Spec, options)
	if err != nil {
		return err
	}
	p.engine, p.Device = e, e.String()
	err = e.Load(p.Runs[0].Dataset.Windows())
	for k, r := range p.Runs {
		r.engine, r.Device = e, p.Device
		if err == nil {
			err = e.SetState(k, starts[k])
		}
	}
	if err != nil {
		p.Close()
	}
	return err
}

// start returns the state that the run begins with: initial weights, which take minutes for thousands of units, unless
// ctx ends before.
func (r *Run) start(ctx context.Context) (*model.State, error) {
	if from := r.Config.From; from != nil {
		return from.State, nil
	}
	if r.Config.Init != nil {
		return r.Config.initial(), nil
	}
	done := make(chan *model.State, 1)
	go func() { done <- r.Spec.Init(uint64(r.Config.Seed)) }()
	select {
	case s := <-done:
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("train: interrupted before the first step: %w", ctx.Err())
	}
}

// Evaluate predicts the listed windows (nil: all) with the weights that model k now has, its best ones when it has
// ended, and scores them at its threshold.
func (p *Pool) Evaluate(ctx context.Context, k int, windows []int32) (*metrics.Evaluation, error) {
	predict := func(ctx context.Context, x []float32) ([]float32, error) { return p.engine.Predict(ctx, k, x) }
	return saved.Score(ctx, predict, p.Runs[k].Dataset, p.Runs[k].Dataset.Y, windows, p.Runs[k].judge())
}

// Progress returns how many steps of the current epoch are done, and of how many, the longest of all models'. Any goroutine
// may call it while Train runs.
func (p *Pool) Progress() (done, of int) { return p.engine.Progress() }

// Close closes the engine; a second call does nothing.
func (p *Pool) Close() error {
	if p.closed || p.engine == nil {
		return nil
	}
	p.closed = true
	return p.engine.Close()
}

// ownedEngine closes its device with itself.
type ownedEngine struct {
	model.Engine
	device *device.Device
}

// Close closes the engine, then its device.
func (e ownedEngine) Close() error {
	err := e.Engine.Close()
	if e := e.device.Close(); err == nil {
		err = e
	}
	return err
}

// Unwrap returns the engine itself.
func (e ownedEngine) Unwrap() model.Engine { return e.Engine }

// warnings is a callback that logs what was found out before the log began.
type warnings struct {
	NoCallback
	list []string
}

// OnTrainBegin implements Callback.
func (w *warnings) OnTrainBegin(r *Run) error {
	for _, text := range w.list {
		r.Warn("%s", text)
	}
	return nil
}
