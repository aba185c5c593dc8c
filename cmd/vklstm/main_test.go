package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/saved"
)

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vklstm")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "vklstm")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// result is what a run of the program left.
type result struct {
	status      int
	out, errout string
}

// vklstm runs the program in dir.
func vklstm(t *testing.T, dir string, args ...string) result {
	t.Helper()
	c := exec.Command(program, args...)
	c.Dir = dir
	var out, errout bytes.Buffer
	c.Stdout, c.Stderr = &out, &errout
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), out.String(), errout.String()}
}

// small is a run that ends in seconds.
func small(extra ...string) []string {
	return append([]string{"train", "--device", "cpu", "--epochs", "2", "--lstm-units", "8", "--dense-units", "4", "--save-best"}, extra...)
}

func TestTrainEvaluatePredict(t *testing.T) {
	dir := t.TempDir()
	r := vklstm(t, dir, small()...)
	if r.status != 0 {
		t.Fatalf("train: status %d\n%s", r.status, r.errout)
	}
	for _, name := range []string{"checkpoints/lstm_best.h5", "history/lstm_history.csv", "plots/training_history.png",
		"plots/roc_curve.png", "plots/confusion_matrix.png", "plots/test_metrics.json"} {
		if s, err := os.Stat(filepath.Join(dir, name)); err != nil || s.Size() == 0 {
			t.Errorf("%s is missing or empty: %v", name, err)
		}
		if !strings.Contains(r.out, filepath.FromSlash(name)) {
			t.Errorf("the list of files does not name %s:\n%s", name, r.out)
		}
	}
	if strings.Contains(r.errout+r.out, "\x1b") || strings.Contains(r.errout, "\r") {
		t.Errorf("control characters in piped output:\n%q", r.errout)
	}
	saveSample(t, filepath.Join(dir, "sample.npz"))
	model := []string{"--model", "checkpoints/lstm_best.h5", "--data", "sample.npz", "--device", "cpu"}
	r = vklstm(t, dir, append([]string{"evaluate", "--json", "-"}, model...)...)
	var scores struct {
		Samples int      `json:"n_samples"`
		F1      *float64 `json:"f1"`
	}
	if err := json.Unmarshal([]byte(r.out), &scores); err != nil || scores.Samples != 40 || scores.F1 == nil {
		t.Errorf("evaluate --json -: %v\n%s%s", err, r.out, r.errout)
	}
	r = vklstm(t, dir, append([]string{"predict"}, model...)...)
	if rows, err := csv.NewReader(strings.NewReader(r.out)).ReadAll(); err != nil || len(rows) != 41 {
		t.Errorf("predict: %d rows, %v\n%s", len(rows), err, r.errout)
	}
	const zero = "0.000001" // so low that every window is positive
	r = vklstm(t, dir, append([]string{"evaluate", "--json", "-", "--threshold", zero}, model...)...)
	var low struct {
		Threshold float64 `json:"threshold"`
		Recall    float64 `json:"recall"`
	}
	if err := json.Unmarshal([]byte(r.out), &low); err != nil || low.Threshold != 0.000001 || low.Recall != 1 {
		t.Errorf("evaluate --threshold %s: %v\n%s%s", zero, err, r.out, r.errout)
	}
	r = vklstm(t, dir, append([]string{"predict", "--threshold", zero}, model...)...)
	if n := strings.Count(r.out, ",1\n"); n != 40 {
		t.Errorf("predict --threshold %s: %d windows are positive, want 40\n%s", zero, n, r.errout)
	}
	for _, name := range []string{"p.npz", "p.csv", "p.jsonl"} {
		if r := vklstm(t, dir, append([]string{"predict", "--out", name}, model...)...); r.status != 0 {
			t.Errorf("predict --out %s: %s", name, r.errout)
		}
	}
}

// saveSample writes 40 windows as an npz file with X and y.
func saveSample(t *testing.T, path string) {
	t.Helper()
	d := data.Sample(40, 7)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npz.Write(f, zip.Store, npz.Array{Name: "X", Shape: []int{d.N, d.T, d.F}, Data: d.X}, npz.Array{Name: "y", Shape: []int{d.N}, Data: d.Y}); err != nil {
		t.Fatal(err)
	}
}

