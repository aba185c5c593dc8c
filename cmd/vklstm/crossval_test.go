package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/train/crossval"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// quick are the flags of a cross-validation that ends in a second.
func quick(extra ...string) []string {
	return append([]string{"crossval", "--device", "cpu", "--epochs", "2", "--lstm-units", "4", "--dense-units", "4", "--folds", "3"}, extra...)
}

// saveGroups writes windows of the sample with their persons, and folds of some kinds.
func saveGroups(t *testing.T, path string) *data.Dataset {
	t.Helper()
	d := data.Sample(120, 7)
	fold, cut := make([]int64, d.N), make([]int64, d.N)
	for i := range fold {
		fold[i], cut[i] = int64(i/10%4), int64(i%2)
	}
	err := files.Write(path, func(w io.Writer) error {
		return npz.Write(w, zip.Store, npz.Array{Name: "X", Shape: []int{d.N, d.T, d.F}, Data: d.X}, npz.Array{Name: "y", Shape: []int{d.N}, Data: d.Y},
			npz.Array{Name: "subject", Shape: []int{d.N}, Data: d.Group}, npz.Array{Name: "fold", Shape: []int{d.N}, Data: fold},
			npz.Array{Name: "cut", Shape: []int{d.N}, Data: cut})
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readOutOfFold reads back an .npz that --out wrote.
func readOutOfFold(t *testing.T, path string) (probability, fold, y []float64, shape []int, group []string) {
	t.Helper()
	f, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if probability, shape, err = f.Float64("probability"); err != nil {
		t.Fatal(err)
	}
	if fold, _, err = f.Float64("fold"); err != nil {
		t.Fatal(err)
	}
	if y, _, err = f.Float64("y"); err != nil {
		t.Fatal(err)
	}
	if group, _, err = f.Labels("group", len(y)); err != nil {
		t.Fatal(err)
	}
	return
}

// TestCrossval runs the command: tables on standard output, the log on standard error, and the same probabilities in
// every format, from which the scores follow.
func TestCrossval(t *testing.T) {
	dir := t.TempDir()
	d := saveGroups(t, filepath.Join(dir, "falls.npz"))
	var first []float64
	for _, out := range []string{"oof.npz", "oof.csv", "oof.jsonl"} {
		r := vklstm(t, dir, quick("--data", "falls.npz", "--json", "r.json", "--out", out)...)
		if r.status != 0 {
			t.Fatalf("status %d\n%s", r.status, r.errout)
		}
		for line := range strings.Lines(r.out) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 {
				t.Errorf("wide: %s", line)
			}
		}
		if !strings.Contains(r.out, "falls.npz: 3 folds") || strings.ContainsAny(r.out+r.errout, "\r\x1b") || !strings.Contains(r.errout, "12 groups (subject)") {
			t.Errorf("output:\n%s\n%s", r.out, r.errout)
		}
		var probability []float64
		switch filepath.Ext(out) {
		case ".npz":
			p, fold, y, shape, group := readOutOfFold(t, filepath.Join(dir, out))
			probability, first = p, p
			if !slices.Equal(shape, []int{d.N}) || !slices.Equal(group, d.Group) {
				t.Errorf("shape %v, groups %v", shape, group)
			}
			want, err := crossval.Stratified.Make(d, 3, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p {
				if y[i] != float64(d.Y[i]) || fold[i] != float64(want.Of[i]) {
					t.Fatalf("window %d: y %v in fold %v, want %v in %d", i, y[i], fold[i], d.Y[i], want.Of[i])
				}
			}
		case ".csv":
			f, err := os.Open(filepath.Join(dir, out))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(f).ReadAll()
			f.Close()
			if err != nil || strings.Join(rows[0], ",") != "window,repeat,seed,fold,probability,predicted,y,group" || rows[3][7] != "person-001" {
				t.Fatalf("%v: %v", err, rows[:4])
			}
			for _, row := range rows[1:] {
				var p float32
				fmt.Sscan(row[4], &p)
				probability = append(probability, float64(p))
			}
		default:
			b, err := os.ReadFile(filepath.Join(dir, out))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(b)) {
				var row oofRow
				if err := json.Unmarshal([]byte(line), &row); err != nil || row.Group == nil || row.Seed != 42 {
					t.Fatalf("%v: %s", err, line)
				}
				probability = append(probability, float64(*row.Probability))
			}
		}
		if !slices.Equal(probability, first) {
			t.Errorf("%s holds other probabilities", out)
		}
	}
	p := make([]float32, d.N)
	for i := range p {
		p[i] = float32(first[i])
	}
	b, err := os.ReadFile(filepath.Join(dir, "r.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r crossval.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	m := metrics.Compute(d.Y, p, math.NaN(), 0.5)
	if got := r.Series[0].Scores; float64(got.F1) != m.F1 || float64(got.AUC) != m.AUC || r.Mean != got || r.Groups != 12 {
		t.Errorf("scores %+v, want F1 %v, AUC %v", got, m.F1, m.AUC)
	}
	if r := vklstm(t, dir, quick("--data", "falls.npz", "--against", "oof.npz", "--seed", "7")...); r.status != 0 || !strings.Contains(r.out, "Against oof.npz") {
		t.Errorf("--against: status %d\n%s%s", r.status, r.out, r.errout)
	}
	out := vklstm(t, dir, quick("--data", "falls.npz", "--json", "-", "--quiet")...)
	if out.out != string(b) || out.errout != "" {
		t.Errorf("--json - --quiet:\n%.500s\n%s", out.out, out.errout)
	}
}

// TestCrossvalFolds has the ways to make folds.
func TestCrossvalFolds(t *testing.T) {
	dir := t.TempDir()
	saveGroups(t, filepath.Join(dir, "falls.npz"))
	for _, tc := range []struct {
		args  []string
		shape []int
		says  string
	}{
		{[]string{"--fold-rule", "rank"}, []int{120}, "3 folds of groups dealt out in turn"},
		{[]string{"--fold-rule", "windows"}, []int{120}, "windows of one subject lie on both sides of a fold"},
		{[]string{"--shuffle-folds", "--seed", "7"}, []int{120}, "StratifiedGroupKFold makes them, shuffled by seed 7"},
		{[]string{"--repeats", "2", "--seeds", "2", "--ensemble", "2"}, []int{4, 120}, "24 models (3 folds × 2 repeats × 2 seeds × 2 members)"},
		{[]string{"--no-early-stopping", "--train-on-val", "--fold-key", "fold", "--folds", "4"}, []int{120}, "4 folds as given"},
	} {
		r := vklstm(t, dir, quick(append([]string{"--data", "falls.npz", "--out", "oof.npz"}, tc.args...)...)...)
		if r.status != 0 || !strings.Contains(r.errout, tc.says) {
			t.Errorf("%v: status %d\n%s", tc.args, r.status, r.errout)
			continue
		}
		if _, _, _, shape, _ := readOutOfFold(t, filepath.Join(dir, "oof.npz")); !slices.Equal(shape, tc.shape) {
			t.Errorf("%v: shape %v, want %v", tc.args, shape, tc.shape)
		}
	}
}

// TestCrossvalBadUse has what cannot be done: one sentence, the right status, nothing written.
func TestCrossvalBadUse(t *testing.T) {
	dir := t.TempDir()
	saveGroups(t, filepath.Join(dir, "falls.npz"))
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--folds", "13"}, 1, "falls.npz: 13 folds of 12 group(s); take at most as many folds as there are groups"},
		{[]string{"--folds", "1"}, 1, "folds is 1; it must be at least 2"},
		{[]string{"--repeats", "0"}, 1, "repeats is 0"},
		{[]string{"--fold-rule", "odd"}, 2, "it must be one of stratified, windows, rank"},
		{[]string{"--fold-rule", "rank", "--repeats", "2"}, 1, "cannot be repeated"},
		{[]string{"--fold-key", "none"}, 1, `no array "none"`},
		{[]string{"--fold-key", "y"}, 1, "falls.npz: y has no window in fold 2"},
		{[]string{"--fold-key", "fold"}, 1, "fold holds fold 3 at [30]; with --folds 3 they are 0 to 2"},
		{[]string{"--fold-key", "subject"}, 1, "not numbers"},
		{[]string{"--fold-key", "fold", "--repeats", "2"}, 1, "--repeats makes folds, and --fold-key reads them from the file"},
		{[]string{"--group-key", "person"}, 1, "person"},
		{[]string{"--out", "oof.txt"}, 1, "the ending must be .npz, .csv or .jsonl"},
		{[]string{"--json", "falls.npz/r.json"}, 1, "falls.npz"},
		{[]string{"--json", "./falls.npz"}, 2, "--json ./falls.npz would replace falls.npz"},
		{[]string{"--out", "falls.npz"}, 2, "--out falls.npz would replace falls.npz"},
		{[]string{"--out", "both.csv", "--json", "both.csv"}, 2, "--json and --out both name both.csv"},
		{[]string{"--batch", "0"}, 1, "batch is 0"},
		{[]string{"--split", "group"}, 2, "split"},
	} {
		r := vklstm(t, dir, quick(append([]string{"--data", "falls.npz"}, tc.args...)...)...)
		if r.status != tc.status || !strings.Contains(r.errout, tc.says) {
			t.Errorf("%v: status %d, want %d, and %q in:\n%s", tc.args, r.status, tc.status, tc.says, r.errout)
		}
		if lines := strings.Count(strings.TrimSpace(r.errout), "\n") + 1; lines > 2 || strings.Contains(r.errout, "goroutine ") {
			t.Errorf("%v: %d lines of error:\n%s", tc.args, lines, r.errout)
		}
	}
	if r := vklstm(t, dir, quick("--data", "falls.npz", "--against", "falls.npz")...); r.status != 1 || !strings.Contains(r.errout, `no array "probability"`) {
		t.Errorf("against a data file: %s", r.errout)
	}
	saveModel(t, dir)
	if r := vklstm(t, dir, "evaluate", "--model", "m.h5", "--data", "falls.npz", "--event-key", "none"); r.status != 1 || !strings.Contains(r.errout, "choose one with --event-key") {
		t.Errorf("events of no array: %s", r.errout)
	}
	if r := vklstm(t, dir, "train", "--seed", "4294967295", "--ensemble", "2"); r.status != 1 || !strings.Contains(r.errout, "the last member's seed is beyond 4294967295") {
		t.Errorf("seeds that begin anew: %s", r.errout)
	}
	for _, tc := range []struct {
		seed   string
		beyond bool
	}{{"4294967292", true}, {"4294967291", false}} {
		r := vklstm(t, dir, quick("--data", "none.npz", "--seed", tc.seed, "--seeds", "5")...)
		if beyond := strings.Contains(r.errout, "5 seeds × 1 members need seeds beyond 4294967295"); r.status != 1 || beyond != tc.beyond {
			t.Errorf("5 seeds from %s on: %s", tc.seed, r.errout)
		}
	}
	if r := vklstm(t, dir, quick("--fold-key", "fold")...); r.status != 1 || !strings.Contains(r.errout, "the file that --data names") {
		t.Errorf("folds of no file: %s", r.errout)
	}
}

// TestEvaluateGroups scores with the interval of other persons, and recordings by another array.
func TestEvaluateGroups(t *testing.T) {
	dir := t.TempDir()
	saveGroups(t, filepath.Join(dir, "falls.npz"))
	spec := model.Classifier(60, 6, 4, 0, 4)
	if err := saved.Save(filepath.Join(dir, "m.h5"), &saved.Model{Spec: spec, State: spec.Init(3), LearningRate: 0}); err != nil {
		t.Fatal(err)
	}
	r := vklstm(t, dir, "evaluate", "--model", "m.h5", "--data", "falls.npz", "--device", "cpu", "--group-key", "fold", "--event-key", "subject")
	if r.status != 0 || !strings.Contains(r.out, "resamples of 4 groups (fold)") || !strings.Contains(r.out, "Events by subject, 12 recordings") {
		t.Errorf("groups and events: %s%s", r.out, r.errout)
	}
	var scores struct {
		F1       float64
		Interval metrics.Interval
		Events   struct {
			Recordings int `json:"n_events"`
		}
	}
	r = vklstm(t, dir, "evaluate", "--model", "m.h5", "--data", "falls.npz", "--device", "cpu", "--event-key", "fold", "--json", "-", "--threshold", "0.000001")
	if err := json.Unmarshal([]byte(r.out), &scores); err != nil || scores.Events.Recordings != 4 || scores.Interval.Units != "groups" ||
		!(float64(scores.Interval.Low.F1) < scores.F1 && scores.F1 < float64(scores.Interval.High.F1)) {
		t.Errorf("%v, %+v of %s", err, scores, r.out)
	}
}

// TestCrossvalAgainstSklearn has scikit-learn itself judge the folds, and the scores of the saved probabilities to 1e-12.
func TestCrossvalAgainstSklearn(t *testing.T) {
	python := os.Getenv("VKLSTM_PYTHON")
	switch {
	case python == "" && os.Getenv("VKLSTM_REQUIRE_PYTHON") == "1":
		t.Fatal("VKLSTM_REQUIRE_PYTHON=1, but VKLSTM_PYTHON names no interpreter with scikit-learn; run go run ./cmd/check -setup")
	case python == "":
		t.Skip("no scikit-learn to judge the scores: VKLSTM_PYTHON names no interpreter; go run ./cmd/check -setup installs one")
	}
	dir := t.TempDir()
	saveGroups(t, filepath.Join(dir, "falls.npz"))
	for _, args := range [][]string{{"--epochs", "6"}, {"--epochs", "6", "--repeats", "2", "--seeds", "2", "--folds", "5"}} {
		r := vklstm(t, dir, quick(append([]string{"--data", "falls.npz", "--json", "r.json", "--out", "oof.npz"}, args...)...)...)
		if r.status != 0 {
			t.Fatalf("status %d\n%s", r.status, r.errout)
		}
		out, err := exec.Command(python, filepath.Join("testdata", "crossval_judge.py"), filepath.Join(dir, "oof.npz"), filepath.Join(dir, "r.json")).CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		t.Logf("%v: %s", args, out)
	}
}

// TestCrossvalSideBySide trains all models at once, and one after the other, on each engine and each path of a GPU: the
// result is the same bit for bit.
func TestCrossvalSideBySide(t *testing.T) {
	for _, on := range [][]string{{"cpu"}, {vulkanDevice(), "--path", "general"}, {vulkanDevice(), "--path", "resident"}} {
		t.Run(strings.Join(on, " "), func(t *testing.T) {
			if on[0] == "" {
				if os.Getenv("VKLSTM_REQUIRE_DEVICE") == "1" {
					t.Fatal("there is no Vulkan device")
				}
				t.Skip("there is no Vulkan device")
			}
			var first map[string][]byte
			for _, models := range []string{"0", "1", "2"} {
				dir := t.TempDir()
				saveGroups(t, filepath.Join(dir, "falls.npz"))
				args := quick("--data", "falls.npz", "--ensemble", "2", "--augment", "strong", "--scale", "standard", "--patience", "1",
					"--lr", "0.01", "--lstm-units", "16", "--json", "r.json", "--out", "oof.npz", "--side-by-side", models)
				if r := vklstm(t, dir, append(args, append([]string{"--device"}, on...)...)...); r.status != 0 {
					t.Fatalf("status %d\n%s", r.status, r.errout)
				}
				got := contents(t, dir)
				if first == nil {
					first = got
				}
				for _, name := range []string{"/r.json", "/oof.npz"} {
					if len(got[name]) == 0 || string(got[name]) != string(first[name]) {
						t.Errorf("%s differs when %s models train at a time", name, models)
					}
				}
			}
		})
	}
}
