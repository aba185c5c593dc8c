package search

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"vklstm/train"
	"vklstm/train/metrics"
)

// event is a line of the log for programs.
type event struct {
	Event    string            `json:"event"` // rung, result, progress or note
	Message  string            `json:"message,omitempty"`
	Rung     *int              `json:"rung,omitempty"`
	Trials   int               `json:"trials,omitempty"`
	Trial    *int              `json:"trial,omitempty"`
	Seed     *uint32           `json:"seed,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
	Epochs   int               `json:"epochs,omitempty"`
	ValF1    *metrics.Number   `json:"val_f1,omitempty"`
	Stopped  train.Stop        `json:"stopped,omitempty"`
	Done     int               `json:"done,omitempty"`
	Of       int               `json:"of,omitempty"`
}

// tell writes a line: e for programs, or the text for people.
func (s *Search) tell(e event, format string, args ...any) {
	if s.Log == nil {
		return
	}
	line := fmt.Sprintf(format, args...)
	if s.JSON {
		b, err := json.Marshal(e)
		if err != nil {
			panic(fmt.Sprintf("search: encode a log event: %v", err)) // plain fields alone
		}
		line = string(b)
	}
	_, _ = io.WriteString(s.Log, line+"\n") // a log that cannot be written must not end a search
}

// note writes a remark.
func (s *Search) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.tell(event{Event: "note", Message: text}, "%s", text)
}

// tellRung says what is to be trained next.
func (s *Search) tellRung(rung, epochs, trials int) {
	rungs := len(s.Study.Rungs())
	text := fmt.Sprintf("%s, at most %s each", count(trials, "trial"), count(epochs, "epoch"))
	if rungs > 1 {
		text = fmt.Sprintf("rung %d of %d: %s to epoch %d", rung+1, rungs, count(trials, "trial"), epochs)
	}
	if s.Study.Repeats > 1 {
		text += fmt.Sprintf(", %d seeds", s.Study.Repeats)
	}
	if s.done > 0 {
		text += fmt.Sprintf(": %d of %d trainings need no more", s.done, s.of)
	}
	s.tell(event{Event: "rung", Rung: &rung, Trials: trials, Epochs: epochs, Done: s.done, Of: s.of}, "%s", text)
}

// tellResult says how a trial came out.
func (s *Search) tellResult(r Result) {
	settings := map[string]string{}
	for _, v := range s.Trials[r.Trial].Settings {
		settings[v.Name] = v.Value
	}
	f1 := metrics.Number(r.ValF1)
	seed := ""
	if s.Study.Repeats > 1 {
		seed = fmt.Sprintf(", seed %d", r.Seed)
	}
	how := ""
	if r.Stopped == train.StoppedEarly || r.Stopped == train.StoppedDiverged {
		how = " (" + string(r.Stopped) + ")"
	}
	s.tell(event{Event: "result", Rung: &r.Rung, Trial: &r.Trial, Seed: &r.Seed, Settings: settings, Epochs: r.Epochs, ValF1: &f1, Stopped: r.Stopped, Done: s.done, Of: s.of},
		"[%d/%d] trial %d%s: val F1 %s after %s%s · %s", s.done, s.of, r.Trial, seed, f1.Text(4), count(r.Epochs, "epoch"), how, settingsText(s.Trials[r.Trial].Settings))
}

// tellProgress says how far trainings are that take long.
func (s *Search) tellProgress(g *train.Group, jobs []job) {
	best, epochs := -1, 0
	for i, r := range g.Runs {
		epochs = max(epochs, len(r.History))
		if r.Best.Any && (best < 0 || r.Best.Value > g.Runs[best].Best.Value) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	j := jobs[best]
	f1 := metrics.Number(g.Runs[best].Best.Value)
	s.tell(event{Event: "progress", Trial: &j.trial, Seed: &j.seed, Epochs: epochs, ValF1: &f1, Done: s.done, Of: s.of},
		"[%d/%d] %s at epoch %d; best val F1 %s, of trial %d", s.done, s.of, count(len(jobs), "training"), epochs, f1.Text(4), j.trial)
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
