package metrics

import (
	"fmt"
	"math"
	"slices"
)

// Confusion counts windows by label and prediction.
type Confusion struct {
	TN int `json:"tn"` // y = 0, predicted 0
	FP int `json:"fp"` // y = 0, predicted 1
	FN int `json:"fn"` // y = 1, predicted 0
	TP int `json:"tp"` // y = 1, predicted 1
}

// Add counts a window with label y and probability p, predicted 1 when p > threshold, strictly.
func (c *Confusion) Add(y, p float32, threshold float64) {
	switch positive := float64(p) > threshold; {
	case positive && y == 1:
		c.TP++
	case positive:
		c.FP++
	case y == 1:
		c.FN++
	default:
		c.TN++
	}
}

// N returns the number of windows counted.
func (c Confusion) N() int { return c.TN + c.FP + c.FN + c.TP }

// Accuracy returns the share of right predictions, NaN of none.
func (c Confusion) Accuracy() float64 { return float64(c.TN+c.TP) / float64(c.N()) }

// Precision returns the share of positive windows among those predicted so, 0 when none is.
func (c Confusion) Precision() float64 { return share(c.TP, c.TP+c.FP) }

// Recall returns the share of positive windows that are predicted so, 0 when there is none.
func (c Confusion) Recall() float64 { return share(c.TP, c.TP+c.FN) }

// F1 returns the harmonic mean of precision and recall, 2·TP/(2·TP + FP + FN), 0 when that is 0/0.
func (c Confusion) F1() float64 { return share(2*c.TP, 2*c.TP+c.FP+c.FN) }

// RunningF1 returns F1 as the epochs' history has it, 2pr/(p + r + 1e-7): below F1 by less than 1e-7.
func (c Confusion) RunningF1() float64 {
	p, r := c.Precision(), c.Recall()
	return 2 * p * r / (p + r + 1e-7)
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Metrics is how well probabilities tell the classes apart. What is undefined is NaN: AUC
// with one class, everything but the counts without windows or when a probability is NaN, a loss that is not finite.
type Metrics struct {
	Loss       float64
	Accuracy   float64
	Precision  float64
	Recall     float64
	F1         float64   // exact
	RunningF1  float64   // 2pr/(p + r + 1e-7), the history's
	AUC        float64   // area under the ROC curve, exact, ties count half
	AUCDefined bool      // both classes are there, and no probability is NaN
	Confusion  Confusion // of the windows whose probability is a number
	NaN        int       // windows whose probability is NaN
}

// ComputeMetrics judges probabilities p[N] by labels y[N]; loss is copied. A window is predicted 1 when
// p > threshold (0.5 by default everywhere), strictly. It panics when the lengths differ.
func Compute(y, p []float32, loss, threshold float64) Metrics {
	sameLength(y, p)
	m := Metrics{Loss: loss}
	for i, p := range p {
		if p != p {
			m.NaN++
			continue
		}
		m.Confusion.Add(y[i], p, threshold)
	}
	if m.NaN > 0 || len(p) == 0 {
		nan := math.NaN()
		m.Accuracy, m.Precision, m.Recall, m.F1, m.RunningF1, m.AUC = nan, nan, nan, nan, nan, nan
		return m
	}
	c := m.Confusion
	m.Accuracy, m.Precision, m.Recall = c.Accuracy(), c.Precision(), c.Recall()
	m.F1, m.RunningF1 = c.F1(), c.RunningF1()
	m.AUC, m.AUCDefined = AUC(y, p)
	return m
}

func sameLength(y, p []float32) {
	if len(y) != len(p) {
		panic(fmt.Sprintf("train: %d labels for %d probabilities", len(y), len(p)))
	}
}

// AUC returns the area under the ROC curve: the share of pairs of a positive and a negative window in which the
// positive one has the higher probability, ties counting half. It is exact: pairs are counted in integers. It
// returns NaN and false when a class is missing or a probability is NaN, and panics when the lengths differ.
func AUC(y, p []float32) (float64, bool) {
	var halves, pos, neg uint64 // halves: 2 per pair in the right order, 1 per tie
	ok := ties(y, p, func(_ float32, tiePos, tieNeg uint64) {
		halves += tieNeg * (2*pos + tiePos)
		pos, neg = pos+tiePos, neg+tieNeg
	})
	if !ok || pos == 0 || neg == 0 {
		return math.NaN(), false
	}
	return float64(halves) / 2 / float64(pos) / float64(neg), true
}

// ties visits the distinct probabilities in descending order with the number of positive and negative windows of
// each. It returns false, and visits nothing, when a probability is NaN.
func ties(y, p []float32, visit func(p float32, pos, neg uint64)) bool {
	sameLength(y, p)
	order := All(len(p))
	for _, p := range p {
		if p != p {
			return false
		}
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
	for at := 0; at < len(order); {
		value := p[order[at]]
		var n [2]uint64
		for ; at < len(order) && p[order[at]] == value; at++ {
			if y[order[at]] == 1 {
				n[1]++
			} else {
				n[0]++
			}
		}
		visit(value, n[1], n[0])
	}
	return true
}

// ROCPoint is a point of the ROC curve: the rates when p ≥ Threshold is predicted 1.
type ROCPoint struct {
	FPR       float64 // false positive rate, FP/(FP + TN)
	TPR       float64 // true positive rate, TP/(TP + FN)
	Threshold float64 // +Inf at the first point, (0,0)
}

// ROC returns the ROC curve from (0,0) to (1,1), one point for each distinct probability. It returns nil and false
// when a class is missing or a probability is NaN, and panics when the lengths differ.
func ROC(y, p []float32) ([]ROCPoint, bool) {
	var pos, neg uint64
	points := []ROCPoint{{0, 0, math.Inf(1)}}
	ok := ties(y, p, func(value float32, tiePos, tieNeg uint64) {
		pos, neg = pos+tiePos, neg+tieNeg
		points = append(points, ROCPoint{float64(neg), float64(pos), float64(value)})
	})
	if !ok || pos == 0 || neg == 0 {
		return nil, false
	}
	for i := range points {
		points[i].FPR /= float64(neg)
		points[i].TPR /= float64(pos)
	}
	return points, true
}
