package crossval

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/metrics"
	"vklstm/train/report"
)

// Report is a cross-validation in numbers: what `vklstm crossval --json` writes. An undefined number is null.
type Report struct {
	Data     string   `json:"data"`
	Windows  int      `json:"windows"`
	Positive int      `json:"positive"`          // of two classes
	Classes  []string `json:"classes,omitempty"` // names, where they have some, or are more than two
	Groups   int      `json:"groups"`            // 0: the data has none
	GroupKey string   `json:"group_key"`         // array of the groups
	Device   string   `json:"device"`
	Folds    int      `json:"folds"`
	Rule     Rule     `json:"rule"` // "given" where the folds are the file's
	Shuffled bool     `json:"shuffled"`
	Repeats  int      `json:"repeats"`
	Seeds    int      `json:"seeds"`
	// Threshold is the rule by which the threshold of each fold is found: a number, or as the flag has it.
	Threshold string `json:"threshold"`
	Ensemble  int    `json:"ensemble"`
	// Settings say how the models are trained, as the log does.
	Settings []string `json:"settings"`
	Series   []Whole  `json:"series"` // repeat by repeat, seed by seed

	// Mean, over the series, of the scores of all windows out of fold; SeriesSD their deviation, null for one series.
	Mean     metrics.Scores `json:"mean"`
	SeriesSD metrics.Scores `json:"series_sd"`
	// Mean and deviation of the scores of the folds of all series. A score that is undefined in a fold is undefined here.
	FoldMean  metrics.Scores    `json:"fold_mean"`
	FoldSD    metrics.Scores    `json:"fold_sd"`
	Interval  metrics.Interval  `json:"interval"`         // of Mean
	Confusion metrics.Confusion `json:"confusion_matrix"` // of all series together: each window counts once in each
	Matrix    [][]int           `json:"matrix,omitempty"` // the same of more than two classes, by class and prediction

	Against *Difference `json:"against,omitempty"` // another setting on the same data; nil: none
}

// Whole are the scores of one series.
type Whole struct {
	Repeat    int               `json:"repeat"`
	Seed      uint32            `json:"seed"`
	Shuffle   *uint32           `json:"shuffle_seed"` // null: the folds follow from the data
	Scores    metrics.Scores    `json:"scores"`       // of all windows out of fold
	Confusion metrics.Confusion `json:"confusion_matrix"`
	Folds     []Fold            `json:"folds"`
	FoldMean  metrics.Scores    `json:"fold_mean"`
	FoldSD    metrics.Scores    `json:"fold_sd"`
}

// Fold are the scores of one fold.
type Fold struct {
	Fold       int               `json:"fold"`
	Windows    int               `json:"windows"`
	Positive   int               `json:"positive"`
	Groups     int               `json:"groups"`     // in the fold
	Train      int               `json:"train"`      // windows trained on
	Validation int               `json:"validation"` // windows of the validation part
	Threshold  float64           `json:"threshold"`  // above which a window counts as positive
	Scores     metrics.Scores    `json:"scores"`
	Confusion  metrics.Confusion `json:"confusion_matrix"`
	Members    []Member          `json:"members"`

	missing []string // classes without a window in it
}

// Member is one model of a fold.
type Member struct {
	Seed      uint32         `json:"seed"`
	Epochs    int            `json:"epochs"`
	BestEpoch int            `json:"best_epoch"` // whose weights predict, counted from 0; −1: of no whole epoch
	ValF1     metrics.Number `json:"val_f1"`     // of that epoch
	Threshold float64        `json:"threshold"`  // its own; the fold's is that of all members together
	Stopped   train.Stop     `json:"stopped"`
}

// Report computes the scores, and the interval by Resamples resamples.
func (o *Outcome) Report() *Report {
	d := o.Dataset
	names, group := d.Groups()
	r := &Report{Data: d.Path, Windows: d.N, Groups: len(names), GroupKey: d.GroupKey, Device: o.Device, Folds: o.folds(), Rule: o.Rule,
		Shuffled: o.Series[0].Shuffle != nil, Repeats: o.Repeats, Seeds: o.Seeds, Ensemble: o.Ensemble, Threshold: o.Config.Threshold.String(), Settings: o.Config.Settings(o.outputs())}
	if o.Given != nil {
		r.Rule = "given"
	}
	r.Classes = data.OwnNames(d.Names())
	if o.several() {
		r.Classes = d.Names()
	} else {
		r.Positive = d.Positives(metrics.All(d.N))
	}
	var series, folds []metrics.Scores
	for _, s := range o.Series {
		w := Whole{Repeat: s.Repeat, Seed: s.Seed, Shuffle: s.Shuffle}
		w.Scores, w.Confusion = metrics.Score(d.Y, s.Predicted, nil)
		var own []metrics.Scores
		for f := range s.Folds.K {
			fold := o.fold(s, f, group)
			w.Folds, own = append(w.Folds, fold), append(own, fold.Scores)
		}
		w.FoldMean, w.FoldSD = metrics.MeanAndSD(own)
		r.Series, series, folds = append(r.Series, w), append(series, w.Scores), append(folds, own...)
		r.Confusion.TN += w.Confusion.TN
		r.Confusion.FP += w.Confusion.FP
		r.Confusion.FN += w.Confusion.FN
		r.Confusion.TP += w.Confusion.TP
		if o.several() {
			m := s.Matrix(d.Y, nil)
			if r.Matrix == nil {
				r.Matrix = m
				continue
			}
			for c := range m {
				for j, n := range m[c] {
					r.Matrix[c][j] += n
				}
			}
		}
	}
	r.Mean, r.SeriesSD = metrics.MeanAndSD(series)
	r.FoldMean, r.FoldSD = metrics.MeanAndSD(folds)
	r.Interval = metrics.Bootstrap(d.Y, group, o.predicted(), nil, metrics.Resamples)
	return r
}

