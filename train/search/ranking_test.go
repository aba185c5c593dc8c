package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestRank has trials in the order in which they must stand, whatever order they come in.
func TestRank(t *testing.T) {
	nan := math.NaN()
	at := func(trial, rung int, f1, auc []float64) Ranked {
		var list []Result
		for i := range f1 {
			list = append(list, Result{Trial: trial, Seed: uint32(i), Rung: rung, ValF1: f1[i], ValAUC: auc[i]})
		}
		return ranked(trial, nil, list)
	}
	list := []Ranked{
		at(7, 2, []float64{.5, .3}, []float64{.5, .5}), // a later rung stands first
		at(1, 1, []float64{.9, .7}, []float64{.1, .1}),
		at(3, 1, []float64{.7, .7}, []float64{.9, .7}), // the same F1 as the next, by a better AUC
		at(2, 1, []float64{.7, .7}, []float64{.7, .7}),
		at(4, 1, []float64{.7, .7}, []float64{.7, .7}), // by number
		at(0, 1, []float64{.7, .7}, []float64{.7, nan}),
		at(5, 1, []float64{1, nan}, []float64{1, 1}), // one of its seeds went wrong
		at(8, 1, []float64{nan, nan}, []float64{nan, nan}),
		at(6, 0, []float64{1, 1}, []float64{1, 1}),
	}
	var want []int
	for _, r := range list {
		want = append(want, r.Trial)
	}
	for seed := range uint64(20) {
		shuffled := slices.Clone(list)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i, r := range rank(shuffled) {
			if r.Trial != want[i] || r.Rank != i+1 {
				t.Fatalf("place %d: trial %d of rank %d, want trial %d", i+1, r.Trial, r.Rank, want[i])
			}
		}
	}
	r := list[1]
	if math.Abs(r.ValF1-.8) > 1e-15 || math.Abs(r.SD-math.Sqrt(.02)) > 1e-15 {
		t.Errorf("mean %v ± %v, want 0.8 ± √0.02", r.ValF1, r.SD)
	}
}

// TestTable checks that tables fit a terminal, by a column for each flag or by one for all, and name what is undefined.
func TestTable(t *testing.T) {
	narrow := &Study{Space: tries(t, "lr=1:2", "augment=a,b"), Repeats: 2}
	wide := &Study{Space: tries(t, "lr=1:2", "augment=a,b", "dropout=0:1", "lstm-units=1;2,3", "batch=1,2", "epochs=1,2"), Repeats: 1}
	for _, s := range []*Study{narrow, wide} {
		trials, err := s.Space.Random(1, 8)
		if err != nil {
			t.Fatal(err)
		}
		var list []Ranked
		for i, settings := range trials {
			results := []Result{{Trial: i, ValF1: .9 - float64(i)/100, Epochs: 10 + i}}
			if s.Repeats > 1 {
				results = append(results, Result{Trial: i, ValF1: .8, Epochs: 12})
			}
			if i == 7 {
				results[0].ValF1 = math.NaN()
			}
			list = append(list, ranked(i, settings, results))
		}
		var b strings.Builder
		if err := s.WriteTable(&b, rank(list)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > tableWidth {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		for _, v := range trials[0] {
			if !strings.Contains(strings.ReplaceAll(b.String(), "\n", " "), v.Value) {
				t.Errorf("%v is not in\n%s", v, b.String())
			}
		}
		for _, want := range []string{"undefined", map[int]string{1: "0.9000", 2: "0.8500 ± 0.0707"}[s.Repeats], map[int]string{1: " 10 ", 2: "10–12"}[s.Repeats]} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q is not in\n%s", want, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Error("control characters")
		}
	}
}
