package crossval

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/metrics"
	"vklstm/train/report"
)

// Base is an earlier cross-validation of the same data, from its probabilities out of fold.
type Base struct {
	Path   string
	Series []metrics.Predicted // repeat by repeat, seed by seed
}

// Difference says how much better a cross-validation is than another one of the same data.
type Difference struct {
	Path     string           `json:"file"`       // of the other
	Base     metrics.Scores   `json:"mean"`       // the other's mean over its series
	Mean     metrics.Scores   `json:"difference"` // ours minus the other's
	Interval metrics.Interval `json:"interval"`   // of the difference, both scored on the same resamples
}

// LoadBase reads the arrays probability and, where it is there, predicted, of shape (N,) or (series, N), from an .npz file
// that a cross-validation wrote; without predicted, 0.5 is the threshold. The labels y, and the groups where both have
// them, must be those of d. The error is a sentence that begins with the path.
func LoadBase(path string, d *data.Dataset) (*Base, error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, key := range []string{"probability", "y"} {
		if !f.Has(key) {
			return nil, fmt.Errorf("%s: no array %q; the file holds %s; compare with a file that crossval --out wrote", path, key, f.Contents())
		}
	}
	other := fmt.Errorf("%s: its windows are not those of %s; compare settings on the same data", path, d.Path)
	y, _, err := f.Float32("y")
	if err != nil {
		return nil, err
	}
	p, shape, err := f.Float32("probability")
	if err != nil {
		return nil, err
	}
	outputs := 1
	if n := len(d.Names()); n > 2 && len(shape) > 1 && shape[len(shape)-1] == n { // one probability of each class
		outputs, shape = n, shape[:len(shape)-1]
	}
	if !slices.Equal(y, d.Y) || len(shape) < 1 || len(shape) > 2 || shape[len(shape)-1] != d.N || len(p) == 0 || outputs == 1 && len(d.Names()) > 2 {
		return nil, other
	}
	if f.Has("group") && d.Group != nil {
		group, _, err := f.Labels("group", d.N)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(group, d.Group) {
			return nil, other
		}
	}
	predicted := make([]float32, len(p)/outputs)
	for i := range predicted {
		if q := p[i*outputs : (i+1)*outputs]; outputs > 1 {
			predicted[i] = float32(max(0, metrics.Largest(q)))
		} else if q[0] > metrics.DefaultThreshold {
			predicted[i] = 1
		}
	}
	if f.Has("predicted") {
		var own []int
		if predicted, own, err = f.Float32("predicted"); err != nil {
			return nil, err
		}
		if !slices.Equal(own, shape) {
			return nil, fmt.Errorf("%s: predicted has another shape than probability; write the file again", path)
		}
	}
	b := &Base{Path: path}
	for at := 0; at < len(predicted); at += d.N {
		s := metrics.Predicted{Probability: p[at*outputs : (at+d.N)*outputs]}
		for _, v := range predicted[at : at+d.N] {
			switch {
			case outputs == 1:
				s.Positive = append(s.Positive, v != 0)
			case !(v >= 0 && int(v) < outputs):
				return nil, fmt.Errorf("%s: predicted holds %v, which is no class of %d; write the file again", path, v, outputs)
			default:
				s.Class = append(s.Class, int32(v))
			}
		}
		b.Series = append(b.Series, s)
	}
	return b, nil
}

// Compare scores both on the same Resamples resamples of groups: what an interval without 0 shows is no chance of the
// groups that happen to be there. How much the seeds matter, only several series on each side tell.
func (o *Outcome) Compare(b *Base) *Difference {
	_, group := o.Dataset.Groups()
	mean := func(series []metrics.Predicted) metrics.Scores {
		var list []metrics.Scores
		for _, s := range series {
			v, _ := metrics.Score(o.Dataset.Y, s, nil)
			list = append(list, v)
		}
		m, _ := metrics.MeanAndSD(list)
		return m
	}
	d := &Difference{Path: b.Path, Base: mean(b.Series), Interval: metrics.Bootstrap(o.Dataset.Y, group, o.predicted(), b.Series, metrics.Resamples)}
	var difference [5]float64
	for i, v := range mean(o.predicted()).Values() {
		difference[i] = float64(v - d.Base.Values()[i])
	}
	d.Mean = metrics.ScoresOf(difference)
	return d
}

// predicted are the predictions of all series.
func (o *Outcome) predicted() []metrics.Predicted {
	list := make([]metrics.Predicted, len(o.Series))
	for i, s := range o.Series {
		list[i] = s.Predicted
	}
	return list
}

// table compares with ours.
func (d *Difference) table(ours metrics.Scores) string {
	t := report.NewTable()
	t.SetTitle("Against " + filepath.Base(d.Path))
	t.AppendHeader(table.Row{"Score", "Here", "There", "Difference", fmt.Sprintf("%.0f %% over %s", 100*d.Interval.Level, d.Interval.Units)})
	right(t, 2, 5)
	here, there, mean, low, high := ours.Values(), d.Base.Values(), d.Mean.Values(), d.Interval.Low.Values(), d.Interval.High.Values()
	for i, name := range report.ScoreNames {
		t.AppendRow(table.Row{name, here[i].Text(4), there[i].Text(4), signed(mean[i]), signed(low[i]) + " to " + signed(high[i])})
	}
	return t.Render()
}

func signed(x metrics.Number) string {
	if x != x {
		return "undefined"
	}
	return fmt.Sprintf("%+.4f", float64(x))
}
