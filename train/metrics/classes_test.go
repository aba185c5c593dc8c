package metrics

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"testing"
)

// TestClassify holds the scores to scikit-learn's (testdata/classes.py).
func TestClassify(t *testing.T) {
	b, err := os.ReadFile("testdata/classes.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name    string
		Y, P    []float32
		Classes int
		Want    Classification
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err)
	}
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			got := Classify(tc.Y, tc.P, make([]string, tc.Classes))
			if !reflect.DeepEqual(got.Confusion, tc.Want.Confusion) {
				t.Errorf("confusion matrix %v, want %v", got.Confusion, tc.Want.Confusion)
			}
			near := func(what string, got, want Number) {
				t.Helper()
				if e := math.Abs(float64(got - want)); !(e <= 1e-12) && !(math.IsNaN(float64(got)) && math.IsNaN(float64(want))) {
					t.Errorf("%s %v, want %v", what, got, want)
				}
			}
			near("accuracy", got.Accuracy, tc.Want.Accuracy)
			near("balanced accuracy", got.Balanced, tc.Want.Balanced)
			near("kappa", got.Kappa, tc.Want.Kappa)
			near("log loss", got.LogLoss, tc.Want.LogLoss)
			for _, a := range []struct {
				name      string
				got, want Average
			}{{"macro ", got.Macro, tc.Want.Macro}, {"weighted ", got.Weighted, tc.Want.Weighted}} {
				near(a.name+"precision", a.got.Precision, a.want.Precision)
				near(a.name+"recall", a.got.Recall, a.want.Recall)
				near(a.name+"F1", a.got.F1, a.want.F1)
				near(a.name+"AUC", a.got.AUC, a.want.AUC)
			}
			for c, want := range tc.Want.PerClass {
				got := got.PerClass[c]
				if got.Support != want.Support {
					t.Errorf("class %d: support %d, want %d", c, got.Support, want.Support)
				}
				near("precision", got.Precision, want.Precision)
				near("recall", got.Recall, want.Recall)
				near("F1", got.F1, want.F1)
				near("AUC", got.AUC, want.AUC)
			}
		})
	}
}

// A probability that is no number makes every score undefined; so does no window.
func TestClassifyUndefined(t *testing.T) {
	for _, m := range []Classification{Classify([]float32{0}, []float32{float32(math.NaN()), 0, 1}, []string{"a", "b", "c"}), Classify(nil, nil, []string{"a", "b", "c"})} {
		if m.Accuracy == m.Accuracy || m.Macro.F1 == m.Macro.F1 || m.PerClass[2].AUC == m.PerClass[2].AUC {
			t.Errorf("%+v", m)
		}
	}
}

func TestReject(t *testing.T) {
	e := ScoreClasses([]float32{0, 1, 2, 1}, []float32{0.9, 0.1, 0, 0.3, 0.4, 0.3, 0.5, 0.2, 0.3, 0.1, 0.6, 0.3}, []string{"a", "b", "c"}, 0.5)
	if m := e.Classification; m.Unsure != 1 || m.Samples != 3 || math.Abs(float64(m.Accuracy)-2./3) > 1e-15 {
		t.Errorf("%+v", m)
	}
}
