package metrics

import (
	"encoding/json"
	"math"
	"math/rand/v2"
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

// TestResampleClasses holds the scores of a resample to those of windows that are listed as often as their group was drawn.
func TestResampleClasses(t *testing.T) {
	const windows, groups, C = 60, 7, 4
	rng := rand.New(rand.NewPCG(5, 6))
	s := Predicted{Probability: make([]float32, windows*C)}
	y, group := make([]float32, windows), make([]int32, windows)
	for i := range windows {
		y[i], group[i] = float32(rng.IntN(C)), int32(i*groups/windows)
		for c := range C {
			s.Probability[i*C+c] = float32(rng.IntN(9)) / 8 // equal ones among them
		}
		s.Class = append(s.Class, int32(Largest(s.Probability[i*C:][:C])))
	}
	of := resamplers(y, group, groups, []Predicted{s})[0]
	for range 50 {
		weight := make([]int, groups)
		for range groups {
			weight[rng.IntN(groups)]++
		}
		var list []int32
		for i, g := range group {
			for range weight[g] {
				list = append(list, int32(i))
			}
		}
		want, _ := Score(y, s, list)
		got := of.score(weight)
		for i, v := range got.Values() {
			if !alike(float64(v), float64(want.Values()[i])) {
				t.Errorf("score %d is %v, want %v", i, v, want.Values()[i])
			}
		}
	}
}
