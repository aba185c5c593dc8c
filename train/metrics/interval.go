package metrics

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Scores are how well probabilities tell the classes apart, at a threshold. AUC is NaN (null in JSON) when one class is
// missing; precision without a positive prediction, recall without a positive window, and F1 without either, are 0, as
// scikit-learn has them.
type Scores struct {
	Accuracy  Number `json:"accuracy"`
	Precision Number `json:"precision"`
	Recall    Number `json:"recall"`
	F1        Number `json:"f1"`
	AUC       Number `json:"roc_auc"`
}

// Values are the scores in their order.
func (s Scores) Values() [5]Number {
	return [5]Number{s.Accuracy, s.Precision, s.Recall, s.F1, s.AUC}
}

// Predicted is one prediction of every window.
type Predicted struct {
	Probability []float32 // [N], or [N][C] of C classes
	Positive    []bool    // [N], whether the window counts as positive; nil of C classes
	Class       []int32   // [N], of C classes the one that the window counts as; nil of two by one probability
}

// Classes returns C, 0 where there is one probability.
func (p Predicted) Classes() int {
	if p.Class == nil {
		return 0
	}
	return len(p.Probability) / len(p.Class)
}

// Matrix counts the listed windows (nil: all) by class and prediction.
func (p Predicted) Matrix(y []float32, windows []int32) [][]int {
	if windows == nil {
		windows = All(len(y))
	}
	m := make([][]int, p.Classes())
	for c := range m {
		m[c] = make([]int, len(m))
	}
	for _, w := range windows {
		m[int(y[w])][p.Class[w]]++
	}
	return m
}

func ScoresOf(v [5]float64) Scores {
	return Scores{Number(v[0]), Number(v[1]), Number(v[2]), Number(v[3]), Number(v[4])}
}

// Score judges the listed windows (nil: all). Of several classes the scores are means over classes, and there is no Confusion.
func Score(y []float32, predicted Predicted, windows []int32) (Scores, Confusion) {
	if windows == nil {
		windows = All(len(y))
	}
	if C := predicted.Classes(); C > 0 {
		var p []float32
		for _, w := range windows {
			p = append(p, predicted.Probability[int(w)*C:(int(w)+1)*C]...)
		}
		m := Classify(Labels(y, windows), p, make([]string, C))
		return Scores{m.Accuracy, m.Macro.Precision, m.Macro.Recall, m.Macro.F1, m.Macro.AUC}, Confusion{}
	}
	var c Confusion
	labels, probabilities := make([]float32, len(windows)), make([]float32, len(windows))
	for i, w := range windows {
		labels[i], probabilities[i] = y[w], predicted.Probability[w]
		count(&c, y[w] == 1, predicted.Positive[w], 1)
	}
	auc, _ := AUC(labels, probabilities)
	return scoresFrom(c, auc), c
}

func count(c *Confusion, actual, predicted bool, n int) {
	switch {
	case predicted && actual:
		c.TP += n
	case predicted:
		c.FP += n
	case actual:
		c.FN += n
	default:
		c.TN += n
	}
}

func scoresFrom(c Confusion, auc float64) Scores {
	return ScoresOf([5]float64{c.Accuracy(), c.Precision(), c.Recall(), c.F1(), auc})
}

// meanAndSD returns the mean and the standard deviation (of a sample: divided by n−1) of each score. What is undefined
// in one is undefined in both; the deviation of one is undefined.
func MeanAndSD(list []Scores) (mean, sd Scores) {
	var m, d [5]float64
	n := float64(len(list))
	for _, s := range list {
		for i, v := range s.Values() {
			m[i] += float64(v)
		}
	}
	for i := range m {
		m[i] /= n
	}
	for _, s := range list {
		for i, v := range s.Values() {
			d[i] += float64((float64(v) - m[i]) * (float64(v) - m[i]))
		}
	}
	for i := range d {
		d[i] = math.Sqrt(d[i] / (n - 1))
	}
	return ScoresOf(m), ScoresOf(d)
}

