package metrics

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseThreshold(t *testing.T) {
	for s, want := range map[string]ThresholdRule{
		"0.5": {ThresholdFixed, .5}, ".25": {ThresholdFixed, .25}, "best-f1": {ThresholdBestF1, 0},
		"recall>=0.95": {ThresholdRecall, .95}, "recall >= 1": {ThresholdRecall, 1}, "precision>=.9": {ThresholdPrecision, .9},
	} {
		got, err := ParseThreshold(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", s, got, err, want)
		}
		if again, err := ParseThreshold(got.String()); err != nil || again != want {
			t.Errorf("%s, written as %s, is %+v, %v", s, got, again, err)
		}
	}
	for s, want := range map[string]string{
		"0": "threshold is 0; it must be above 0 and below 1", "1": "it must be above 0 and below 1", "NaN": "it must be above 0 and below 1",
		"best": "it must be a number, best-f1, 'recall>=X'", "recall": "it lacks its share: write it in quotes", "f1>=0.9": "it must be a number",
		"recall>=0": "threshold is recall>=0; a recall must be above 0 and at most 1", "precision>=1.1": "a precision must be above 0",
		"recall>=x": "it must be a number", "recall>=NaN": "a recall must be above 0",
	} {
		if _, err := ParseThreshold(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", s, err, want)
		}
	}
}

// TestChooseThreshold lists small cases whose answer can be seen.
func TestChooseThreshold(t *testing.T) {
	y := []float32{1, 1, 0, 1, 0, 1, 0, 0}
	p := []float32{.9375, .875, .75, .625, .5, .375, .25, .125} // halves are exact
	nan := float32(math.NaN())
	for _, tc := range []struct {
		rule    string
		y, p    []float32
		want    float64
		problem string
	}{
		{"0.3", y, p, 0.3, ""},
		{"best-f1", y, p, (.375 + .25) / 2, ""}, // 4 of 4 found, 2 false: 8/10
		{"recall>=0.5", y, p, (.875 + .75) / 2, ""},
		{"recall>=0.51", y, p, (.625 + .5) / 2, ""},
		{"recall>=1", y, p, (.375 + .25) / 2, ""},
		{"precision>=1", y, p, (.875 + .75) / 2, ""},
		{"precision>=0.7", y, p, (.625 + .5) / 2, ""},
		{"precision>=0.66", y, p, (.375 + .25) / 2, ""},
		{"best-f1", []float32{0, 1}, []float32{.25, .75}, .5, ""},
		{"best-f1", []float32{1, 0}, []float32{.25, .75}, .125, ""}, // all positive is the best there is
		// F1 is 2/3 with .75 alone and with all four: the one nearer to 0.5.
		{"best-f1", []float32{1, 0, 0, 1}, []float32{.75, .4375, .4375, .375}, (.75 + .4375) / 2, ""},
		{"best-f1", []float32{1, 0, 0, 1}, []float32{.9375, .875, .875, .8125}, .8125 / 2, ""},
		// 0.71875 and 0.28125 are as far from 0.5.
		{"best-f1", []float32{1, 0, 0, 1}, []float32{.8125, .625, .625, .5625}, .71875, ""},
		{"recall>=1", []float32{1, 1, 0}, []float32{.5, .25, .25}, .125, ""}, // ties fall on one side
		{"recall>=1", []float32{1, 0}, []float32{0, .5}, .5, "stays 0.5, not recall>=1: no threshold reaches that"},
		{"precision>=0.9", []float32{0, 1}, []float32{.75, .25}, .5, "no threshold reaches that"},
		{"best-f1", []float32{1, 1}, []float32{.75, .25}, .5, "one class only"},
		{"best-f1", []float32{0, 0}, []float32{.75, .25}, .5, "one class only"},
		{"best-f1", nil, nil, .5, "no validation window"},
		{"best-f1", []float32{0, 1}, []float32{nan, .5}, .5, "is not a number"},
	} {
		r, err := ParseThreshold(tc.rule)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Choose(tc.y, tc.p)
		if d.Threshold != tc.want || (tc.problem == "") != (d.Problem == "") || !strings.Contains(d.Problem, tc.problem) {
			t.Errorf("%s of %v, %v: %+v, want %v, %q", tc.rule, tc.y, tc.p, d, tc.want, tc.problem)
		}
	}
}

// TestChooseThresholdIsBest tries every threshold on random windows with many ties: none does better.
func TestChooseThresholdIsBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		n := 2 + rng.IntN(30)
		y, p := make([]float32, n), make([]float32, n)
		for i := range y {
			y[i], p[i] = float32(rng.IntN(2)), float32(rng.IntN(12))/16
		}
		at := func(threshold float64) Confusion {
			var c Confusion
			for i := range y {
				c.Add(y[i], p[i], threshold)
			}
			return c
		}
		for _, text := range []string{"best-f1", "recall>=0.8", "precision>=0.6"} {
			rule, _ := ParseThreshold(text)
			d := rule.Choose(y, p)
			if d.Problem != "" {
				continue
			}
			got := at(d.Threshold)
			if d.Threshold <= 0 || d.Threshold >= 1 || !strings.Contains(d.About, text) {
				t.Fatalf("%s: %+v", text, d)
			}
			for step := 1; step < 32; step++ {
				c := at(float64(step) / 32)
				better := false
				switch rule.Kind {
				case ThresholdBestF1:
					better = c.F1() > got.F1()
				case ThresholdRecall:
					better = got.Recall() < 0.8 || c.Recall() >= 0.8 && (c.Precision() > got.Precision() || c.Precision() == got.Precision() && c.Recall() > got.Recall())
				default:
					better = got.Precision() < 0.6 || c.TP > 0 && c.Precision() >= 0.6 && (c.Recall() > got.Recall() || c.Recall() == got.Recall() && c.Precision() > got.Precision())
				}
				if better {
					t.Fatalf("%s of %v, %v: %v gives %+v, but %v gives %+v", text, y, p, d.Threshold, got, float64(step)/32, c)
				}
			}
		}
	}
}
