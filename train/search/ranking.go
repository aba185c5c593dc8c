package search

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Ranked is a trial's place in the result.
type Ranked struct {
	Rank     int // from 1
	Trial    int // from 0
	Settings []Setting
	Rung     int      // the last one that it reached
	Results  []Result // at that rung, one for each seed
	ValF1    float64  // mean over the seeds; NaN when one is undefined
	ValAUC   float64  // mean over the seeds; NaN when one is undefined
	SD       float64  // standard deviation of F1 over the seeds (n − 1); NaN for one seed
}

// Epochs returns the least and the most epochs that the seeds were trained.
func (r Ranked) Epochs() (least, most int) {
	least = math.MaxInt
	for _, s := range r.Results {
		least, most = min(least, s.Epochs), max(most, s.Epochs)
	}
	return least, most
}

// ranked sums up a trial's results at a rung.
func ranked(trial int, settings []Setting, results []Result) Ranked {
	r := Ranked{Trial: trial, Settings: settings, Results: results}
	var f1, auc []float64
	for _, s := range results {
		r.Rung = s.Rung
		f1, auc = append(f1, s.ValF1), append(auc, s.ValAUC)
	}
	r.ValF1, r.ValAUC, r.SD = stat.Mean(f1, nil), stat.Mean(auc, nil), stat.StdDev(f1, nil)
	return r
}

// compare orders trials: those of the later rung first, then by mean F1, by mean AUC (early on, many have an F1 of 0), and
// by number, so that no two are equal. What is undefined comes
// last, as cmp.Compare puts NaN before all numbers.
func compare(a, b Ranked) int {
	return cmp.Or(cmp.Compare(b.Rung, a.Rung), cmp.Compare(b.ValF1, a.ValF1), cmp.Compare(b.ValAUC, a.ValAUC), cmp.Compare(a.Trial, b.Trial))
}

// rank sorts trials and numbers them.
func rank(list []Ranked) []Ranked {
	slices.SortFunc(list, compare)
	for i := range list {
		list[i].Rank = i + 1
	}
	return list
}
