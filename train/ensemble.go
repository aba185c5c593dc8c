package train

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"vklstm/train/data"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// members returns the configurations of a run's models: one, or those of an ensemble, which differ in their seeds and are
// trained on the same parts of d.
func (c Config) members(d *data.Dataset) ([]Config, error) {
	if c.Ensemble == 1 {
		return []Config{c}, nil
	}
	parts, err := c.divide(d)
	if err != nil {
		return nil, err
	}
	list := make([]Config, c.Ensemble)
	for k := range list {
		m := c
		m.Dataset, m.Data, m.Parts, m.partsOfSplit = d, "", &parts, c.Parts == nil
		m.Seed += uint32(k)
		m.Name = fmt.Sprintf("seed %d", m.Seed)
		// The members' mean has a threshold, and they have none of their own.
		m.Threshold = metrics.ThresholdRule{Kind: metrics.ThresholdFixed, Value: metrics.DefaultThreshold}
		list[k] = m
	}
	return list, nil
}

// divide returns the parts of the data that the configuration names.
func (c Config) divide(d *data.Dataset) (data.Parts, error) {
	switch {
	case c.Parts != nil:
		return *c.Parts, nil
	case c.Split == SplitByGroup:
		return data.SplitGroup(d, c.Seed)
	}
	return data.SplitRandom(d.N, c.Seed), nil
}

// follow has the runs after the first leave out of the log what they share with it.
func (p *Pool) follow() {
	for k, r := range p.Runs {
		r.log.follows = k > 0
		r.log.SetBars(false) // as many bars as members would write over each other
		for _, c := range r.callbacks {
			if w, ok := c.(*warnings); ok && k > 0 {
				w.list = nil
			}
		}
	}
}

// kept are the runs that have weights.
func (p *Pool) kept() []*Run {
	return slices.DeleteFunc(slices.Clone(p.Runs), func(r *Run) bool { return r.best == nil })
}

// outcome returns the model of a single run or, of an ensemble, that of all members, with the threshold that rule finds by
// their mean on the validation part, and what is to be said of it. Its State is nil when nothing was trained.
func (p *Pool) outcome(rule metrics.ThresholdRule) (saved.Model, metrics.Decision, error) {
	if len(p.Runs) == 1 {
		return p.Runs[0].Model(), p.Runs[0].Decision(), nil
	}
	m := p.Runs[0].Model()
	var members [][]float32
	for i, r := range p.kept() {
		if i == 0 {
			m.State = r.best
		} else {
			m.Others = append(m.Others, r.best)
		}
		if rule.Kind != metrics.ThresholdFixed {
			if err := r.predictValidation(); err != nil {
				return m, metrics.Decision{}, err
			}
		}
		members = append(members, r.val)
	}
	d := metrics.Decision{Threshold: metrics.DefaultThreshold}
	if m.State != nil && p.Runs[0].outputs == 1 {
		d = rule.ChooseMean(p.Runs[0].Dataset.Y, p.Runs[0].Parts.Val, members)
	}
	m.Threshold = d.Threshold
	return m, d, nil
}

// test scores the test part by the mean of the runs that have weights.
func (p *Pool) test(ctx context.Context, threshold float64) (*metrics.Evaluation, error) {
	var members [][]float32
	var one *metrics.Evaluation
	for _, r := range p.kept() {
		var err error
		if one, err = p.Evaluate(ctx, r.k, r.Parts.Test); err != nil {
			return nil, err
		}
		members = append(members, one.Probability)
	}
	judge := p.Runs[0].judge()
	judge.Threshold = threshold
	return judge.Score(one.Y, metrics.MeanProbability(members)), nil
}

// save writes an ensemble as one file. Its Origin tells of the first member, but for the validation F1, which is that of the
// mean.
func (p *Pool) save(path string, m saved.Model) error {
	r := p.Runs[0]
	m.Origin.ValF1 = metrics.Number(metrics.NaN)
	var members [][]float32
	for _, run := range p.kept() {
		if len(run.val) == len(r.Parts.Val)*r.outputs && len(run.val) > 0 {
			members = append(members, run.val)
		}
	}
	if len(members) == len(m.Members()) {
		m.Origin.ValF1 = metrics.Number(r.f1OfValidation(metrics.MeanProbability(members)))
	}
	if err := saved.Save(path, &m); err != nil {
		return err
	}
	r.Wrote(path)
	return nil
}

// f1OfValidation is the F1, or of more than two classes the macro F1, of probabilities of the validation part.
func (r *Run) f1OfValidation(p []float32) float64 {
	y := metrics.Labels(r.Dataset.Y, r.Parts.Val)
	if r.outputs > 1 {
		return float64(metrics.Classify(y, p, r.Dataset.Names()).Macro.F1)
	}
	return validationF1(y, p)
}

// canSave returns an error, before hours of training, when the members are too many for a file.
func (p *Pool) canSave(path string) error {
	m := p.Runs[0].Model()
	for i, r := range p.Runs {
		s, err := r.State()
		if err != nil {
			return err
		}
		if i == 0 {
			m.State = s
		} else {
			m.Others = append(m.Others, s)
		}
	}
	if _, err := saved.Encode(path, &m); err != nil {
		return fmt.Errorf("train: this ensemble cannot be saved as %s: %w; use fewer members, or train without saving", path, err)
	}
	return nil
}

// ofMember is the path of a file that each member of an ensemble has: the first has that of a single model.
func ofMember(path string, k int, seed uint32) string {
	if path == "" || k == 0 {
		return path
	}
	ending := filepath.Ext(path)
	return fmt.Sprintf("%s_seed%d%s", strings.TrimSuffix(path, ending), seed, ending)
}

// histories are those of all runs.
func (p *Pool) histories() []History {
	var list []History
	for _, r := range p.Runs {
		list = append(list, r.History)
	}
	return list
}
