package search

import (
	"fmt"

	"github.com/dustin/go-humanize/english"

	"vklstm/train"
	"vklstm/train/metrics"
)

// tellRung says what is to be trained next.
func (s *Search) tellRung(rung, epochs, trials int) {
	rungs := len(s.Study.Rungs())
	text := fmt.Sprintf("%s, at most %s each", english.Plural(trials, "trial", ""), english.Plural(epochs, "epoch", ""))
	if rungs > 1 {
		text = fmt.Sprintf("rung %d of %d: %s to epoch %d", rung+1, rungs, english.Plural(trials, "trial", ""), epochs)
	}
	if s.Study.Repeats > 1 {
		text += fmt.Sprintf(", %d seeds", s.Study.Repeats)
	}
	if s.done > 0 {
		text += fmt.Sprintf(": %d of %d trainings need no more", s.done, s.of)
	}
	s.log.Event("rung", s.far("rung", rung, "trials", trials, "epochs", epochs)...)
	s.log.Line("%s", text)
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
	event := []any{"rung", r.Rung, "trial", r.Trial, "seed", r.Seed, "settings", settings, "epochs", r.Epochs, "val_f1", f1}
	if r.Stopped != "" {
		event = append(event, "stopped", r.Stopped)
	}
	s.log.Event("result", s.far(event...)...)
	s.log.Line("[%d/%d] trial %d%s: val F1 %s after %s%s · %s", s.done, s.of, r.Trial, seed, f1.Text(4), english.Plural(r.Epochs, "epoch", ""), how, settingsText(s.Trials[r.Trial].Settings))
}

// tellProgress says how far trainings are that take long.
func (s *Search) tellProgress(p *train.Pool, jobs []job) {
	best, epochs := -1, 0
	for i, r := range p.Runs {
		epochs = max(epochs, len(r.History))
		if r.Best.Any && (best < 0 || r.Best.Value > p.Runs[best].Best.Value) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	j := jobs[best]
	f1 := metrics.Number(p.Runs[best].Best.Value)
	s.log.Event("progress", s.far("trial", j.trial, "seed", j.seed, "epochs", epochs, "val_f1", f1)...)
	s.log.Line("[%d/%d] %s at epoch %d; best val F1 %s, of trial %d", s.done, s.of, english.Plural(len(jobs), "training", ""), epochs, f1.Text(4), j.trial)
}

// far ends an event with how many trainings of the rung need no more.
func (s *Search) far(event ...any) []any { return append(event, "done", s.done, "of", s.of) }