// Interval is the bootstrap's percentile interval of each score.
type Interval struct {
	Low       Scores  `json:"low"`
	High      Scores  `json:"high"`
	Level     float64 `json:"level"`     // share of the resamples between
	Resamples int     `json:"resamples"` // drawn
	Units     string  `json:"units"`     // what is drawn: "groups", or "windows" where the data has none
	NoAUC     int     `json:"no_auc"`    // resamples with one class only, which AUC's interval is without
}

// Resamples is how many resamples an Interval is of.
const Resamples = 2000

// level is the share of the resamples inside of an Interval.
const level = 0.95

// Uncertainty returns how far an evaluation's scores reach when its groups are drawn anew: group[n] numbers that of each
// window from 0, and nil draws windows.
func Uncertainty(e *Evaluation, group []int32) Interval {
	s := Predicted{Probability: e.Probability}
	if e.Classification != nil {
		C := len(e.Classification.Classes)
		for i := range e.Y {
			s.Class = append(s.Class, int32(max(0, Largest(e.Probability[i*C:(i+1)*C]))))
		}
	} else {
		s.Positive = make([]bool, len(e.Probability))
		for i, p := range e.Probability {
			s.Positive[i] = float64(p) > e.Threshold
		}
	}
	return Bootstrap(e.Y, group, []Predicted{s}, nil, Resamples)
}

// bootstrap draws groups (or windows, where group is nil) with replacement, as many as there are, scores their windows,
// takes the mean over the series, and returns what 95 % of the resamples lie between (Efron 1979, doi
// 10.1214/aos/1176344552; the percentile interval). With a base it is the difference to its mean on the same resamples. A
// group is drawn with all its windows, since those of one person are alike. The draws are always the same.
func Bootstrap(y []float32, group []int32, series, base []Predicted, resamples int) Interval {
	units := "groups"
	if group == nil {
		units = "windows"
		group = make([]int32, len(y))
		for i := range group {
			group[i] = int32(i)
		}
	}
	n := int(slices.Max(group)) + 1
	list, against := resamplers(y, group, n, series), resamplers(y, group, n, base)
	interval := Interval{Level: level, Resamples: resamples, Units: units}
	random := rand.New(rand.NewPCG(1, 2))
	var all [5][]float64
	// One goroutine for each core scores a resample at a time; the draws are made here, in order.
	found := make([][5]float64, runtime.GOMAXPROCS(0))
	for done := 0; done < resamples; done += len(found) {
		var scored sync.WaitGroup
		atOnce := min(len(found), resamples-done)
		for j := range atOnce {
			weight := make([]int, n)
			for range n {
				weight[random.IntN(n)]++
			}
			scored.Go(func() {
				found[j] = meanScore(list, weight)
				for i, v := range meanScore(against, weight) {
					found[j][i] -= v
				}
			})
		}
		scored.Wait()
		for _, f := range found[:atOnce] {
			for i, v := range f {
				if !math.IsNaN(v) {
					all[i] = append(all[i], v)
				}
			}
		}
	}
	interval.NoAUC = resamples - len(all[4])
	var low, high [5]float64
	for i, v := range all {
		slices.Sort(v)
		low[i], high[i] = percentile(v, 100*(1-level)/2), percentile(v, 100*(1+level)/2)
	}
	interval.Low, interval.High = ScoresOf(low), ScoresOf(high)
	return interval
}

// resamplers returns a resampler for each series.
func resamplers(y []float32, group []int32, groups int, series []Predicted) []scorer {
	var list []scorer
	for _, s := range series {
		C := s.Classes()
		if C == 0 {
			list = append(list, newResampler(y, s.Probability, s.Positive, group, groups))
			continue
		}
		var of classResampler
		for c := range C {
			own, is, counts := make([]float32, len(y)), make([]float32, len(y)), make([]bool, len(y))
			for i, v := range y {
				own[i], counts[i] = s.Probability[i*C+c], int(s.Class[i]) == c
				if int(v) == c {
					is[i] = 1
				}
			}
			of = append(of, newResampler(is, own, counts, group, groups))
		}
		list = append(list, of)
	}
	return list
}

