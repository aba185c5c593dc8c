package report

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vklstm/model"
	"vklstm/train/metrics"
)

// curve is a training curve of n epochs that falls (or climbs) towards an end.
func curve(n int, from, to, tau float64) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = to + (from-to)*math.Exp(-float64(i)/tau) + 0.01*math.Sin(float64(3*i))*math.Abs(from-to)
	}
	return y
}

func panels(n int) []Panel {
	undefined := make([]float64, n)
	for i := range undefined {
		undefined[i] = math.NaN()
	}
	return []Panel{
		{"Loss", "focal loss", curve(n, 0.06, 0.01, 9), curve(n, 0.065, 0.015, 12), false},
		{"Accuracy", "accuracy", curve(n, 0.7, 0.97, 8), curve(n, 0.68, 0.95, 8), true},
		{"F1", "F1", curve(n, 0.1, 0.95, 8), curve(n, 0, 0.92, 8), true},
		{"ROC-AUC", "AUC", curve(n, 0.6, 0.99, 8), undefined, true},
	}
}

// pictures are all the shapes of result that a run can have.
var pictures = map[string]func(w *bytes.Buffer) error{
	"history":              func(w *bytes.Buffer) error { return History(w, panels(47), 36) },
	"history one epoch":    func(w *bytes.Buffer) error { return History(w, panels(1), 0) },
	"history two epochs":   func(w *bytes.Buffer) error { return History(w, panels(2), 1) },
	"history many epochs":  func(w *bytes.Buffer) error { return History(w, panels(12345), 12000) },
	"history no best":      func(w *bytes.Buffer) error { return History(w, panels(3), -1) },
	"history no epoch":     func(w *bytes.Buffer) error { return History(w, panels(0), -1) },
	"history three panels": func(w *bytes.Buffer) error { return History(w, panels(5)[1:], 2) },
	"history with gaps": func(w *bytes.Buffer) error {
		p := panels(9)
		nan := math.NaN()
		p[0].Train = []float64{nan, 1, nan, 0.5, 0.4, nan, math.Inf(1), 0.3, 0.2}
		p[3].Train = []float64{nan, nan, nan, nan, nan, nan, nan, nan, nan}
		return History(w, p, 4)
	},
	"history of nothing but zero": func(w *bytes.Buffer) error {
		return History(w, []Panel{{Title: "Loss", Axis: "loss", Train: make([]float64, 4), Validation: make([]float64, 4)}}, 0)
	},
	"roc": func(w *bytes.Buffer) error {
		return ROC(w, [][2]float64{{0, 0}, {0, 0.6}, {0.1, 0.7}, {0.1, 0.85}, {0.3, 0.95}, {0.6, 1}, {1, 1}}, 0.9123)
	},
	"roc perfect":   func(w *bytes.Buffer) error { return ROC(w, [][2]float64{{0, 0}, {0, 1}, {1, 1}}, 1) },
	"roc undefined": func(w *bytes.Buffer) error { return ROC(w, nil, math.NaN()) },
	"confusion": func(w *bytes.Buffer) error {
		return Confusion(w, metrics.Confusion{TN: 241, FP: 9, FN: 18, TP: 92}, 0.5, []string{"0", "1"})
	},
	"confusion large": func(w *bytes.Buffer) error {
		return Confusion(w, metrics.Confusion{TN: 12345678, FP: 1234567, FN: 87654321, TP: 9876543}, 0.5, []string{"stand", "a fall of a person who is carried"})
	},
	"confusion one class": func(w *bytes.Buffer) error {
		return Confusion(w, metrics.Confusion{TN: 7, FP: 1}, 0.5, []string{"0", "1"})
	},
}

