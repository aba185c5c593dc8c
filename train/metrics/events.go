package metrics

import (
	"slices"
)

// Timing is when the windows of a file were recorded.
type Timing struct {
	Rate  float64   // fs, steps per second (Hz)
	Start []float64 // [N], seconds from the beginning of the window's recording; nil: not known
}

// Events is how a model judges recordings. A recording is positive when any of its windows is, and detected when any of them
// fires. An alarm is a run of windows of one recording, one after another without a gap, that fire; it is false when none of
// them is labelled positive.
type Events struct {
	Precision   Number    `json:"precision"`
	Recall      Number    `json:"recall"`
	F1          Number    `json:"f1"`
	Confusion   Confusion `json:"confusion_matrix"`
	N           int       `json:"n_events"`
	Key         string    `json:"key"`
	FalseAlarms int       `json:"false_alarms"`
	Hours       Number    `json:"hours"`                 // that the windows cover; null without fs
	PerHour     Number    `json:"false_alarms_per_hour"` // null without fs
	Overlap     bool      `json:"starts_known"`          // false: Hours counts windows as if none overlapped
}

// ScoreEvents judges the windows of e by recording: event[n] names each window's. steps is T, timing may be nil. Windows of a
// recording are in the order of their starts where these are known, else in the file's, each the neighbour of the one before.
func ScoreEvents(e *Evaluation, event []string, key string, steps int, timing *Timing) *Events {
	return scoreEvents(event, key, steps, timing, func(i int) bool { return e.Y[i] == 1 }, func(i int) bool { return float64(e.Probability[i]) > e.Threshold })
}

// ClassEvents is Events of one of several classes: a recording is positive when any of its windows is of the class, and a window fires
// when the model says that it is.
type ClassEvents struct {
	Class string `json:"class"`
	Events
}

// ScoreClassEvents is ScoreEvents of each class of e, which holds all windows. Those whose largest probability is below reject fire for none.
func ScoreClassEvents(e *Evaluation, reject float64, event []string, key string, steps int, timing *Timing) []ClassEvents {
	var list []ClassEvents
	classes := e.Classification.Classes
	for c, class := range classes {
		is := func(i int) bool { return int(e.Y[i]) == c }
		fires := func(i int) bool {
			p := e.Probability[i*len(classes) : (i+1)*len(classes)]
			return Largest(p) == c && float64(p[c]) >= reject
		}
		list = append(list, ClassEvents{class, *scoreEvents(event, key, steps, timing, is, fires)})
	}
	return list
}

// scoreEvents is ScoreEvents of windows of which is says whether they are positive, and fires whether they are taken for that.
func scoreEvents(event []string, key string, steps int, timing *Timing, is, fires func(i int) bool) *Events {
	windows := map[string][]int{}
	for i, name := range event {
		windows[name] = append(windows[name], i)
	}
	v := &Events{N: len(windows), Key: key, Hours: Number(NaN), PerHour: Number(NaN)}
	var start []float64
	length, seconds := 0.0, 0.0
	if timing != nil {
		start, length, v.Overlap = timing.Start, float64(steps)/timing.Rate, timing.Start != nil
	}
	var c Confusion
	names := make([]string, 0, len(windows))
	for name := range windows {
		names = append(names, name)
	}
	slices.Sort(names) // the sum of seconds has one order
	for _, name := range names {
		list := windows[name]
		if start != nil {
			slices.SortStableFunc(list, func(i, j int) int {
				switch {
				case start[i] < start[j]:
					return -1
				case start[i] > start[j]:
					return 1
				}
				return 0
			})
		}
		positive, detected := false, false
		firing, justified := false, false // the current alarm, and whether one of its windows is positive
		end := func() {
			if firing && !justified {
				v.FalseAlarms++
			}
			firing, justified = false, false
		}
		covered := 0.0 // until when
		for n, i := range list {
			if start == nil {
				seconds += length
			} else {
				from := start[i]
				if n > 0 && from > covered+0.5/timing.Rate {
					end() // a gap: half a step is rounding, such as that of a start in float32
				}
				if n > 0 {
					from = max(from, covered)
				}
				covered = start[i] + length
				seconds += max(0, covered-from)
			}
			positive = positive || is(i)
			if !fires(i) {
				end()
				continue
			}
			detected, firing = true, true
			justified = justified || is(i)
		}
		end()
		switch {
		case positive && detected:
			c.TP++
		case positive:
			c.FN++
		case detected:
			c.FP++
		default:
			c.TN++
		}
	}
	v.Confusion = c
	v.Precision, v.Recall, v.F1 = Number(c.Precision()), Number(c.Recall()), Number(c.F1())
	if timing != nil && seconds > 0 {
		v.Hours = Number(seconds / 3600)
		v.PerHour = Number(float64(v.FalseAlarms) * 3600 / seconds)
	}
	return v
}
