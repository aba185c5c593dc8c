package crossval

import (
	"context"
	"fmt"
	"io"
	"math"

	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/metrics"
	"vklstm/train/pool"
	"vklstm/train/progress"
)

var nan = math.NaN()

// CrossValidation is what to train and how to divide the data. Start from DefaultCrossValidation.
type CrossValidation struct {
	Config train.Config // of every model; its Split, Parts, files, Log and Out are not looked at
	K      int          // folds
	Rule   Rule         // how folds and validation parts are made
	Given  *Folds       // the folds, instead of K and Rule; validation parts are then made by Stratified
	// Shuffle draws the folds by Config.Seed, as scikit-learn's shuffle=True, random_state=seed does. Without it they
	// follow from the data alone.
	Shuffle bool
	// Repeats is how often all is done with other folds, at least 1. With more than one, repeat r has the folds that
	// Shuffle draws by Config.Seed + r.
	Repeats int
	// Seeds is how often each of them is done on the same folds with other initial weights, orders and dropout, at
	// least 1.
	Seeds int
	// Ensemble is how many members, which differ in their seeds, a fold's model has, at least 1: their probabilities are
	// averaged.
	Ensemble int
	// SideBySide is how many models train at once at most; 0: all, or as many as a GPU has memory for. Results do not
	// depend on it.
	SideBySide int

	Log       io.Writer // progress and notes; nil: none
	LogFormat string    // progress.Text or progress.JSON
	Quiet     bool      // of Log only warnings remain
}

// DefaultCrossValidation has five stratified folds of a configuration.
func DefaultCrossValidation(cfg train.Config) CrossValidation {
	return CrossValidation{Config: cfg, K: 5, Rule: Stratified, Repeats: 1, Seeds: 1, Ensemble: 1, LogFormat: progress.Text}
}

// Validate returns an error, one sentence, for the first number that makes no sense.
func (c CrossValidation) Validate() error {
	const most = 10_000
	for _, v := range []struct {
		what      string
		n, lo, hi int
	}{{"folds", c.K, 2, most}, {"repeats", c.Repeats, 1, most}, {"seeds", c.Seeds, 1, most}, {"ensemble", c.Ensemble, 1, most}, {"side-by-side", c.SideBySide, 0, most}} {
		if v.n < v.lo || v.n > v.hi {
			return fmt.Errorf("crossval: %s is %d; it must be at least %d and at most %d", v.what, v.n, v.lo, v.hi)
		}
	}
	switch {
	case c.Repeats > 1 && c.Given != nil:
		return fmt.Errorf("crossval: repeats need other folds each time, and the folds are given; vary the seeds instead")
	case c.Shuffle && c.Given != nil:
		return fmt.Errorf("crossval: the folds are given; there is nothing to shuffle")
	case c.Repeats > 1 && c.Rule == Rank:
		return fmt.Errorf("crossval: rule %s has one way to deal groups out, so it cannot be repeated; vary the seeds instead", Rank)
	case int64(c.Config.Seed)+int64(c.Repeats)*int64(c.Seeds)*int64(c.Ensemble)-1 > math.MaxUint32:
		return fmt.Errorf("crossval: from seed %d on, %d repeats × %d seeds × %d members need seeds beyond %d; begin lower", c.Config.Seed, c.Repeats, c.Seeds, c.Ensemble, uint32(math.MaxUint32))
	}
	return c.Config.Validate()
}

// Series is one prediction of every window by models that did not see it: one repeat and seed.
type Series struct {
	metrics.Predicted // out of fold; a window is positive when its probability is above its fold's threshold
	Repeat            int
	Seed              uint32  // of the first member of each fold's models; the next members have the next seeds
	Shuffle           *uint32 // what drew the folds; nil: they follow from the data
	Folds             Folds
	Thresholds        []float64 // of each fold, by Config.Threshold: of its model, or of its members' mean
	Models            []Model   // fold by fold, the members of each one after the other
}