// scorer scores one series with each group's windows counted as often as it was drawn.
type scorer interface{ score(weight []int) Scores }

// classResampler is a scorer of several classes: of each against the rest.
type classResampler []resampler

func (of classResampler) score(weight []int) Scores {
	var sum [5]float64
	right, all, seen := 0, 0, 0
	for _, r := range of {
		c, auc := r.counted(weight)
		right, all = right+c.TP, c.N()
		sum[4] += auc
		if c.TP+c.FP+c.FN == 0 { // a class that is neither there nor predicted
			continue
		}
		seen++
		sum[1] += c.Precision()
		sum[2] += c.Recall()
		sum[3] += c.F1()
	}
	sum[0] = float64(right) / float64(all)
	for i := 1; i < 4; i++ {
		sum[i] /= float64(seen)
	}
	sum[4] /= float64(len(of))
	return ScoresOf(sum)
}

// meanScore returns the mean of the series' scores on one resample, zeros of none.
func meanScore(list []scorer, weight []int) (mean [5]float64) {
	for _, r := range list {
		for i, v := range r.score(weight).Values() {
			mean[i] += float64(v) / float64(len(list))
		}
	}
	return mean
}

// percentile returns the q-th percentile of sorted numbers as np.percentile does: a straight line between the two at
// q/100·(n−1). It is NaN of none.
func percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q / 100 * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + float64((at-float64(i))*(sorted[j]-sorted[i]))
}

// resampler scores one series with each group's windows counted as often as it was drawn.
type resampler struct {
	counts []Confusion // of each group
	steps  []step      // windows by probability, the highest first
}

// step is a window in the order of probabilities.
type step struct {
	group    int32
	positive bool // its label
	last     bool // the next one's probability is lower
}

func newResampler(y, p []float32, positive []bool, group []int32, groups int) resampler {
	r := resampler{counts: make([]Confusion, groups)}
	order := make([]int32, len(y))
	for i := range order {
		order[i] = int32(i)
		count(&r.counts[group[i]], y[i] == 1, positive[i], 1)
	}
	slices.SortFunc(order, func(i, j int32) int {
		switch {
		case p[i] > p[j]:
			return -1
		case p[i] < p[j]:
			return 1
		}
		return 0
	})
	for at, i := range order {
		r.steps = append(r.steps, step{group[i], y[i] == 1, at+1 == len(order) || p[order[at+1]] != p[i]})
	}
	return r
}

// score returns the scores of weight[g] copies of each group g's windows.
func (r resampler) score(weight []int) Scores {
	c, auc := r.counted(weight)
	return scoresFrom(c, auc)
}

// counted returns the counts, and the AUC, of weight[g] copies of each group g's windows.
func (r resampler) counted(weight []int) (c Confusion, auc float64) {
	for g, w := range weight {
		n := r.counts[g]
		c.TN += w * n.TN
		c.FP += w * n.FP
		c.FN += w * n.FN
		c.TP += w * n.TP
	}
	// Of each pair of a positive and a negative window, 2 where the positive has the higher probability, 1 for a tie.
	var halves, above, pos, neg int
	for _, s := range r.steps {
		w := weight[s.group]
		if s.positive {
			pos += w
		} else {
			neg += w
		}
		if s.last {
			halves += neg * (2*above + pos)
			above += pos
			pos, neg = 0, 0
		}
	}
	positives, negatives := c.TP+c.FN, c.TN+c.FP
	auc = math.NaN()
	if positives > 0 && negatives > 0 {
		auc = float64(halves) / 2 / float64(positives) / float64(negatives)
	}
	return c, auc
}
