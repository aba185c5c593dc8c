package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestScoreEvents counts by hand: windows of 2 s that start every second, threshold 0.5.
func TestScoreEvents(t *testing.T) {
	event := []string{"fall", "fall", "fall", "miss", "quiet", "quiet", "noisy", "noisy", "noisy", "noisy", "noisy"}
	y := []float32{0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	p := []float32{.9, .9, .1, .5, .2, .5, .8, .7, .1, .9, .9}
	start := []float64{0, 1, 2, 0, 0, 1, 0, 1, 2, 3, 10} // noisy's last window stands after a gap
	e := ScoreAt(y, p, 0.5)
	v := ScoreEvents(e, event, "video", 50, &Timing{Rate: 25, Start: start})
	if m := v.Confusion; m.TP != 1 || m.FN != 1 || m.FP != 1 || m.TN != 1 || v.N != 4 || v.Precision != .5 || v.Recall != .5 || v.F1 != .5 {
		t.Errorf("%+v", v)
	}
	// noisy: .8 and .7 are one alarm, .9 another, .9 after the gap a third; fall's alarm has a positive window.
	if seconds := float64(v.Hours) * 3600; v.FalseAlarms != 3 || math.Abs(seconds-(4+2+3+7)) > 1e-9 || math.Abs(float64(v.PerHour)-3*3600/16.) > 1e-6 {
		t.Errorf("%d false alarms in %v s, %v an hour", v.FalseAlarms, seconds, v.PerHour)
	}
	// A window that starts where the one before ends is its neighbour, however its start is rounded.
	next := ScoreEvents(ScoreAt([]float32{0, 0}, []float32{.9, .9}, 0.5), []string{"a", "a"}, "video", 60,
		&Timing{Rate: 25, Start: []float64{0, float64(float32(2.4))}})
	if next.FalseAlarms != 1 || math.Abs(float64(next.Hours)*3600-4.8) > 1e-6 {
		t.Errorf("one after another: %+v", next)
	}
	// Without starts, neighbours in the file are neighbours, and every window counts whole.
	v = ScoreEvents(e, event, "video", 50, &Timing{Rate: 25})
	if seconds := float64(v.Hours) * 3600; v.FalseAlarms != 2 || math.Abs(seconds-22) > 1e-9 || v.Overlap {
		t.Errorf("without starts: %d false alarms in %v s", v.FalseAlarms, seconds)
	}
	v = ScoreEvents(e, event, "video", 50, nil)
	if b, err := json.Marshal(v); err != nil || !strings.Contains(string(b), `"false_alarms_per_hour":null`) {
		t.Errorf("%v\n%s", err, b)
	}
	// Windows in another order are the same recordings where starts are known.
	swap := func(i, j int) {
		event[i], event[j], y[i], y[j], p[i], p[j], start[i], start[j] = event[j], event[i], y[j], y[i], p[j], p[i], start[j], start[i]
	}
	swap(0, 7)
	swap(1, 9)
	if again := ScoreEvents(ScoreAt(y, p, 0.5), event, "video", 50, &Timing{Rate: 25, Start: start}); again.FalseAlarms != 3 || math.Abs(float64(again.Hours)*3600-16) > 1e-9 {
		t.Errorf("in another order: %+v", again)
	}
}

// The events of a class are those of two: it and the rest.
func TestScoreClassEvents(t *testing.T) {
	const n, C = 80, 3
	rng := rand.New(rand.NewPCG(2, 3))
	e := &Evaluation{Classification: &Classification{Classes: []string{"a", "b", "c"}}}
	var event []string
	for i := range n {
		e.Y = append(e.Y, float32(rng.IntN(C)))
		event = append(event, fmt.Sprint(i/8+i%2))
		for range C {
			e.Probability = append(e.Probability, rng.Float32())
		}
	}
	for _, reject := range []float64{0, 0.7} {
		for c, got := range ScoreClassEvents(e, reject, event, "video", 5, &Timing{Rate: 10}) {
			one := &Evaluation{Test: Test{Threshold: 0.5}, Y: make([]float32, n), Probability: make([]float32, n)}
			for i := range n {
				if int(e.Y[i]) == c {
					one.Y[i] = 1
				}
				if p := e.Probability[i*C : (i+1)*C]; Largest(p) == c && float64(p[c]) >= reject {
					one.Probability[i] = 1
				}
			}
			want := ScoreEvents(one, event, "video", 5, &Timing{Rate: 10})
			if got.Class != string(rune('a'+c)) || !reflect.DeepEqual(got.Events, *want) || want.Confusion.TP == 0 || want.FalseAlarms == 0 {
				t.Errorf("%+v, want %+v", got, *want)
			}
		}
	}
}