// Model is how one model of a series was trained.
type Model struct {
	Fold      int
	Seed      uint32
	Parts     data.Parts
	Epochs    int        // trained
	Best      train.Best // the epoch whose weights predict, and its validation F1 (NaN without validation)
	Stopped   train.Stop
	Reason    string
	Threshold float64 // its own; that of its fold's members together may be another
}

// Outcome is a whole cross-validation.
type Outcome struct {
	CrossValidation
	Dataset *data.Dataset
	Device  string
	Series  []Series // repeat by repeat, seed by seed
}

// job is one model to train.
type job struct {
	series *Series
	model  *Model
	config train.Config
	test   []float32 // probabilities of Parts.Test
	val    []float32 // and of Parts.Val
}

// Run trains the models of all folds, repeats, seeds and members, as many side by side as there is room for, and predicts
// each window by the models that it took no part in training of. Model k is, bit for bit, what train.LSTM makes of the
// same configuration and parts.
//
// Run has no partial result: the end of ctx, or a model that did not become usable, is an error.
func (c CrossValidation) Run(ctx context.Context) (*Outcome, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d, err := c.Config.LoadData()
	if err != nil {
		return nil, err
	}
	o := &Outcome{CrossValidation: c, Dataset: d}
	log := &log{Log: progress.New(c.Log, c.LogFormat, c.Quiet), epochs: c.Config.Epochs}
	defer log.EndBar()
	jobs, err := o.jobs(log.Log)
	if err != nil {
		return nil, err
	}
	log.models = len(jobs)
	if _, err := pool.Each(jobs, c.SideBySide, log.Note, func(list []*job) error { return o.train(ctx, log, list) }); err != nil {
		return nil, err
	}
	o.assemble(jobs)
	return o, nil
}

// jobs lays out the models to train, and makes the series that they belong to.
func (o *Outcome) jobs(log io.Writer) ([]*job, error) {
	data := o.Dataset
	if o.cutsGroups() {
		// What there is to say about groups on both sides, the log says once, not each model.
		bare := *data
		bare.Group, bare.GroupKey = nil, ""
		data = &bare
	}
	o.Series = make([]Series, 0, o.Repeats*o.Seeds)
	var jobs []*job
	for repeat := range o.Repeats {
		var shuffle *uint32
		if o.Shuffle || o.Repeats > 1 {
			seed := o.Config.Seed + uint32(repeat)
			shuffle = &seed
		}
		folds, parts, err := o.divide(shuffle)
		if err != nil {
			return nil, err
		}
		for seed := range o.Seeds {
			first := o.Config.Seed + uint32((repeat*o.Seeds+seed)*o.Ensemble)
			o.Series = append(o.Series, Series{Repeat: repeat, Seed: first, Shuffle: shuffle, Folds: folds})
			s := &o.Series[len(o.Series)-1]
			s.Models = make([]Model, 0, folds.K*o.Ensemble)
			for fold := range folds.K {
				for member := range o.Ensemble {
					s.Models = append(s.Models, Model{Fold: fold, Seed: first + uint32(member), Parts: parts[fold]})
					m := &s.Models[len(s.Models)-1]
					cfg := o.Config
					cfg.Dataset, cfg.Data, cfg.Parts, cfg.Seed = data, "", &m.Parts, m.Seed
					cfg.SaveBest, cfg.HistoryDir, cfg.PlotDir, cfg.Out = false, "", "", nil
					cfg.Log, cfg.LogFormat, cfg.Quiet = log, o.LogFormat, true
					cfg.Name = o.name(repeat, m.Seed, fold)
					jobs = append(jobs, &job{series: s, model: m, config: cfg})
				}
			}
		}
	}
	return jobs, nil
}

// name tells a model from the others in the log.
func (o *Outcome) name(repeat int, seed uint32, fold int) string {
	name := fmt.Sprintf("fold %d", fold)
	if o.Seeds > 1 || o.Ensemble > 1 {
		name = fmt.Sprintf("seed %d, %s", seed, name)
	}
	if o.Repeats > 1 {
		name = fmt.Sprintf("repeat %d, %s", repeat, name)
	}
	return name
}