// several reports whether there is a probability for each class.
func (o *Outcome) several() bool { return o.Series[0].Classes() > 0 }

// outputs returns how many outputs the networks have.
func (o *Outcome) outputs() int {
	if classes := len(o.Dataset.Names()); classes > 2 {
		return classes
	}
	return 1
}

// fold returns the scores of one fold of a series.
func (o *Outcome) fold(s Series, fold int, group []int32) Fold {
	test := s.Folds.Test(fold)
	f := Fold{Fold: fold, Windows: len(test), Threshold: s.Thresholds[fold]}
	counts := o.Dataset.Counts(test)
	if !o.several() {
		f.Positive = counts[1]
	}
	for c, n := range counts {
		if n == 0 {
			f.missing = append(f.missing, o.Dataset.Names()[c])
		}
	}
	f.Scores, f.Confusion = metrics.Score(o.Dataset.Y, s.Predicted, test)
	_, f.Groups = densely(group, test)
	for _, m := range s.Models {
		if m.Fold != fold {
			continue
		}
		f.Train, f.Validation = len(m.Parts.Train), len(m.Parts.Val)
		member := Member{Seed: m.Seed, Epochs: m.Epochs, BestEpoch: -1, ValF1: metrics.Number(nan), Threshold: m.Threshold, Stopped: m.Stopped}
		if m.Best.Any {
			member.BestEpoch, member.ValF1 = m.Best.Epoch, metrics.Number(m.Best.Value)
		}
		f.Members = append(f.Members, member)
	}
	return f
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("crossval: encode the report: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Write writes the report as tables of at most 80 columns: the folds of a single series, or the series; the scores of
// all windows with their interval; the confusion matrix.
func (r *Report) Write(w io.Writer) error {
	parts := []string{r.foldTable()}
	if len(r.Series) > 1 {
		parts[0] = r.seriesTable()
	}
	parts = append(parts, r.summary())
	if r.Against != nil {
		parts = append(parts, r.Against.table(r.Mean))
	}
	if r.Matrix != nil {
		parts = append(parts, report.ConfusionOfClasses(r.Classes, r.Matrix))
	} else {
		parts = append(parts, report.ConfusionTable(r.Confusion, r.Classes))
	}
	if n := r.Interval.NoAUC; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of the %d resamples lack a class; AUC's interval is without them.", n, r.Interval.Resamples))
	}
	for _, s := range r.Series {
		for _, f := range s.Folds {
			if len(f.missing) > 0 {
				parts = append(parts, fmt.Sprintf("Fold %d holds no window with y = %s: AUC is undefined there and over folds.", f.Fold, strings.Join(f.missing, ", ")))
			}
		}
		if r.Repeats == 1 {
			break // the other series have the same folds
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(parts, "\n"))
	return err
}

// right aligns columns first … last of a table to the right.
func right(t table.Writer, first, last int) {
	var columns []table.ColumnConfig
	for i := first; i <= last; i++ {
		columns = append(columns, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
}

// foldTable has a line for each fold of the only series.
func (r *Report) foldTable() string {
	t := report.NewTable()
	t.SetTitle(r.title())
	second := "y = 1"
	if r.Matrix != nil {
		second = "Acc."
	}
	t.AppendHeader(table.Row{"Fold", "Windows", second, r.groupsHead(), "Prec.", "Recall", "F1", "ROC-AUC", "Epochs"})
	right(t, 1, 9)
	for _, f := range r.Series[0].Folds {
		epochs := 0.0
		for _, m := range f.Members {
			epochs += float64(m.Epochs) / float64(len(f.Members))
		}
		s := f.Scores
		groups := any("")
		if r.Groups > 0 {
			groups = f.Groups
		}
		of := humanize.Comma(int64(f.Positive))
		if r.Matrix != nil {
			of = s.Accuracy.Text(3)
		}
		t.AppendRow(table.Row{f.Fold, humanize.Comma(int64(f.Windows)), of, groups,
			s.Precision.Text(3), s.Recall.Text(3), s.F1.Text(3), short(s.AUC), fmt.Sprintf("%.0f", epochs)})
	}
	return t.Render()
}

// short writes an AUC, which may be undefined, into a narrow column.
func short(x metrics.Number) string {
	if s := x.Text(3); s != "undefined" {
		return s
	}
	return "undef."
}

func (r *Report) groupsHead() string {
	if r.Groups == 0 {
		return ""
	}
	return "Groups"
}

// seriesTable has a line for each series.
func (r *Report) seriesTable() string {
	t := report.NewTable()
	t.SetTitle(r.title())
	t.AppendHeader(table.Row{"Repeat", "Seed", "Precision", "Recall", "F1", "ROC-AUC", "F1 of folds"})
	right(t, 1, 7)
	for _, s := range r.Series {
		v := s.Scores
		t.AppendRow(table.Row{s.Repeat, s.Seed, v.Precision.Text(3), v.Recall.Text(3), v.F1.Text(3), short(v.AUC),
			plusMinus(s.FoldMean.F1, s.FoldSD.F1)})
	}
	return t.Render()
}

// summary has a line for each score.
func (r *Report) summary() string {
	t := report.NewTable()
	title := fmt.Sprintf("All %s windows out of fold, threshold %s", humanize.Comma(int64(r.Windows)), r.Threshold)
	if r.Matrix != nil {
		title = fmt.Sprintf("All %s windows out of fold, means over classes", humanize.Comma(int64(r.Windows)))
	}
	t.SetTitle("%s", title)
	interval := fmt.Sprintf("%.0f %% over %s", 100*r.Interval.Level, r.Interval.Units)
	head := table.Row{"Score", "Pooled", interval, "Folds, mean ± sd"}
	if len(r.Series) > 1 {
		head = append(head, "Series, sd")
	}
	t.AppendHeader(head)
	right(t, 2, 5)
	mean, low, high := r.Mean.Values(), r.Interval.Low.Values(), r.Interval.High.Values()
	foldMean, foldSD, seriesSD := r.FoldMean.Values(), r.FoldSD.Values(), r.SeriesSD.Values()
	for i, name := range report.ScoreNames {
		row := table.Row{name, mean[i].Text(4), low[i].Text(4) + " to " + high[i].Text(4), plusMinus(foldMean[i], foldSD[i])}
		if len(r.Series) > 1 {
			row = append(row, seriesSD[i].Text(4))
		}
		t.AppendRow(row)
	}
	return t.Render()
}

func plusMinus(mean, sd metrics.Number) string {
	if mean != mean {
		return "undefined"
	}
	return mean.Text(3) + " ± " + sd.Text(3)
}

// title says what was cross-validated, and how often.
func (r *Report) title() string {
	name := filepath.Base(r.Data)
	if r.Data == "" {
		name = "data in memory"
	}
	text := fmt.Sprintf("%s: %s", name, english.Plural(r.Folds, "fold", ""))
	if r.Repeats > 1 {
		text += " × " + english.Plural(r.Repeats, "repeat", "")
	}
	if r.Seeds > 1 {
		text += " × " + english.Plural(r.Seeds, "seed", "")
	}
	if r.Ensemble > 1 {
		text += fmt.Sprintf(", ensembles of %d", r.Ensemble)
	}
	return text
}

// folds returns the number of folds.
func (o *Outcome) folds() int {
	if o.Given != nil {
		return o.Given.K
	}
	return o.K
}

// unit is the name of a group.
func (o *Outcome) unit() string {
	if o.Dataset.GroupKey == "" {
		return "group"
	}
	return o.Dataset.GroupKey
}

// about says what the data is.
func (o *Outcome) about() string {
	d := o.Dataset
	name := d.Path
	if name == "" {
		name = "data in memory"
	}
	text := fmt.Sprintf("%s: %s windows of %d steps × %d features, %s", name, humanize.Comma(int64(d.N)), d.T, d.F, train.ClassShares(d))
	if names, _ := d.Groups(); names != nil {
		text += ", " + english.Plural(len(names), "group", "")
		if d.GroupKey != "" {
			text += " (" + d.GroupKey + ")"
		}
	}
	return text
}

// division says how the folds are made.
func (o *Outcome) division() string {
	text := english.Plural(o.folds(), "fold", "")
	whole := o.Dataset.Group != nil && !o.cutsGroups()
	switch {
	case o.Given != nil:
		text += " as given"
	case o.Rule == Rank:
		text += " of groups dealt out in turn"
	case whole:
		text += " as scikit-learn's StratifiedGroupKFold makes them"
	default:
		text += " as scikit-learn's StratifiedKFold makes them"
	}
	if s := o.Series; len(s) > 0 && s[0].Shuffle != nil {
		text += fmt.Sprintf(", shuffled by seed %d", *s[0].Shuffle)
		if o.Repeats > 1 {
			text += fmt.Sprintf(" to %d", *s[len(s)-1].Shuffle)
		}
	}
	return text
}

// modelsText says how many models there are.
func (o *Outcome) modelsText() string {
	text, n := english.Plural(o.folds(), "fold", ""), o.folds()
	for _, v := range []struct {
		n    int
		noun string
	}{{o.Repeats, "repeat"}, {o.Seeds, "seed"}, {o.Ensemble, "member"}} {
		if v.n > 1 {
			text += " × " + english.Plural(v.n, v.noun, "")
			n *= v.n
		}
	}
	return fmt.Sprintf("%s (%s), each with its own parts, scaling and order", english.Plural(n, "model", ""), text)
}
