package train

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/progress"
	"vklstm/train/saved"
)

// TestTwice runs the same configuration twice and once with another seed: the files of the first two are the same
// byte for byte, the third's are not.
func TestTwice(t *testing.T) {
	run := func(seed uint32) map[string][]byte {
		cfg, dir := InFolder(t, DefaultConfig())
		cfg.Dataset, cfg.Engine = data.Sample(60, 1), traintest.Float64Engine
		cfg.Seed, cfg.Units, cfg.DenseUnits, cfg.Epochs = seed, []int{4}, 3, 2
		cfg.Augment, cfg.Scale = AugmentModerate, data.ScaleStandard
		var log, out bytes.Buffer
		cfg.Log, cfg.Out = &log, &out
		res, err := LSTM(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, f := range res.Files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(dir, f)
			files[filepath.ToSlash(rel)] = b
			if !strings.Contains(out.String(), f) {
				t.Errorf("%s is not in the list of files", f)
			}
		}
		return files
	}
	a, b, c := run(42), run(42), run(43)
	for _, name := range []string{"c/lstm_best.h5", "h/lstm_history.csv", "p/training_history.png", "p/roc_curve.png", "p/confusion_matrix.png", "p/test_metrics.json"} {
		if len(a[name]) == 0 || !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s: %d and %d bytes, not the same", name, len(a[name]), len(b[name]))
		}
	}
	if bytes.Equal(a["c/lstm_best.h5"], c["c/lstm_best.h5"]) || bytes.Equal(a["h/lstm_history.csv"], c["h/lstm_history.csv"]) {
		t.Error("another seed gave the same")
	}
	if len(a) != 6 {
		t.Errorf("%d files", len(a))
	}
}

// TestLogText reads what people see: the device on the first line, the model's table, a line for each epoch, the
// final tables, nothing wider than it should be.
func TestLogText(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1, 5, 3, 8, 8, 8, 8, 8}}}
	cfg := QuietConfig(f.factory)
	var log, out bytes.Buffer
	cfg.Log, cfg.Out, cfg.Augment = &log, &out, AugmentStrong
	if _, err := LSTM(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(log.String(), "\n")
	if lines[0] != "a device of paper (as the test asked)" {
		t.Errorf("first line %q", lines[0])
	}
	for _, want := range []string{
		"paper: 60 windows of 3 steps × 2 features, 50.0 % positive", "split as given: 20 training, 20 validation, 20 test windows",
		"focal loss, class weights 1.000 (y = 0) and 1.000 (y = 1)\nAdam, learning rate 0.001; at most 8 epochs, early stopping after 10\nscale none, augment strong\n", "Total parameters:",
		"2/8  loss 0.50000 F1 1.000  val: loss 0.25000 F1 0.667 AUC 0.750  ", " windows/s  best\n",
		"training ended: all 8 epochs done\nbest weights restored: epoch 4, validation F1 0.8889", "the model was not saved; --save-best keeps it",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "  val: loss"); n != 8 {
		t.Errorf("%d lines of epochs", n)
	}
	if strings.ContainsAny(log.String(), "\r\x1b") {
		t.Error("control characters in a log that is no terminal")
	}
	for _, want := range []string{"ROC-AUC", "Confusion matrix", "actual 1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("wide: %s", line)
		}
	}
}

// TestBounds says how noise is bounded when the data are not in [0,1].
func TestBounds(t *testing.T) {
	for scale, want := range map[string]bool{data.ScaleMinMax: false, data.ScaleStandard: true} {
		f := &fakeEngine{script: script{hits: []int{1}}}
		cfg := QuietConfig(f.factory)
		var log bytes.Buffer
		cfg.Log, cfg.Augment, cfg.Scale, cfg.Epochs = &log, AugmentModerate, scale, 1
		if _, err := LSTM(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "augmentation's noise is kept within each feature's range in the training part"); got != want {
			t.Errorf("%s:\n%s", scale, log.String())
		}
	}
}

// TestQuiet leaves warnings, and the result on the output.
func TestQuiet(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1}}}
	cfg := QuietConfig(f.factory)
	var log, out bytes.Buffer
	cfg.Log, cfg.Out, cfg.Quiet = &log, &out, true
	cfg.Parts.Val = []int32{20, 22, 24} // y = 0 alone
	if _, err := LSTM(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "warning: ") {
			t.Errorf("quiet says %q", line)
		}
	}
	if !strings.Contains(log.String(), "validation part holds 3 windows, all with y = 0") {
		t.Errorf("no warning in %q", log.String())
	}
	if !strings.Contains(out.String(), "Confusion matrix") {
		t.Error("no result")
	}
}

// TestLogJSON reads every line as an object.
func TestLogJSON(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1, 5, 3}}}
	cfg, _ := InFolder(t, QuietConfig(f.factory))
	var log, out bytes.Buffer
	cfg.Log, cfg.Out, cfg.LogFormat, cfg.Epochs = &log, &out, progress.JSON, 3
	cfg.Parts.Val = cfg.Parts.Val[:10]
	cfg.Parts.Test = []int32{41, 43} // y = 1 alone: AUC is undefined
	if _, err := LSTM(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	events := map[string][]map[string]any{}
	var order []string
	for line := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		name, _ := m["event"].(string)
		events[name] = append(events[name], m)
		order = append(order, name)
	}
	if want := "start warning epoch epoch epoch end result file file file file file file"; strings.Join(order, " ") != want {
		t.Errorf("events %v", order)
	}
	if s := events["start"][0]; s["device"] != f.String() || s["train"] != 20. || s["parameters"] != float64(len(f.state.Params)) {
		t.Errorf("start %v", s)
	}
	e := events["epoch"][1]
	for _, c := range append([]string{"seconds", "windows_per_second"}, Columns...) {
		if _, ok := e[c].(float64); !ok {
			t.Errorf("epoch has no %s: %v", c, e)
		}
	}
	if e["epoch"] != 1. || e["improved"] != true || events["end"][0]["best_epoch"] != 1. {
		t.Errorf("epoch %v, end %v", e, events["end"])
	}
	if r := events["result"][0]; r["roc_auc"] != nil || r["n_samples"] != 2. || r["confusion_matrix"].(map[string]any)["tn"] != 0. {
		t.Errorf("result %v", r)
	}
	if out.Len() != 0 {
		t.Errorf("output %q", out.String())
	}
}