// TestBadUse checks that bad input ends with one sentence, the right status, and old files untouched.
func TestBadUse(t *testing.T) {
	dir := t.TempDir()
	saveSample(t, filepath.Join(dir, "ok.npz"))
	old := filepath.Join(dir, "checkpoints", train.CheckpointFile)
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(old, []byte("old"))
	write(filepath.Join(dir, "text.npz"), []byte("this is no zip"))
	spec := model.Classifier(60, 6, 2, 0, 2)
	if err := saved.Save(filepath.Join(dir, "ok.h5"), &saved.Model{Spec: spec, State: spec.Init(1), LearningRate: 1e-3}); err != nil {
		t.Fatal(err)
	}
	ok, err := os.ReadFile(filepath.Join(dir, "ok.npz"))
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "short.npz"), ok[:len(ok)/2])
	write(filepath.Join(dir, "file"), nil)
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"train", "--data", "none.npz"}, 1, "none.npz"},
		{[]string{"train", "--data", "text.npz"}, 1, "text.npz"},
		{[]string{"train", "--data", "short.npz"}, 1, "short.npz"},
		{[]string{"train", "--data", "ok.npz", "--x-key", "Z"}, 1, "y"},
		{[]string{"train", "--data", "ok.npz", "--group-key", "person"}, 1, "person"},
		{[]string{"train", "--batch", "0"}, 1, "batch"},
		{[]string{"train", "--batch", "-3"}, 1, "batch"},
		{[]string{"train", "--lr", "NaN"}, 1, "lr"},
		{[]string{"train", "--lr", "1e9"}, 1, "lr"},
		{[]string{"train", "--dropout", "1"}, 1, "dropout"},
		{[]string{"train", "--lstm-units", "0"}, 1, "lstm-units"},
		{[]string{"train", "--epochs", "0"}, 1, "epochs"},
		{[]string{"train", "--split", "odd"}, 1, "split"},
		{[]string{"train", "--device", "no such device"}, 1, "no such device"},
		{[]string{"train", "--history-dir", "file"}, 1, "file"},
		{[]string{"train", "--frobnicate"}, 2, "frobnicate"},
		{[]string{"train", "--epochs", "many"}, 2, "many"},
		{[]string{"train", "--seed", "-1"}, 1, "seed"},
		{[]string{"train", "--adam", "gpu"}, 2, "adam"},
		{[]string{"train", "--device", "cpu", "--precision", "half"}, 2, "it must be float32 or mixed"},
		{[]string{"train", "--device", "cpu", "--precision", "mixed"}, 1, "mixed precision needs a GPU"},
		{[]string{"train", "--device", "cpu", "--path", "short"}, 2, "it must be auto, general or resident"},
		{[]string{"train", "--device", "cpu", "--path", "resident"}, 1, "paths are a GPU's"},
		{[]string{"selftest", "--device", "cpu", "--path", "short"}, 2, "it must be auto, general or resident"},
		{[]string{"train", "--log-format", "xml"}, 1, "log-format"},
		{[]string{"train", "--augment", "odd"}, 1, "moderate"},
		{[]string{"help", "nonsense"}, 2, "nonsense"},
		{[]string{"train", "extra"}, 2, "extra"},
		{[]string{"nonsense"}, 2, "nonsense"},
		{[]string{}, 2, "command"},
		{[]string{"evaluate", "--data", "ok.npz"}, 2, "--model"},
		{[]string{"evaluate", "--model", "none.h5", "--data", "ok.npz"}, 1, "none.h5"},
		{[]string{"evaluate", "--model", "text.npz", "--data", "ok.npz"}, 1, "text.npz"},
		{[]string{"evaluate", "--model", "ok.h5", "--data", "ok.npz", "--threshold", "1"}, 1, "--threshold 1: it must be above 0 and below 1"},
		{[]string{"evaluate", "--model", "ok.h5", "--data", "ok.npz", "--event-key", "video"}, 1, `no array "video"`},
		{[]string{"predict", "--model", "ok.h5", "--data", "ok.npz", "--threshold", "NaN"}, 1, "--threshold NaN: it must be above 0 and below 1"},
		{[]string{"predict", "--model", "none.h5", "--data", "ok.npz", "--out", "p.txt"}, 2, "p.txt"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := vklstm(t, dir, tc.args...)
			if r.status != tc.status || !strings.Contains(r.errout, tc.says) {
				t.Errorf("status %d, want %d, and %q in:\n%s", r.status, tc.status, tc.says, r.errout)
			}
			if lines := strings.Count(strings.TrimSpace(r.errout), "\n") + 1; lines > 2 && len(tc.args) > 0 {
				t.Errorf("%d lines of error:\n%s", lines, r.errout)
			}
			if strings.Contains(r.errout, "goroutine ") {
				t.Errorf("a stack trace:\n%s", r.errout)
			}
			if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
				t.Errorf("the old checkpoint was touched: %q, %v", b, err)
			}
		})
	}
}

func TestJoinAugment(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"train --augment", "train --augment"},
		{"train --augment strong --seed 1", "train --augment=strong --seed 1"},
		{"train --augment --seed 1", "train --augment --seed 1"},
		{"train --augment odd", "train --augment=odd"},
	} {
		if got := strings.Join(joinAugment(strings.Fields(tc.in)), " "); got != tc.want {
			t.Errorf("joinAugment(%s) = %s, want %s", tc.in, got, tc.want)
		}
	}
}

// A name that is nearly right is answered with the right one.
func TestSuggestions(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"trian"}, "unknown command \"trian\"; did you mean train?\n"},
		{[]string{"help", "evaluat"}, "unknown command \"evaluat\"; did you mean evaluate?\n"},
		{[]string{"frobnicate"}, "unknown command \"frobnicate\"\n"},
		{[]string{"train", "--epoch", "3"}, "unknown flag: --epoch; did you mean --epochs?\n"},
		{[]string{"train", "--lstm-unit", "3"}, "unknown flag: --lstm-unit; did you mean --lstm-units?\n"},
		{[]string{"train", "--frobnicate"}, "unknown flag: --frobnicate\n"},
		{[]string{"train", "-q"}, "unknown shorthand flag: 'q' in -q\n"},
	} {
		if r := vklstm(t, t.TempDir(), tc.args...); r.status != 2 || !strings.HasPrefix(r.errout, "vklstm: "+tc.want) {
			t.Errorf("%q: status %d, %s; want 2 and %s", tc.args, r.status, r.errout, tc.want)
		}
	}
}

// version and --version say the same: version, commit, Go, and the CPU engine.
func TestVersion(t *testing.T) {
	a, b := vklstm(t, t.TempDir(), "version"), vklstm(t, t.TempDir(), "--version")
	if a.status != 0 || a.out != b.out {
		t.Errorf("status %d; %q and %q", a.status, a.out, b.out)
	}
	for _, want := range []string{"vklstm ", "\ncommit ", "\n" + runtime.Version() + " " + runtime.GOOS, "\nCPU engine: "} {
		if !strings.Contains("\n"+a.out, want) {
			t.Errorf("no %q in %q", want, a.out)
		}
	}
}
