package metrics

// Evaluation is how a model judges windows whose labels are known.
type Evaluation struct {
	Test                  // of two classes the scores at the model's threshold, and the confusion matrix; of more accuracy and the means over classes
	Y           []float32 // [n], labels
	Probability []float32 // [n], P(y = 1), or [n][C] of C classes

	Classification *Classification // of more than two classes
}

// ScoreAt compares probabilities p[n] with labels y[n]; a window counts as positive when its own is above threshold.
func ScoreAt(y, p []float32, threshold float64) *Evaluation {
	m := Compute(y, p, NaN, threshold)
	v := &Evaluation{Y: y, Probability: p}
	v.Accuracy, v.Precision, v.Recall, v.F1, v.AUC = Number(m.Accuracy), Number(m.Precision), Number(m.Recall), Number(m.F1), Number(m.AUC)
	v.Confusion = m.Confusion
	v.Samples, v.Threshold = len(y), threshold
	return v
}

// curve returns the ROC curve as pairs of false and true positive rate; nil where it is undefined.
func (v *Evaluation) Curve() [][2]float64 {
	points, ok := ROC(v.Y, v.Probability)
	if !ok {
		return nil
	}
	pairs := make([][2]float64, len(points))
	for i, p := range points {
		pairs[i] = [2]float64{p.FPR, p.TPR}
	}
	return pairs
}
