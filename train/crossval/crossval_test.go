package crossval

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vklstm/model"
	"vklstm/model/cpu"
	"vklstm/model/npz"
	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/progress"
)

// small returns a cross-validation of few windows on the CPU engine that logs nothing.
func small() CrossValidation {
	cfg := train.DefaultConfig()
	cfg.Dataset = data.Sample(120, 5)
	cfg.Units, cfg.DenseUnits, cfg.Epochs, cfg.Batch = []int{4}, 3, 3, 16
	cfg.Augment, cfg.Scale = train.AugmentModerate, data.ScaleStandard
	cfg.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) { return cpu.New(spec, opts, 2) }
	c := DefaultCrossValidation(cfg)
	c.K = 3
	return c
}

func run(t testing.TB, c CrossValidation) *Outcome {
	t.Helper()
	o, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestModelsAsAlone trains every model of a cross-validation by train.LSTM: the out-of-fold probabilities are the same bit
// for bit, the mean of the members' where there are several, however many train side by side.
func TestModelsAsAlone(t *testing.T) {
	c := small()
	c.Repeats, c.Seeds, c.Ensemble = 2, 2, 2
	o := run(t, c)
	if len(o.Series) != 4 {
		t.Fatalf("%d series", len(o.Series))
	}
	seeds, shuffles := map[uint32]bool{}, map[uint32]bool{}
	for i, s := range o.Series {
		shuffles[*s.Shuffle] = true
		if s.Repeat != i/2 {
			t.Errorf("series %d is of repeat %d", i, s.Repeat)
		}
		for fold := range c.K {
			var members [][]float32
			var test []int32
			for _, m := range s.Models[fold*2 : fold*2+2] {
				seeds[m.Seed] = true
				cfg := c.Config
				cfg.Seed, cfg.Parts, cfg.Log, cfg.Out, cfg.HistoryDir, cfg.PlotDir = m.Seed, &m.Parts, nil, nil, "", ""
				res, err := train.LSTM(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				if m.Fold != fold || m.Epochs != len(res.History) || m.Best.Epoch != res.BestEpoch {
					t.Errorf("series %d, fold %d: %+v, want %d epochs, best %d", i, fold, m, len(res.History), res.BestEpoch)
				}
				members, test = append(members, res.Test.Probability), m.Parts.Test
			}
			want := metrics.MeanProbability(members)
			for j, w := range test {
				if s.Probability[w] != want[j] || s.Positive[w] != (want[j] > 0.5) {
					t.Fatalf("series %d, fold %d, window %d: %v, %v; want %v", i, fold, w, s.Probability[w], s.Positive[w], want[j])
				}
			}
			if !slices.Equal(test, s.Folds.Test(fold)) {
				t.Errorf("series %d, fold %d tests %v", i, fold, test)
			}
		}
	}
	if len(seeds) != 8 || len(shuffles) != 2 || slices.Equal(o.Series[0].Folds.Of, o.Series[2].Folds.Of) {
		t.Errorf("seeds %v, folds drawn by %v", seeds, shuffles)
	}
	c.SideBySide = 5
	for i, s := range run(t, c).Series {
		if !slices.Equal(s.Probability, o.Series[i].Probability) {
			t.Errorf("series %d is another when five models train at a time", i)
		}
	}
}

// TestNoMemory goes on with fewer models side by side where the device has no room for all.
func TestNoMemory(t *testing.T) {
	c := small()
	want := run(t, c).Series[0].Probability
	inner := c.Config.Engine
	var asked []int
	c.Config.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		asked = append(asked, len(opts))
		if len(opts) > 2 {
			return nil, fmt.Errorf("test: %w", device.ErrOutOfMemory)
		}
		return inner(spec, opts)
	}
	var log bytes.Buffer
	c.Log = &log
	if got := run(t, c).Series[0].Probability; !slices.Equal(got, want) || !slices.Equal(asked, []int{3, 2, 1}) {
		t.Errorf("engines of %v models", asked)
	}
	if !strings.Contains(log.String(), "3 models side by side are too many for the device's memory; going on with 2") {
		t.Errorf("log:\n%s", log.String())
	}
	c.Config.Engine = func(model.Spec, []model.Options) (model.Engine, error) { return nil, device.ErrOutOfMemory }
	if _, err := c.Run(t.Context()); !errors.Is(err, device.ErrOutOfMemory) {
		t.Errorf("no room for one model: %v", err)
	}
}

// divergedEngine is an engine whose numbers are none after the first step.
type divergedEngine struct{ model.Engine }

func (e divergedEngine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	outcomes, err := e.Engine.Epoch(ctx, plans)
	for _, o := range outcomes {
		for _, list := range [][]float32{o.Probability, o.Loss, o.EvalProbability, o.EvalLoss} {
			for i := range list {
				list[i] = float32(math.NaN())
			}
		}
	}
	return outcomes, err
}

func (e divergedEngine) State(k int) (*model.State, error) {
	s, err := e.Engine.State(k)
	for i := range s.Params {
		s.Params[i] = float32(math.NaN())
	}
	return s, err
}

// TestNoPartialResult has cross-validations that cannot be finished.
func TestNoPartialResult(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := small()
	c.Config.Callbacks = []train.Callback{&stopper{stop: cancel}}
	if o, err := c.Run(ctx); o != nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "fold 0, interrupted in epoch 2") {
		t.Errorf("interrupted: %v", err)
	}
	c = small()
	inner := c.Config.Engine
	c.Config.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		e, err := inner(spec, opts)
		return divergedEngine{e}, err
	}
	if o, err := c.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "fold ") || !strings.Contains(err.Error(), "lower the learning rate") {
		t.Errorf("diverged: %v, %v", o != nil, err)
	}
}