// TestPictures draws every shape of result twice: a PNG of the promised width, the same bytes each time. With
// VKLSTM_PICTURES set to a folder they are written there, to be looked at.
func TestPictures(t *testing.T) {
	for name, draw := range pictures {
		t.Run(name, func(t *testing.T) {
			var a, b bytes.Buffer
			if err := draw(&a); err != nil {
				t.Fatal(err)
			}
			if err := draw(&b); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Error("the same numbers gave different bytes")
			}
			img, err := png.Decode(bytes.NewReader(a.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if w := img.Bounds().Dx(); w < 800 {
				t.Errorf("%d pixels wide; at least 800", w)
			}
			// Clipped text would touch the border; nothing may be drawn there.
			r := img.Bounds()
			for x := r.Min.X; x < r.Max.X; x++ {
				for y := r.Min.Y; y < r.Max.Y; y++ {
					if x != r.Min.X && x != r.Max.X-1 && y != r.Min.Y && y != r.Max.Y-1 {
						continue
					}
					if red, green, blue, _ := img.At(x, y).RGBA(); red+green+blue != 3*0xffff {
						t.Fatalf("ink on the border at (%d,%d) of %v", x, y, r)
					}
				}
			}
			if dir := os.Getenv("VKLSTM_PICTURES"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "_")+".png"), a.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	r := metrics.Test{Precision: 0.5, Recall: 1, F1: metrics.Number(2.0 / 3), AUC: metrics.Number(math.NaN()), Confusion: metrics.Confusion{TN: 1, FP: 2, FN: 3, TP: 4}, Samples: 10, Threshold: 0.25}
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "precision": 0.5,
  "recall": 1,
  "f1": 0.6666666666666666,
  "roc_auc": null,
  "confusion_matrix": {
    "tn": 1,
    "fp": 2,
    "fn": 3,
    "tp": 4
  },
  "n_samples": 10,
  "threshold": 0.25
}
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	var back metrics.Test
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(back.AUC)) || back.F1 != r.F1 || back.Confusion != r.Confusion {
		t.Errorf("read back %+v", back)
	}
}

func TestModelTable(t *testing.T) {
	var b bytes.Buffer
	if err := Model(&b, model.Classifier(60, 6, 64, 0.3, 32)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"18,176", "2,080", "33", "Total parameters: 20,289 (79.25 KiB)", "lstm (LSTM)",
		"masking (Masking)", "(None, 60, 6)", "dropout (Dropout 0.3)", "dense (Dense relu)", "dense_1 (Dense sigmoid)", "(None, 32)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	checkWidth(t, b.String())
}

// TestModelTableStack has the lines of Keras's summary() of the same network.
func TestModelTableStack(t *testing.T) {
	spec := model.Stack(60, 6, []int{64, 32, 16}, true, 0.3, 32)
	spec.Layers[1].Bidirectional = false
	for i, name := range []string{"lstm", "bidirectional", "bidirectional_1"} {
		spec.Layers[1+i].Name = name
	}
	var b bytes.Buffer
	if err := Model(&b, spec); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		if cells := strings.Split(line, "│"); len(cells) == 5 {
			got = append(got, strings.TrimSpace(cells[1])+"|"+strings.TrimSpace(cells[2])+"|"+strings.TrimSpace(cells[3]))
		}
	}
	want := []string{"Layer (type)|Output shape|Parameters", "masking (Masking)|(None, 60, 6)|0", "lstm (LSTM)|(None, 60, 64)|18,176",
		"bidirectional (Bidirectional)|(None, 60, 64)|24,832", "bidirectional_1 (Bidirectional)|(None, 32)|10,368",
		"dropout (Dropout 0.3)|(None, 32)|0", "dense (Dense relu)|(None, 32)|1,056", "dense_1 (Dense sigmoid)|(None, 1)|33"}
	if !slices.Equal(got, want) || !strings.Contains(b.String(), "Total parameters: 54,465 (212.75 KiB)") {
		t.Errorf("got\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), b.String())
	}
	checkWidth(t, b.String())
}

func TestResultTable(t *testing.T) {
	var b bytes.Buffer
	r := metrics.Test{Accuracy: 0.9, Precision: 0.91, Recall: 0.92, F1: 0.93, AUC: metrics.Number(math.NaN()),
		Confusion: metrics.Confusion{TN: 1234567, FP: 23456, FN: 345, TP: 4567890}, Samples: 1234567 + 23456 + 345 + 4567890}
	if err := WriteTest(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.9300", "undefined", "5,826,258 windows", "1,234,567 (98.1 %)", "23,456 (1.9 %)", "actual 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	checkWidth(t, b.String())
}

func checkWidth(t *testing.T, s string) {
	t.Helper()
	for line := range strings.Lines(s) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestEpochTicks(t *testing.T) {
	for _, tc := range []struct {
		low, high float64
		want      string
	}{
		{0.5, 1.5, "1"}, {1, 2, "1 2"}, {1, 9, "1 2 3 4 5 6 7 8 9"}, {1, 10, "1 2 4 6 8 10"}, {1, 47, "1 10 20 30 40"},
		{1, 100, "1 20 40 60 80 100"}, {1, 12345, "1 2000 4000 6000 8000 10000 12000"},
	} {
		var got []string
		for _, k := range (epochTicks{}).Ticks(tc.low, tc.high) {
			got = append(got, k.Label)
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%v to %v: ticks %q, want %q", tc.low, tc.high, s, tc.want)
		}
	}
}
