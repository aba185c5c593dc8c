package metrics

// Evaluation is how a model judges windows whose labels are known.
type Evaluation struct {
	Test                  // of two classes the scores at the model's threshold, and the confusion matrix; of more accuracy and the means over classes
	Y           []float32 // [n], labels
	Probability []float32 // [n], P(y = 1), or [n][C] of C classes

	Classification *Classification // of more than two classes
}

// Judge says how probabilities are judged: of a network with one output by a threshold, of one with an output for each class by the
// largest.
type Judge struct {
	Threshold float64
	Classes   []string // names of the outputs; nil: there is one
	Names     []string // of one output the names of the negative and of the positive class; nil: 0 and 1
	Reject    float64  // Classes: the largest probability below which a window is not judged; 0: none is
}

// Score compares probabilities, p[n] or p[n][C], with labels y[n].
func (j Judge) Score(y, p []float32) *Evaluation {
	if j.Classes != nil {
		return ScoreClasses(y, p, j.Classes, j.Reject)
	}
	e := ScoreAt(y, p, j.Threshold)
	e.Test.Classes = j.Names
	return e
}

// Unsure is what ClassOf answers where it rejects a window.
const Unsure = "unsure"

// ClassOf returns the class of a window with the probabilities p[C]: that of the largest, Unsure where it is below Reject, "" where one
// is NaN.
func (j Judge) ClassOf(p []float32) string {
	c := Largest(p)
	switch {
	case c < 0:
		return ""
	case float64(p[c]) < j.Reject:
		return Unsure
	}
	return j.Classes[c]
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