// stopper calls stop after the first epoch.
type stopper struct {
	train.NoCallback
	stop func()
}

func (s *stopper) OnEpochEnd(*train.Run, train.Epoch) error { s.stop(); return nil }

// TestCrossValidationRefuses has numbers that make no sense.
func TestCrossValidationRefuses(t *testing.T) {
	for want, change := range map[string]func(*CrossValidation){
		"folds is 1; it must be at least 2":             func(c *CrossValidation) { c.K = 1 },
		"repeats is 0":                                  func(c *CrossValidation) { c.Repeats = 0 },
		"seeds is -1":                                   func(c *CrossValidation) { c.Seeds = -1 },
		"ensemble is 0":                                 func(c *CrossValidation) { c.Ensemble = 0 },
		"side-by-side is -1":                            func(c *CrossValidation) { c.SideBySide = -1 },
		"batch is 0":                                    func(c *CrossValidation) { c.Config.Batch = 0 },
		"repeats need other folds each time":            func(c *CrossValidation) { c.Given, c.Repeats = &Folds{K: 2, Of: make([]int32, 120)}, 2 },
		"nothing to shuffle":                            func(c *CrossValidation) { c.Given, c.Shuffle = &Folds{K: 2, Of: make([]int32, 120)}, true },
		"rule rank has one way":                         func(c *CrossValidation) { c.Rule, c.Repeats = Rank, 2 },
		"13 folds of 12 group(s); take at most as many": func(c *CrossValidation) { c.K = 13 },
	} {
		c := small()
		change(&c)
		if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// archive writes an .npz file of one array.
func archive(t testing.TB, a npz.Array) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data.npz")
	if err := files.Write(path, func(w io.Writer) error { return npz.Write(w, zip.Store, a) }); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoadFolds reads folds and says what is wrong with those that are none.
func TestLoadFolds(t *testing.T) {
	for _, tc := range []struct {
		name  string
		shape []int
		data  any
		k     int
		want  string // part of the error; empty: folds 0 1 2 1
	}{
		{"whole numbers", []int{4}, []int64{0, 1, 2, 1}, 0, ""},
		{"a column of floats", []int{4, 1}, []float32{0, 1, 2, 1}, 3, ""},
		{"too large", []int{4}, []int64{0, 1, 2, 1}, 2, "fold holds fold 2 at [2]; with --folds 2 they are 0 to 1"},
		{"negative", []int{4}, []int64{0, -1, 2, 1}, 0, "holds -1 at [1]; folds are whole numbers"},
		{"broken", []int{4}, []float64{0, 1.5, 2, 1}, 0, "holds 1.5 at [1]"},
		{"beyond all measure", []int{4}, []float64{0, 1e300, 2, 1}, 0, "holds 1e+300 at [1]"},
		{"a gap", []int{4}, []int64{0, 0, 2, 2}, 0, "has no window in fold 1 of 0 to 2"},
		{"missing at the end", []int{4}, []int64{0, 0, 1, 1}, 3, "has no window in fold 2 of 0 to 2"},
		{"one fold", []int{4}, []int64{0, 0, 0, 0}, 0, "at least 2 folds are needed"},
		{"too few", []int{3}, []int64{0, 1, 2}, 0, "has shape (3,); the fold of each of the 4 windows is needed"},
		{"a matrix", []int{2, 2}, []int64{0, 1, 2, 1}, 0, "has shape (2, 2)"},
		{"text", []int{4}, []string{"0", "1", "2", "1"}, 0, "not numbers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := archive(t, npz.Array{Name: "fold", Shape: tc.shape, Data: tc.data})
			f, err := LoadFolds(path, "fold", 4, tc.k)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), path) {
					t.Errorf("%v; want %q", err, tc.want)
				}
				return
			}
			if err != nil || f.K != 3 || !slices.Equal(f.Of, []int32{0, 1, 2, 1}) {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	path := archive(t, npz.Array{Name: "fold", Shape: []int{1}, Data: []int64{0}})
	if _, err := LoadFolds(path, "folds", 1, 0); err == nil || !strings.Contains(err.Error(), `no array "folds"; the file holds`) {
		t.Error(err)
	}
	if _, err := LoadFolds("none.npz", "fold", 1, 0); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestGivenFolds trains on folds from outside, which cut groups, and says so once.
func TestGivenFolds(t *testing.T) {
	c := small()
	c.Given = &Folds{K: 4, Of: make([]int32, 120)}
	for i := range c.Given.Of {
		c.Given.Of[i] = int32(i % 4)
	}
	var log bytes.Buffer
	c.Log, c.Quiet = &log, true
	c.Config.Dataset.GroupKey = "subject"
	o := run(t, c)
	if !slices.Equal(o.Series[0].Folds.Of, c.Given.Of) || len(o.Series[0].Models) != 4 {
		t.Error("other folds than given")
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "windows of one subject lie on both sides of a fold") {
		t.Errorf("log:\n%s", text)
	}
}

// TestReport reads tables and JSON of one series and of several: their numbers are those of the outcome, nothing is wider
// than 80 columns, and a fold with one class is said to have no AUC.
func TestReport(t *testing.T) {
	for _, several := range []bool{false, true} {
		c := small()
		if several {
			c.Seeds, c.Repeats, c.Ensemble = 2, 2, 2
		} else {
			c.Given = &Folds{K: 3, Of: make([]int32, 120)}
			for i, y := range c.Config.Dataset.Y {
				if c.Given.Of[i] = 2 * int32(i%2); i < 30 && y == 1 {
					c.Given.Of[i] = 1
				}
			}
		}
		c.Config.Dataset.GroupKey, c.Config.Dataset.Path = "subject", "/somewhere/data.npz"
		o := run(t, c)
		r := o.Report()
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 || strings.Contains(line, "≈") {
				t.Errorf("wide: %s", line)
			}
		}
		want := []string{"data.npz: 3 folds", "All 120 windows out of fold", "95 % over groups", "Folds, mean ± sd", "Confusion matrix", r.Mean.F1.Text(4)}
		if several {
			want = append(want, "data.npz: 3 folds × 2 repeats × 2 seeds, ensembles of 2", "│      1 │   48 │", "Series, sd")
		} else {
			want = append(want, "undef.", "Fold 1 holds no window with y = 0: AUC is undefined there and over folds.", "│ ROC-AUC   │ "+r.Mean.AUC.Text(4))
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no %q in\n%s", w, text)
			}
		}
		b.Reset()
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if len(back.Series) != len(o.Series) || back.Mean.F1 != r.Mean.F1 || back.Interval.Low.F1 != r.Interval.Low.F1 {
			t.Errorf("%+v", back)
		}
		for i, s := range back.Series {
			got, m := metrics.Score(o.Dataset.Y, o.Series[i].Predicted, nil)
			if got != s.Scores || m != s.Confusion || len(s.Folds) != o.folds() || len(s.Folds[0].Members) != c.Ensemble {
				t.Errorf("series %d: %+v", i, s)
			}
		}
		if f := back.Series[0].Folds[1]; !several && (f.Scores.AUC == f.Scores.AUC || f.Positive != f.Windows) {
			t.Errorf("fold with one class: %+v", f)
		}
	}
}

// TestThresholds has a number as the threshold, and one that each fold finds on its validation part: what counts as
// positive follows from it, and so do the scores. Members have one threshold together.
func TestThresholds(t *testing.T) {
	for _, rule := range []string{"0.3", "best-f1", "recall>=0.9"} {
		c := small()
		c.Ensemble, c.Config.Epochs, c.Config.LearningRate = 2, 6, 0.01
		var err error
		if c.Config.Threshold, err = metrics.ParseThreshold(rule); err != nil {
			t.Fatal(err)
		}
		o := run(t, c)
		r, s := o.Report(), o.Series[0]
		different := map[float64]bool{}
		for fold, threshold := range s.Thresholds {
			different[threshold] = true
			var m metrics.Confusion
			for _, w := range s.Folds.Test(fold) {
				if s.Positive[w] != (float64(s.Probability[w]) > threshold) {
					t.Errorf("%s, fold %d: window %d has %v, positive %v", rule, fold, w, s.Probability[w], s.Positive[w])
				}
				m.Add(o.Dataset.Y[w], s.Probability[w], threshold)
			}
			if got := r.Series[0].Folds[fold]; got.Threshold != threshold || float64(got.Scores.F1) != m.F1() {
				t.Errorf("%s, fold %d: %+v, want threshold %v and F1 %v", rule, fold, got, threshold, m.F1())
			}
		}
		if len(s.Thresholds) != c.K || r.Threshold != rule || rule == "0.3" && !(len(different) == 1 && different[0.3]) || rule != "0.3" && len(different) == 1 {
			t.Errorf("%s: thresholds %v, rule %q", rule, s.Thresholds, r.Threshold)
		}
	}
}

// TestLog reads the log for people and for programs.
func TestLog(t *testing.T) {
	c := small()
	c.Seeds = 2
	var log bytes.Buffer
	c.Log = &log
	run(t, c)
	for _, want := range []string{
		"CPU (", "the sample: 120 windows of 60 steps × 6 features", ", 12 groups\n", "3 folds as scikit-learn's StratifiedGroupKFold makes them\n",
		"6 models (3 folds × 2 seeds), each with its own parts", "focal loss, class weights\n", "scale standard, augment moderate",
		"1/3  6 models  loss ", " val F1 ", "windows/s\n", "seed 43, fold 2: done after 3 epochs; epoch ",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	log.Reset()
	c.LogFormat = progress.JSON
	run(t, c)
	events := map[string]int{}
	for line := range strings.Lines(log.String()) {
		var e struct{ Event, Model string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events[e.Event]++
	}
	if events["start"] != 1 || events["epoch"] != 18 || events["end"] != 6 {
		t.Errorf("events %v", events)
	}
}

// TestTerminal draws the bar into memory: whole lines above it, none of the bar left at the end, nothing wider than a
// terminal but the lines of device and settings.
func TestTerminal(t *testing.T) {
	var screen bytes.Buffer
	c := small()
	c.Log = &screen
	l := &log{Log: progress.New(&screen, progress.Text, false), epochs: c.Config.Epochs}
	l.SetBars(true)
	o := &Outcome{CrossValidation: c, Dataset: c.Config.Dataset}
	jobs, err := o.jobs(l.Log)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.train(t.Context(), l, jobs); err != nil {
		t.Fatal(err)
	}
	l.EndBar()
	text := screen.String()
	for _, want := range []string{"epoch 1/3, 3 models   0%", "epoch 3/3, 3 models", "\n1/3  3 models  loss "} {
		if !strings.Contains(strings.ReplaceAll(text, "\r", "\n"), want) {
			t.Errorf("no %q in\n%q", want, text)
		}
	}
	for line := range strings.Lines(text) {
		// What a carriage return is followed by replaces what stood in the line; the bar is cleared by spaces.
		shown := line[strings.LastIndex(strings.TrimRight(line, "\n"), "\r")+1:]
		if strings.Contains(shown, "%") && strings.Contains(shown, "|") || utf8.RuneCountInString(shown) > 81 && strings.Contains(shown, "models  loss") {
			t.Errorf("a line of the screen is %q", shown)
		}
	}
}
