package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// gestures writes a file of windows of 12 × 3, which move up, down, to and fro, or not at all, with their names as labels.
func gestures(t *testing.T, dir string, names []string) string {
	t.Helper()
	const n, T, F = 240, 12, 3
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 0, n*T*F)
	y, subject := make([]string, n), make([]string, n)
	for i := range n {
		c := i % len(names)
		y[i], subject[i] = names[c], fmt.Sprint("p", i/len(names)%9)
		for s := range T {
			move := []float64{float64(s) / T, 1 - float64(s)/T, math.Sin(float64(s)), 0.5}[c]
			for range F {
				x = append(x, float32(move+0.1*rng.NormFloat64()))
			}
		}
	}
	path := filepath.Join(dir, "gestures.npz")
	file, err := os.Create(path)
	if err == nil {
		err = npz.Write(file, zip.Store, npz.Array{Name: "X", Shape: []int{n, T, F}, Data: x}, npz.Array{Name: "y", Shape: []int{n}, Data: y}, npz.Array{Name: "subject", Shape: []int{n}, Data: subject})
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Words as labels go the whole way: training, the model file in every format, evaluation, prediction and pictures; what evaluate says is what
// the predictions give.
func TestClassesByName(t *testing.T) {
	dir := t.TempDir()
	names := []string{"swipe up", "down", "wave, twice", "rest"}
	gestures(t, dir, names)
	r := vklstm(t, dir, "train", "--data", "gestures.npz", "--device", "cpu", "--no-masking", "--layers", "lstm 16 relu, dropout 0.1, lstm 12, batchnorm, dense 8 tanh",
		"--epochs", "30", "--lr", "0.01", "--split", "group", "--save-best")
	if r.status != 0 || !strings.Contains(r.errout, `4 classes: down 25.0 %, rest 25.0 %, swipe up 25.0 %, wave, twice 25.0 %`) || !strings.Contains(r.out, "mean of classes") {
		t.Fatalf("%+v", r)
	}
	for _, picture := range []string{"plots/confusion_matrix.png", "plots/roc_curve.png", "plots/training_history.png"} {
		if info, err := os.Stat(filepath.Join(dir, picture)); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v", picture, err)
		}
	}
	var test metrics.Classification
	b, err := os.ReadFile(filepath.Join(dir, "plots", "test_metrics.json"))
	if err == nil {
		err = json.Unmarshal(b, &test)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(test.Classes, names) || !(test.Macro.F1 > 0.9) {
		t.Errorf("%v, %s", err, b)
	}
	model := "checkpoints/lstm_best.h5"
	want := ""
	for _, file := range []string{model, "m.keras", "m.npz"} {
		if file != model {
			if r := vklstm(t, dir, "export", "--model", model, "--out", file); r.status != 0 {
				t.Fatalf("%+v", r)
			}
		}
		r := vklstm(t, dir, "predict", "--model", file, "--data", "gestures.npz", "--y-key", "y", "--device", "cpu")
		if want == "" {
			want = r.out
		}
		if r.status != 0 || r.out != want || !strings.HasPrefix(r.out, "window,class,probability_down,probability_rest,probability_swipe up,\"probability_wave, twice\",y\n0,") {
			t.Errorf("%s: %+v", file, r)
		}
	}
	right := 0
	for _, line := range strings.Split(want, "\n") {
		for _, name := range names[:3] {
			if strings.Contains(line, ","+name+",") && strings.HasSuffix(line, ","+name) {
				right++
			}
		}
		if strings.Count(line, `"wave, twice"`) == 2 {
			right++
		}
	}
	r = vklstm(t, dir, "evaluate", "--model", model, "--data", "gestures.npz", "--device", "cpu", "--json", "-")
	var all metrics.Classification
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.status != 0 || math.Abs(float64(all.Accuracy)-float64(right)/240) > 1e-12 {
		t.Errorf("%v, %+v; %d of 240 are right", err, all, right)
	}
	r = vklstm(t, dir, "evaluate", "--model", model, "--data", "gestures.npz", "--device", "cpu", "--event-key", "subject", "--json", "events.json", "--reject", "0.5")
	if b, err := os.ReadFile(filepath.Join(dir, "events.json")); err != nil || r.status != 0 || !strings.Contains(r.out, "Events by subject, 9 recordings") ||
		strings.Count(string(b), `"false_alarms"`) != 4 || !strings.Contains(string(b), `"class": "wave, twice"`) {
		t.Errorf("%+v, %v: %s", r, err, b)
	}
	for _, name := range []string{"lstm.tflite", "lstm.onnx"} {
		r := vklstm(t, dir, "export", "--model", model, "--out", name)
		b, err := os.ReadFile(filepath.Join(dir, name))
		if r.status != 0 || err != nil || !strings.Contains(string(b), `["down","rest","swipe up","wave, twice"]`) {
			t.Errorf("%s: %+v, %v; it does not name the classes", name, r, err)
		}
	}
	for _, tc := range []struct{ args, says string }{
		{"predict --model " + model + " --data gestures.npz --threshold 0.4", "--threshold is of two classes"},
		{"train --data gestures.npz --threshold best-f1", "of 4 outputs the largest counts"},
		{"train --data gestures.npz --positive rest", "--positive says which of two classes"},
		{"train --data gestures.npz --focal-alpha 0.1,0.2,0.3", "lists 3 weights for 4 classes"},
		{"train --data gestures.npz --layers lstm", "the number of units is missing"},
		{"train --data gestures.npz --no-masking --mask-value 3", "--no-masking turns off"},
		{"train --data gestures.npz --monitor f1", "monitor is"},
	} {
		if r := vklstm(t, dir, append(strings.Fields(tc.args), "--device", "cpu")...); r.status != 1 || !strings.Contains(r.errout, tc.says) {
			t.Errorf("%s: %+v, want %q", tc.args, r, tc.says)
		}
	}
	if r := vklstm(t, dir, "predict", "--model", model, "--data", "gestures.npz", "--device", "cpu", "--reject", "0.9999999"); r.status != 0 || !strings.Contains(r.out, ",unsure,") {
		t.Errorf("%+v", r)
	}
}

// Cross-validation holds out each person once: its file has a probability of every class for every window, and the scores are those of that file.
func TestCrossvalClasses(t *testing.T) {
	dir := t.TempDir()
	gestures(t, dir, []string{"up", "down", "wave", "rest"})
	r := vklstm(t, dir, "crossval", "--data", "gestures.npz", "--device", "cpu", "--no-masking", "--layers", "lstm 8, dense 6 relu", "--epochs", "12", "--lr", "0.02",
		"--folds", "3", "--group-key", "subject", "--json", "scores.json", "--out", "oof.npz", "--focal-alpha", "0.2,0.3,0.2,0.3")
	if r.status != 0 || !strings.Contains(r.errout, "categorical focal loss (α [0.2 0.3 0.2 0.3]") {
		t.Fatalf("%+v", r)
	}
	b, err := os.ReadFile(filepath.Join(dir, "scores.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scores struct {
		Classes []string
		Series  []struct{ Scores metrics.Scores }
	}
	if err := json.Unmarshal(b, &scores); err != nil || !slices.Equal(scores.Classes, []string{"down", "rest", "up", "wave"}) || len(scores.Series) != 1 {
		t.Fatalf("%v: %s", err, b)
	}
	f, err := npz.Open(filepath.Join(dir, "oof.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, shape, err := f.Float64("probability")
	if err != nil || !slices.Equal(shape, []int{240, 4}) {
		t.Fatal(err, shape)
	}
	right := 0
	for i := range 240 {
		best := 0
		for c := range 4 {
			if p[i*4+c] > p[i*4+best] {
				best = c
			}
		}
		if scores.Classes[best] == []string{"up", "down", "wave", "rest"}[i%4] {
			right++
		}
	}
	if got := float64(scores.Series[0].Scores.Accuracy); math.Abs(got-float64(right)/240) > 1e-12 || right < 160 {
		t.Errorf("accuracy %v, %d of 240 are right", got, right)
	}
}

// Of two words one is to be found: the second, or the one that is named; the file keeps which.
func TestTwoNames(t *testing.T) {
	dir := t.TempDir()
	gestures(t, dir, []string{"fall", "walk"})
	for _, tc := range []struct{ args, positive, says string }{
		{"", "walk", "walk is the class to be found, y = 1, since it comes second; --positive fall says otherwise"},
		{"--positive fall", "fall", "50.0 % fall"},
	} {
		args := append([]string{"train", "--data", "gestures.npz", "--device", "cpu", "--epochs", "12", "--lr", "0.01", "--save-best", "--lstm-units", "8"}, strings.Fields(tc.args)...)
		r := vklstm(t, dir, args...)
		if r.status != 0 || !strings.Contains(r.errout, tc.says) || !strings.Contains(r.out, "actual "+tc.positive) {
			t.Fatalf("%+v", r)
		}
		r = vklstm(t, dir, "predict", "--model", "checkpoints/lstm_best.h5", "--data", "gestures.npz", "--y-key", "y", "--device", "cpu")
		right := 0
		for _, line := range strings.Split(r.out, "\n") {
			f := strings.Split(line, ",")
			if len(f) == 4 && (f[2] == "1") == (f[3] == tc.positive) {
				right++
			}
		}
		if right < 230 {
			t.Errorf("%s: %d of 240 are right: %.300s", tc.args, right, r.out)
		}
		// Labels are known by name, in whatever order the file has them.
		r = vklstm(t, dir, "evaluate", "--model", "checkpoints/lstm_best.h5", "--data", "gestures.npz", "--device", "cpu", "--json", "-")
		var e metrics.Test
		if err := json.Unmarshal([]byte(r.out), &e); err != nil || !(e.F1 > 0.9) || len(e.Classes) != 2 || e.Classes[1] != tc.positive {
			t.Errorf("%v, %s", err, r.out)
		}
	}
}

// A model's labels are its own: others are refused, two in another order are followed, and those of a file that names none are told.
func TestLabelsOfAModel(t *testing.T) {
	dir := t.TempDir()
	run := func(status int, says string, args ...string) result {
		t.Helper()
		r := vklstm(t, dir, append(args, "--device", "cpu")...)
		if r.status != status || !strings.Contains(r.out+r.errout, says) {
			t.Errorf("%q: %+v, want status %d and %q", args, r, status, says)
		}
		return r
	}
	train := func(to string, more ...string) {
		t.Helper()
		run(0, "", append([]string{"train", "--data", "gestures.npz", "--layers", "lstm 6", "--epochs", "3", "--lr", "0.02", "--save-best", "--checkpoint-dir", to}, more...)...)
	}
	gestures(t, dir, []string{"0", "1"})
	train("numbers")
	gestures(t, dir, []string{"fall", "walk"})
	run(1, "the labels hold fall, and the model tells apart 0, 1", "evaluate", "--model", "numbers/lstm_best.h5", "--data", "gestures.npz")
	train("words", "--positive", "fall")
	model := "words/lstm_best.h5"
	run(0, "predicted fall", "evaluate", "--model", model, "--data", "gestures.npz", "--positive", "fall")
	run(1, "--positive walk: the model was trained to find fall", "evaluate", "--model", model, "--data", "gestures.npz", "--positive", "walk")
	run(0, "actual fall", "train", "--data", "gestures.npz", "--init", model, "--epochs", "1", "--save-best", "--checkpoint-dir", "on")
	if m, err := saved.Load(filepath.Join(dir, "on", "lstm_best.h5")); err != nil || !slices.Equal(m.Classes, []string{"walk", "fall"}) {
		t.Errorf("%+v, %v", m, err)
	}
	gestures(t, dir, []string{"sit", "stand"})
	run(0, "the model given tells apart walk, fall; its outputs stand for sit, stand from here on", "train", "--data", "gestures.npz", "--init", model, "--epochs", "1")
}

// Windows of a differing length are read to the length that a model reads, and refused where it has no Masking.
func TestShorterWindows(t *testing.T) {
	dir := t.TempDir()
	ragged, err := filepath.Abs("../../train/data/testdata/ragged.npz") // windows of up to 5 steps × 2
	if err != nil {
		t.Fatal(err)
	}
	const n = 60
	x, y := make([]float32, n*7*2), make([]int64, n)
	for i := range x {
		x[i] = float32(i%13) - 6
	}
	for i := range y {
		y[i] = int64(i % 2)
	}
	file, err := os.Create(filepath.Join(dir, "long.npz"))
	if err == nil {
		err = npz.Write(file, zip.Store, npz.Array{Name: "X", Shape: []int{n, 7, 2}, Data: x}, npz.Array{Name: "y", Shape: []int{n}, Data: y})
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, masking := range []string{"--mask-value=0", "--no-masking"} {
		if r := vklstm(t, dir, "train", "--data", "long.npz", "--layers", "lstm 3", masking, "--epochs", "1", "--save-best", "--device", "cpu"); r.status != 0 {
			t.Fatalf("%+v", r)
		}
		for _, args := range []string{"predict --data " + ragged, "evaluate --data " + ragged} {
			r := vklstm(t, dir, append(strings.Fields(args), "--model", "checkpoints/lstm_best.h5", "--device", "cpu")...)
			refused := r.status == 1 && strings.Contains(r.errout, "windows of fewer than 7 steps, and the network has no Masking")
			if refused != (masking == "--no-masking") || !refused && r.status != 0 {
				t.Errorf("%s, %s: %+v", masking, args, r)
			}
		}
	}
}