// TestTerminal draws the bar into memory: one line per epoch above it, none of the bar left at the end.
func TestTerminal(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1, 5, 3}}}
	cfg := QuietConfig(f.factory)
	var log bytes.Buffer
	g, err := NewPool(t.Context(), []Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	r := g.Runs[0]
	r.log = &logger{Log: progress.New(&log, progress.Text, false)}
	r.log.SetBars(true)
	r.callbacks = []Callback{r.log}
	if err := g.Train(context.Background(), cfg.Epochs); err != nil {
		t.Fatal(err)
	}
	screen := render(log.String())
	if n := strings.Count(screen, "  val: loss"); n != 8 {
		t.Errorf("%d epochs on the screen:\n%s", n, screen)
	}
	if strings.Contains(screen, "%") && strings.Contains(screen, "epoch 8/8") {
		t.Errorf("the bar is still there:\n%s", screen)
	}
	for _, want := range []string{"epoch 1/8", "epoch 8/8", "windows/s"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the bar:\n%q", want, log.String())
		}
	}
	for line := range strings.Lines(screen) {
		if utf8.RuneCountInString(strings.TrimRight(line, " \n")) > 80 {
			t.Errorf("wide: %s", line)
		}
	}
}

// render shows text with carriage returns and "clear line" as a terminal does.
func render(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.ReplaceAll(line, "\x1b[2K", "")
		var cells []rune
		for part := range strings.SplitSeq(line, "\r") {
			for i, c := range []rune(part) {
				if i < len(cells) {
					cells[i] = c
				} else {
					cells = append(cells, c)
				}
			}
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(lines, "\n")
}

// TestNumbersInTheLog keeps lines readable for any number.
func TestNumbersInTheLog(t *testing.T) {
	for x, want := range map[float64]string{0.0123456: "0.01235", 12: "12.00000", 1234567: "1.235e+06", math.Inf(1): "+Inf"} {
		if got := lossText(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	if got := lossText(math.NaN()); got != "NaN" {
		t.Errorf("NaN: %s", got)
	}
}

func TestDropWindows(t *testing.T) {
	for _, drop := range []bool{false, true} {
		f := &fakeEngine{script: script{hits: []int{1}}}
		cfg, _ := InFolder(t, QuietConfig(f.factory))
		own := cfg.Dataset
		cfg.DropWindows = drop
		res, err := LSTM(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if own != nil && res.Dataset.X == nil {
			t.Error("the caller's windows are gone")
		}
		cfg.Dataset, cfg.Epochs = nil, 1 // a sample
		if res, err = LSTM(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if (res.Dataset.X == nil) != drop || len(res.Dataset.Y) != data.SampleWindows {
			t.Errorf("drop %v: %d values, %d labels", drop, len(res.Dataset.X), len(res.Dataset.Y))
		}
	}
}

// TestModelRoundTrip saves, loads and evaluates: the file alone gives the test scores of the run, scaling included.
func TestModelRoundTrip(t *testing.T) {
	cfg, _ := InFolder(t, QuietConfig(traintest.Float64Engine))
	cfg.Scale, cfg.Epochs = data.ScaleStandard, 3
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := saved.Load(res.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if m.Origin.Epoch != res.BestEpoch || m.Origin.Seed != 42 || m.Scaling.Kind != data.ScaleStandard || m.Loss.Kind != model.BinaryFocal {
		t.Errorf("origin %+v, loss %v", m.Origin, m.Loss)
	}
	for _, m := range []*saved.Model{m, &res.Model} {
		v, err := Evaluate(context.Background(), m, traintest.Float64Engine, cfg.Dataset, cfg.Parts.Test)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.Probability, res.Test.Probability) || v.Confusion != res.Test.Confusion {
			t.Errorf("%v, want %v", v.Probability, res.Test.Probability)
		}
	}
	whole, err := Evaluate(context.Background(), m, traintest.Float64Engine, cfg.Dataset, nil)
	if err != nil || whole.Samples != 60 {
		t.Errorf("all windows: %+v, %v", whole, err)
	}
	other := data.Sample(20, 1)
	if _, err := Evaluate(context.Background(), m, traintest.Float64Engine, other, nil); err == nil || !strings.Contains(err.Error(), "60 steps × 6 features, the model reads 3 × 2") {
		t.Errorf("other shape: %v", err)
	}
	other = &data.Dataset{Path: "x.npz", N: 1, T: 3, F: 2, X: make([]float32, 6)}
	if _, err := Evaluate(context.Background(), m, traintest.Float64Engine, other, nil); err == nil || !strings.Contains(err.Error(), "without labels") {
		t.Errorf("no labels: %v", err)
	}
}
