package judge

import (
	"math"
	"sort"
)

// metrics returns what Keras's metrics of the same names make of labels y and probabilities p, and "auc_exact", the
// area under the ROC curve over every distinct threshold. A window is called positive when p > 0.5.
func metrics(y, p []float64) map[string]float64 {
	var tp, right, called, positive float64
	for i := range y {
		yes := p[i] > 0.5
		if yes == (y[i] > 0) {
			right++
		}
		if yes {
			called++
		}
		if y[i] > 0 {
			positive++
		}
		if yes && y[i] > 0 {
			tp++
		}
	}
	ratio := func(a, b float64) float64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	return map[string]float64{
		"accuracy": right / float64(len(y)), "precision": ratio(tp, called), "recall": ratio(tp, positive),
		"auc":       area(y, p, func(p float64) float64 { return math.Max(math.Ceil(p*199)-1, 0) }), // Keras's 200 thresholds
		"auc_exact": area(y, p, func(p float64) float64 { return p }),
	}
}

// area returns the probability that a positive window scores higher than a negative one, where equal scores count
// half: the trapezoidal area under the ROC curve. One class only: 0, as in Keras.
func area(y, p []float64, score func(float64) float64) float64 {
	order := make([]int, len(y))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return score(p[order[a]]) < score(p[order[b]]) })
	below, sum, positives := 0.0, 0.0, 0.0 // negatives that score lower; pairs won; positives
	for i := 0; i < len(order); {
		var neg, pos float64
		j := i
		for same := true; same; same = j < len(order) && score(p[order[j]]) == score(p[order[i]]) { // NaN equals nothing
			if y[order[j]] > 0 {
				pos++
			} else {
				neg++
			}
			j++
		}
		sum += pos * (below + neg/2)
		below += neg
		positives += pos
		i = j
	}
	if below == 0 || positives == 0 {
		return 0
	}
	return sum / (below * positives)
}