// divide returns the folds of a repeat and the parts of each.
func (o *Outcome) divide(shuffle *uint32) (Folds, []data.Parts, error) {
	rule, folds := o.Rule, Folds{}
	if o.Given != nil {
		rule, folds = Stratified, *o.Given
	} else {
		var err error
		if folds, err = rule.Make(o.Dataset, o.K, shuffle); err != nil {
			return folds, nil, err
		}
	}
	var list []data.Parts
	for fold := range folds.K {
		p, err := rule.Parts(o.Dataset, folds, fold, !o.Config.TrainOnVal, shuffle)
		if err != nil {
			return folds, nil, err
		}
		list = append(list, p)
	}
	return folds, list, nil
}

// cutsGroups reports whether windows of one group may lie in different parts.
func (o *Outcome) cutsGroups() bool {
	if o.Dataset.Group == nil {
		return false
	}
	if o.Given == nil {
		return o.Rule == Windows
	}
	in := map[string]int32{}
	for i, g := range o.Dataset.Group {
		if f, ok := in[g]; ok && f != o.Given.Of[i] {
			return true
		}
		in[g] = o.Given.Of[i]
	}
	return false
}

// train trains the models of some jobs side by side and predicts their test parts.
func (o *Outcome) train(ctx context.Context, log *log, jobs []*job) error {
	configs := make([]train.Config, len(jobs))
	for i, j := range jobs {
		configs[i] = j.config
	}
	p, err := train.NewPool(ctx, configs)
	if err != nil {
		return err
	}
	defer p.Close()
	o.Device = p.Device
	log.begin(o, p)
	p.OnEpoch, p.OnEnd = log.epoch, log.end
	if err := p.Train(ctx, o.Config.Epochs); err != nil {
		return err
	}
	for i, r := range p.Runs {
		switch {
		case r.Err() != nil:
			return fmt.Errorf("%s: %w", r.Config.Name, r.Err())
		case r.Stopped == train.StoppedInterrupted:
			return fmt.Errorf("crossval: %s, %s; there is no result without all models: %w", r.Config.Name, r.Reason, context.Cause(ctx))
		}
		m := jobs[i].model
		m.Epochs, m.Best, m.Stopped, m.Reason, m.Threshold = len(r.History), r.Best, r.Stopped, r.Reason, r.Decision().Threshold
		jobs[i].val = r.Validation()
		e, err := p.Evaluate(ctx, i, r.Parts.Test)
		if err != nil {
			return err
		}
		jobs[i].test = e.Probability
	}
	return nil
}

// assemble puts the probabilities of the test parts together, the mean over the members of each.
func (o *Outcome) assemble(jobs []*job) {
	for ; len(jobs) > 0; jobs = jobs[o.Ensemble:] {
		s, m := jobs[0].series, jobs[0].model
		outputs := len(jobs[0].test) / len(m.Parts.Test)
		if s.Probability == nil {
			s.Probability = make([]float32, o.Dataset.N*outputs)
			if outputs > 1 {
				s.Class = make([]int32, o.Dataset.N)
			} else {
				s.Positive = make([]bool, o.Dataset.N)
			}
		}
		var members, validations [][]float32
		for _, j := range jobs[:o.Ensemble] {
			members, validations = append(members, j.test), append(validations, j.val)
		}
		threshold := m.Threshold
		if o.Ensemble > 1 && outputs == 1 {
			threshold = o.Config.Threshold.ChooseMean(o.Dataset.Y, m.Parts.Val, validations).Threshold
		}
		s.Thresholds = append(s.Thresholds, threshold)
		mean := metrics.MeanProbability(members)
		for i, w := range m.Parts.Test {
			p := mean[i*outputs : (i+1)*outputs]
			copy(s.Probability[int(w)*outputs:], p)
			if outputs > 1 {
				s.Class[w] = int32(max(0, metrics.Largest(p)))
			} else {
				s.Positive[w] = float64(p[0]) > threshold
			}
		}
	}
}
