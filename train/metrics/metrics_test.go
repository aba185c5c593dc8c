package metrics

import (
	"math"
	"slices"
	"testing"

	"vklstm/train/internal/traintest"

	"gonum.org/v1/gonum/stat"
)

// Sums of a hundred ratios in two orders differ by some 100·2⁻⁵³ ≈ 1e-14.
const metricsTol = 1e-12

func near(a, b float64) bool { return math.Abs(a-b) <= metricsTol }

func TestMetricsAreScikitLearns(t *testing.T) {
	for _, tc := range traintest.Golden[[]struct {
		Name                                            string
		Y, P                                            []float32
		Threshold, Accuracy, Precision, Recall, F1, AUC float64
		Confusion                                       [4]int
		FPR, TPR, Thresholds                            []float64
	}](t, "metrics.json") {
		m := Compute(tc.Y, tc.P, 0.25, tc.Threshold)
		if !near(m.Accuracy, tc.Accuracy) || !near(m.Precision, tc.Precision) || !near(m.Recall, tc.Recall) || !near(m.F1, tc.F1) ||
			!near(m.AUC, tc.AUC) || !m.AUCDefined || m.Loss != 0.25 || m.NaN != 0 {
			t.Errorf("%s at %v: %+v, want %+v", tc.Name, tc.Threshold, m, tc)
		}
		if d := m.F1 - m.RunningF1; d < 0 || d > 1e-7 || m.F1 > 0 && d == 0 {
			t.Errorf("%s: running F1 %v, exact %v", tc.Name, m.RunningF1, m.F1)
		}
		if c := m.Confusion; [4]int{c.TN, c.FP, c.FN, c.TP} != tc.Confusion || c.N() != len(tc.Y) {
			t.Errorf("%s at %v: %+v, want %v", tc.Name, tc.Threshold, c, tc.Confusion)
		}
		points, ok := ROC(tc.Y, tc.P)
		if !ok || len(points) != len(tc.FPR) {
			t.Errorf("%s: %d ROC points, want %d", tc.Name, len(points), len(tc.FPR))
			continue
		}
		area := 0.0
		for i, p := range points {
			if !near(p.FPR, tc.FPR[i]) || !near(p.TPR, tc.TPR[i]) || i > 0 && p.Threshold != tc.Thresholds[i-1] {
				t.Errorf("%s: ROC point %d is %v, want (%v, %v)", tc.Name, i, p, tc.FPR[i], tc.TPR[i])
			}
			if i > 0 {
				area += (p.FPR - points[i-1].FPR) * (p.TPR + points[i-1].TPR) / 2
			}
		}
		if !near(area, m.AUC) || !math.IsInf(points[0].Threshold, 1) {
			t.Errorf("%s: area under the ROC curve %v, AUC %v", tc.Name, area, m.AUC)
		}
		// A second judge: gonum wants ascending scores.
		order := All(len(tc.P))
		slices.SortFunc(order, func(i, j int32) int { return int(math.Copysign(1, float64(tc.P[i]-tc.P[j]))) })
		scores, classes := make([]float64, len(order)), make([]bool, len(order))
		for k, i := range order {
			scores[k], classes[k] = float64(tc.P[i]), tc.Y[i] == 1
		}
		tpr, fpr, _ := stat.ROC(nil, scores, classes, nil)
		for i, p := range points {
			if !near(p.FPR, fpr[i]) || !near(p.TPR, tpr[i]) {
				t.Errorf("%s: ROC point %d is %v, gonum has (%v, %v)", tc.Name, i, p, fpr[i], tpr[i])
			}
		}
	}
}

// runningF1 is 2pr/(p + r + 1e-7) by hand: p = 2/3, r = 1/2.
func TestRunningF1(t *testing.T) {
	c := Confusion{TN: 5, FP: 1, FN: 2, TP: 2}
	want := 2 * (2. / 3) * .5 / (2./3 + .5 + 1e-7)
	if got := c.RunningF1(); math.Abs(got-want) > 1e-15 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (Confusion{TN: 3}).RunningF1(); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestUndefinedMetrics(t *testing.T) {
	n := float32(math.NaN())
	one := Compute([]float32{1, 1}, []float32{.9, .2}, .1, .5)
	if one.AUCDefined || !math.IsNaN(one.AUC) || one.Recall != .5 || one.Accuracy != .5 || one.Precision != 1 {
		t.Errorf("one class: %+v", one)
	}
	if _, ok := ROC([]float32{0, 0}, []float32{.9, .2}); ok {
		t.Error("one class has a ROC curve")
	}
	for name, m := range map[string]Metrics{
		"NaN":     Compute([]float32{0, 1, 1}, []float32{.2, .9, n}, math.NaN(), .5),
		"nothing": Compute(nil, nil, math.NaN(), .5),
	} {
		for _, v := range []float64{m.Loss, m.Accuracy, m.Precision, m.Recall, m.F1, m.RunningF1, m.AUC} {
			if !math.IsNaN(v) {
				t.Errorf("%s: %+v, want nothing but NaN", name, m)
			}
		}
		if m.AUCDefined {
			t.Errorf("%s: AUC is defined", name)
		}
	}
	if _, ok := AUC([]float32{0, 1}, []float32{n, 1}); ok {
		t.Error("AUC of NaN is defined")
	}
	m := Compute([]float32{0, 1, 1}, []float32{.2, .9, n}, 0, .5)
	if m.NaN != 1 || m.Confusion != (Confusion{TN: 1, TP: 1}) {
		t.Errorf("NaN: %+v", m)
	}
}

func TestMetricsPanicOnWrongShape(t *testing.T) {
	for name, f := range map[string]func(y, p []float32){
		"ComputeMetrics": func(y, p []float32) { Compute(y, p, 0, .5) },
		"AUC":            func(y, p []float32) { AUC(y, p) },
		"ROC":            func(y, p []float32) { ROC(y, p) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f([]float32{1}, []float32{.5, .5})
		}()
	}
}
