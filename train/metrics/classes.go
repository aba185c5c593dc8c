package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// ClassScore is how well one class is told from all others. Precision without a prediction of it, recall without a window of it, and
// F1 without either, are 0, as scikit-learn has them; AUC is NaN without a window of it, or with nothing else.
type ClassScore struct {
	Class     string `json:"class"`
	Precision Number `json:"precision"`
	Recall    Number `json:"recall"`
	F1        Number `json:"f1"`
	AUC       Number `json:"roc_auc"` // one against the rest
	Support   int    `json:"support"` // windows of it
}

// Average is a mean over classes.
type Average struct {
	Precision Number `json:"precision"`
	Recall    Number `json:"recall"`
	F1        Number `json:"f1"`
	AUC       Number `json:"roc_auc"` // NaN where it is of any class
}

// Classification is how well more than two classes are told apart: each window counts as the class of its largest probability, the first
// of equals. All is as in scikit-learn: means are over the classes that are there or predicted, those of AUC over all.
type Classification struct {
	Classes   []string     `json:"classes"`
	Accuracy  Number       `json:"accuracy"`
	Balanced  Number       `json:"balanced_accuracy"` // mean recall of the classes that are there
	Macro     Average      `json:"macro"`             // each class counts alike
	Weighted  Average      `json:"weighted"`          // each window counts alike
	Kappa     Number       `json:"cohen_kappa"`
	LogLoss   Number       `json:"log_loss"`
	PerClass  []ClassScore `json:"per_class"`
	Confusion [][]int      `json:"confusion_matrix"` // windows by class and prediction
	Samples   int          `json:"n_samples"`

	Reject float64 `json:"reject,omitempty"` // windows whose largest probability is below are left out of all else
	Unsure int     `json:"unsure,omitempty"` // that many
}

// Largest returns the class of the largest probability, the first of equals, and −1 where one is NaN.
func Largest(p []float32) int {
	best := 0
	for c, v := range p {
		if v != v {
			return -1
		}
		if v > p[best] {
			best = c
		}
	}
	return best
}

// classifies counts y[n] and the predictions of p[n][C], windows by class and prediction; false where a probability is NaN.
func classifies(y, p []float32, classes int) ([][]int, bool) {
	matrix := make([][]int, classes)
	for c := range matrix {
		matrix[c] = make([]int, classes)
	}
	for i, v := range y {
		c := Largest(p[i*classes : (i+1)*classes])
		if c < 0 {
			return matrix, false
		}
		matrix[int(v)][c]++
	}
	return matrix, true
}

// Classify judges probabilities p[n][C] by labels y[n], which number the classes from 0.
func Classify(y, p []float32, classes []string) Classification {
	C := len(classes)
	m := Classification{Classes: classes, Samples: len(y)}
	var ok bool
	if m.Confusion, ok = classifies(y, p, C); !ok || len(y) == 0 {
		nan := Number(NaN)
		none := Average{nan, nan, nan, nan}
		m.Accuracy, m.Balanced, m.Macro, m.Weighted, m.Kappa, m.LogLoss = nan, nan, none, none, nan, nan
		for _, name := range classes {
			m.PerClass = append(m.PerClass, ClassScore{Class: name, Precision: nan, Recall: nan, F1: nan, AUC: nan})
		}
		return m
	}
	n, right, chance, there := float64(len(y)), 0.0, 0.0, 0
	seen := 0 // classes that are there or predicted
	own, of := make([]float32, len(y)), make([]float32, len(y))
	for c, name := range classes {
		actual, predicted := 0, 0
		for j := range C {
			actual += m.Confusion[c][j]
			predicted += m.Confusion[j][c]
		}
		hit := m.Confusion[c][c]
		right += float64(hit)
		chance += float64(actual) * float64(predicted)
		for i := range y {
			own[i], of[i] = p[i*C+c], 0
			if int(y[i]) == c {
				of[i] = 1
			}
		}
		auc, _ := AUC(of, own)
		s := ClassScore{name, Number(share(hit, predicted)), Number(share(hit, actual)), Number(share(2*hit, actual+predicted)), Number(auc), actual}
		m.PerClass = append(m.PerClass, s)
		if actual > 0 {
			there++
			m.Balanced += s.Recall
		}
		if actual+predicted > 0 {
			seen++
		}
		weight := Number(float64(actual) / n)
		for _, a := range []struct {
			to     *Average
			weight Number
		}{{&m.Macro, 1}, {&m.Weighted, weight}} {
			a.to.Precision += a.weight * s.Precision
			a.to.Recall += a.weight * s.Recall
			a.to.F1 += a.weight * s.F1
			a.to.AUC += a.weight * s.AUC
		}
	}
	m.Accuracy, m.Balanced = Number(right/n), m.Balanced/Number(there)
	m.Macro.Precision, m.Macro.Recall, m.Macro.F1 = m.Macro.Precision/Number(seen), m.Macro.Recall/Number(seen), m.Macro.F1/Number(seen)
	m.Macro.AUC /= Number(C)
	m.Kappa = Number(NaN)
	if expected := chance / n / n; expected < 1 {
		m.Kappa = Number((right/n - expected) / (1 - expected))
	}
	const eps = 0x1p-52 // what scikit-learn keeps float64 probabilities away from 0 and 1 by
	for i, v := range y {
		q := min(max(float64(p[i*C+int(v)]), eps), 1-eps)
		m.LogLoss -= Number(math.Log(q) / n)
	}
	return m
}

// ScoreClasses compares probabilities p[n][C] with labels y[n], which number the classes from 0. With reject above 0, windows whose
// largest probability is below it are told apart as unsure, and left out of the scores.
func ScoreClasses(y, p []float32, classes []string, reject float64) *Evaluation {
	v := &Evaluation{Y: y, Probability: p}
	if reject > 0 {
		C := len(classes)
		v.Y, v.Probability = nil, nil
		for i := range y {
			if q := p[i*C : (i+1)*C]; !(float64(slices.Max(q)) < reject) {
				v.Y, v.Probability = append(v.Y, y[i]), append(v.Probability, q...)
			}
		}
	}
	m := Classify(v.Y, v.Probability, classes)
	m.Reject, m.Unsure = reject, len(y)-len(v.Y)
	v.Classification = &m
	v.Accuracy, v.Precision, v.Recall, v.F1, v.AUC = m.Accuracy, m.Macro.Precision, m.Macro.Recall, m.Macro.F1, m.Macro.AUC
	v.Samples = m.Samples
	return v
}

// Curves returns the ROC curve of each class against the rest, nil where it is undefined.
func (v *Evaluation) Curves() [][][2]float64 {
	C := len(v.Classification.Classes)
	curves := make([][][2]float64, C)
	for c := range curves {
		one := Evaluation{Y: make([]float32, len(v.Y)), Probability: make([]float32, len(v.Y))}
		for i, y := range v.Y {
			one.Probability[i] = v.Probability[i*C+c]
			if int(y) == c {
				one.Y[i] = 1
			}
		}
		curves[c] = one.Curve()
	}
	return curves
}

// WriteJSON writes the scores as indented JSON: of two classes Test's, of more Classification's.
func (v *Evaluation) WriteJSON(w io.Writer) error {
	if v.Classification == nil {
		return v.Test.WriteJSON(w)
	}
	b, err := json.MarshalIndent(v.Classification, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encode test metrics: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
