package train

import "vklstm/train/report"

// Evaluation is how a model judges windows whose labels are known.
type Evaluation struct {
	report.Test           // the scores at the model's threshold, and the confusion matrix
	Y           []float32 // [n], labels
	Probability []float32 // [n], P(y = 1)
}

// ScoreAt compares probabilities p[n] with labels y[n]; a window counts as positive when its own is above threshold.
func ScoreAt(y, p []float32, threshold float64) *Evaluation {
	m := ComputeMetrics(y, p, nan, threshold)
	v := &Evaluation{Y: y, Probability: p}
	v.Accuracy, v.Precision, v.Recall, v.F1, v.AUC = report.Number(m.Accuracy), report.Number(m.Precision), report.Number(m.Recall), report.Number(m.F1), report.Number(m.AUC)
	v.Confusion = report.Matrix(m.Confusion)
	v.Samples, v.Threshold = len(y), threshold
	return v
}

// curve returns the ROC curve as pairs of false and true positive rate; nil where it is undefined.
func (v *Evaluation) curve() [][2]float64 {
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
