package train

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/report"
	"vklstm/train/saved"
)

// Result is what a run of LSTM leaves. The Model has the best weights.
type Result struct {
	saved.Model
	History   History             // of an ensemble's first member
	Histories []History           // of each member of an ensemble; of a single model, its own
	BestEpoch int                 // of the weights, counted from 0; −1: from no whole epoch; of an ensemble's first member
	Test      *metrics.Evaluation // of the test part, which took no part in training; nil when there was an error before
	Dataset   *data.Dataset
	Parts     data.Parts
	Device    string   // which device trained, by which path, and why
	Stopped   Stop     // how training ended
	Reason    string   // why, for people
	Files     []string // written, in the order in which they are listed
}

// LSTM trains a classifier as cfg says and writes its files: the twin of `vklstm train`. It reads the data (or takes
// Config.Dataset, or makes a sample), divides them, fits the scaling on the training part, trains until the last
// epoch, until validation F1 no longer gets better or until the loss is no longer a number, puts the best weights back, and scores the test part with
// them.
//
// When ctx ends, the current step is finished, and all else happens as if training had ended by itself; that is no
// error, Result.Stopped tells. A context that ends before the first step is one: its own. After any other error the
// Result, if it is not nil, holds what was reached; its Model has a State, and its Test is set, as far as they could
// be saved.
func LSTM(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := cfg.LoadData()
	if err != nil {
		return nil, err
	}
	configs, err := cfg.members(d)
	if err != nil {
		return nil, err
	}
	p, err := prepareAll(configs, d)
	if err != nil {
		return nil, err
	}
	out := cfg.paths()
	if err := out.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	defer p.Close()
	if len(p.Runs) > 1 {
		p.follow()
		if out.checkpoint != "" {
			if err := p.canSave(out.checkpoint); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range p.Runs {
		r.write(out)
	}
	err = p.Train(ctx, cfg.Epochs)
	for _, r := range p.Runs {
		if err == nil {
			err = r.err
		}
	}
	return p.finish(ctx, cfg, out, err)
}

// write has the run write its checkpoint, if it is no member of an ensemble, and its history; the callbacks stand before
// the caller's.
func (r *Run) write(out paths) {
	var own []Callback
	if out.checkpoint != "" && r.Config.Ensemble == 1 {
		own = append(own, &Checkpoint{Path: out.checkpoint})
	}
	if out.history != "" {
		own = append(own, &CSVLogger{Path: ofMember(out.history, r.k, r.Config.Seed)})
	}
	r.callbacks = slices.Insert(r.callbacks, len(r.callbacks)-len(r.Config.Callbacks), own...)
}

// deviceMemory is what the engine plans to take of its device's memory, in bytes; false where it plans nothing.
func (r *Run) deviceMemory() (uint64, bool) {
	for e := r.engine; e != nil; {
		if p, ok := e.(interface {
			DeviceMemory(windows, batch, train, eval int) (uint64, error)
		}); ok {
			bytes, err := p.DeviceMemory(r.Dataset.N, r.Config.Batch, len(r.Parts.Train), len(r.Parts.Val))
			return bytes, err == nil // what does not fit, the first epoch says
		}
		w, ok := e.(interface{ Unwrap() model.Engine })
		if !ok {
			break
		}
		e = w.Unwrap()
	}
	return 0, false
}

// ClassShares says how many windows of each class there are.
func ClassShares(d *data.Dataset) string {
	counts := d.Counts(metrics.All(d.N))
	if len(counts) == 2 {
		name := "positive"
		if names := data.OwnNames(d.Names()); names != nil {
			name = names[1]
		}
		return fmt.Sprintf("%.1f %% %s", 100*float64(counts[1])/float64(d.N), name)
	}
	const most = 8
	text := fmt.Sprintf("%d classes: ", len(counts))
	for c, n := range counts[:min(most, len(counts))] {
		if c > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %.1f %%", d.Names()[c], 100*float64(n)/float64(d.N))
	}
	if len(counts) > most {
		text += ", …"
	}
	return text
}

// introduction are the lines that a log begins with.
func (r *Run) introduction() []string {
	c, d := r.Config, r.Dataset
	name := d.Path
	if name == "" {
		name = "data in memory"
	}
	about := fmt.Sprintf("%s: %s windows of %d steps × %d features, %s", name, humanize.Comma(int64(d.N)), d.T, d.F, ClassShares(d))
	split := fmt.Sprintf("split %s, seed %d", c.Split, c.Seed)
	if c.Parts != nil && !c.partsOfSplit {
		split = "split as given"
	}
	split += fmt.Sprintf(": %s training, %s validation, %s test windows", humanize.Comma(int64(len(r.Parts.Train))),
		humanize.Comma(int64(len(r.Parts.Val))), humanize.Comma(int64(len(r.Parts.Test))))
	lines := append([]string{r.Device, about, split}, r.settings()...)
	if names := data.OwnNames(d.Names()); len(names) == 2 && c.Keys.Positive == "" && (c.Init == nil || !slices.Equal(c.Init.Classes, names)) {
		lines = append(lines, fmt.Sprintf("%s is the class to be found, y = 1, since it comes second; --positive %s says otherwise", names[1], names[0]))
	}
	if c.Masking.Off && d.Missing() {
		lines = append(lines, "without masking every step counts, and a missing value is 0 there")
	}
	if m := c.Init; m != nil {
		lines = append(lines, fmt.Sprintf("starting from the weights of the model given, %s old", english.Plural(m.State.Step, "step", "")))
		if old, new := m.ClassNames(), d.Names(); m.Origin != nil && !slices.Equal(old, new) {
			lines = append(lines, fmt.Sprintf("the model given tells apart %s; its outputs stand for %s from here on", strings.Join(old, ", "), strings.Join(new, ", ")))
		}
	}
	if c.Ensemble > 1 {
		lines = append(lines, fmt.Sprintf("ensemble of %d members, seeds %d to %d, whose probabilities are averaged", c.Ensemble, c.Seed, c.Seed+uint32(c.Ensemble)-1))
	}
	if bounds := r.bounds(); bounds != "" {
		lines = append(lines, bounds)
	}
	if bytes, ok := r.deviceMemory(); ok {
		lines = append(lines, fmt.Sprintf("%.1f MiB of the device's memory planned", float64(bytes)/(1<<20)))
	}
	return lines
}

// Settings are the lines of a log that say how a model of so many outputs is trained.
func (c Config) Settings(outputs int) []string {
	return (&Run{Config: c, outputs: outputs}).settings()
}

// settings is Settings, with the class weights where they are known.
func (r *Run) settings() []string {
	c := r.Config
	loss := lossName(c, r.outputs) + " loss"
	switch l := c.loss(max(r.outputs, 1)); {
	case c.Focal && l.ClassAlpha != nil:
		loss += fmt.Sprintf(" (α %v, γ %v)", l.ClassAlpha, l.Gamma)
	case c.Focal && (l.Alpha != model.Focal().Alpha || l.Gamma != model.Focal().Gamma):
		loss += fmt.Sprintf(" (α %v, γ %v)", l.Alpha, l.Gamma)
	}
	if c.LabelSmoothing > 0 {
		loss += fmt.Sprintf(", label smoothing %v", c.LabelSmoothing)
	}
	switch w := r.Weights; {
	case len(w) == 2:
		loss += fmt.Sprintf(", class weights %.3f (y = %s) and %.3f (y = %s)", w[0], r.Dataset.Names()[0], w[1], r.Dataset.Names()[1])
	case w != nil:
		loss += fmt.Sprintf(", class weights %.3f to %.3f", slices.Min(w), slices.Max(w))
	case c.ClassWeights:
		loss += ", class weights"
	default:
		loss += ", no class weights"
	}
	lines := []string{loss, r.optimizing(), fmt.Sprintf("scale %s, augment %s", c.Scale, c.Augment)}
	if c.Recipe != "" {
		lines = append(lines, c.Recipe)
	}
	return lines
}

func lossName(c Config, outputs int) string {
	switch {
	case c.Focal && outputs > 1:
		return "categorical focal"
	case c.Focal:
		return "focal"
	case outputs > 1:
		return "categorical crossentropy"
	}
	return "binary crossentropy"
}

// bounds says how augmentation's noise is bounded, where it is not by 0 and 1.
func (r *Run) bounds() string {
	o, err := r.Config.options(r.Scaling, max(r.outputs, 1))
	switch a := o.Augment; {
	case err != nil || a.Noise == 0: // the error is told elsewhere
		return ""
	case unbounded(a):
		return fmt.Sprintf("%d sensors of three features turn; augmentation's noise is not kept within bounds, which turned values may leave", a.Triplets)
	}
	lowest, highest, unit := 0.0, 1.0, true
	for f := range r.Scaling.Low {
		low, high := float64(r.Scaling.Low[f]), float64(r.Scaling.High[f])
		unit = unit && low == 0 && high == 1
		lowest, highest = min(lowest, low), max(highest, high)
	}
	if unit {
		return ""
	}
	return fmt.Sprintf("augmentation's noise is kept within each feature's range in the training part (%.3g to %.3g over all), not [0,1]", lowest, highest)
}

// finish scores the test part with the best weights, writes the pictures and the metrics, and reports. err is what
// training ended with; it goes first. cfg is what LSTM was asked for.
func (p *Pool) finish(ctx context.Context, cfg Config, out paths, err error) (*Result, error) {
	r := p.Runs[0]
	if cfg.Ensemble > 1 {
		r.log.Name = "" // of all members from here on
	}
	m, decision, e := p.outcome(cfg.Threshold)
	if err == nil {
		err = e
	}
	res := &Result{Model: m, Histories: p.histories(),
		History: r.History, BestEpoch: -1, Dataset: r.Dataset, Parts: r.Parts, Device: r.Device,
		Stopped: r.Stopped, Reason: r.Reason}
	if r.Best.Any {
		res.BestEpoch = r.Best.Epoch
	}
	if err != nil && r.Stopped == StoppedError && out.checkpoint != "" {
		r.Warn("the files written now describe a model that was not saved as %s", out.checkpoint)
	}
	note := func(e error) {
		switch {
		case err == nil:
			err = e
		case e != nil:
			r.Warn("%v", e)
		}
	}
	if cfg.Ensemble > 1 && m.State != nil {
		switch {
		case decision.Problem != "":
			r.Warn("%s", decision.Problem)
		case decision.About != "":
			r.Note("%s", decision.About)
		}
		if out.checkpoint != "" {
			note(p.save(out.checkpoint, m))
		}
	}
	if m.State != nil {
		// An interruption ends training, not the work that makes it worth while.
		test, e := p.test(context.WithoutCancel(ctx), m.Threshold)
		if res.Test = test; err == nil || e == nil {
			note(e)
		}
	}
	p.Close() // the pictures need the memory
	if cfg.DropWindows && cfg.Dataset == nil {
		r.Dataset.X = nil
		runtime.GC()
	}
	write := func(path string, content func(io.Writer) error) {
		if path == "" {
			return
		}
		if e := files.Write(path, content); e != nil {
			note(e)
			return
		}
		r.Wrote(path)
	}
	if len(r.History) > 0 {
		best := res.BestEpoch
		if !r.Config.EarlyStopping {
			best = -1 // the last, and no better than others
		}
		write(out.historyPlot, func(w io.Writer) error { return r.History.WritePNG(w, best, lossName(r.Config, r.outputs)+" loss") })
	}
	if t := res.Test; t != nil {
		write(out.roc, func(w io.Writer) error { return report.ROCOf(w, t) })
		write(out.confusion, func(w io.Writer) error { return report.ConfusionOf(w, t, r.Dataset.Names()) })
		write(out.metrics, t.WriteJSON)
	}
	for _, run := range p.Runs[1:] {
		for _, path := range run.files {
			r.Wrote(path)
		}
	}
	res.Files = r.files
	note(r.log.result(r.Config.Out, res.Test, r.files))
	if out.checkpoint == "" && err == nil {
		r.Note("the model was not saved; --save-best keeps it")
	}
	for _, run := range p.Runs {
		if run.Stopped == StoppedDiverged && err == nil {
			run.Warn("%s: training went wrong after the best epoch; a lower learning rate than %v may help", run.Reason, run.Config.LearningRate)
		}
	}
	return res, err
}
