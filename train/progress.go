package train

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"vklstm/train/metrics"
	"vklstm/train/report"
)

// Progress is the log of a run, for people (text) or for programs (JSON). On a terminal it shows one bar for the
// whole run and a line above it for each epoch; elsewhere the lines alone, with their times. LSTM makes one from
// Config.Log; it is also a Callback.
//
// In JSON every line is an object whose "event" is one of "start", "note", "warning", "epoch" (counted from 0, with
// the names of lstm_history.csv), "end", "result" (the content of test_metrics.json) and "file". An undefined number
// is null.
type Progress struct {
	NoCallback

	w        io.Writer
	name     string // of the model that the lines are about; empty: there is one only
	follows  bool   // another log has told what begins, and this one tells of its model alone
	json     bool
	quiet    bool
	terminal bool // a bar can be drawn
	bar      *progressbar.ProgressBar
	drawing  sync.Mutex // a line and the bar come from different goroutines
	shown    int64      // windows that the bar shows
}

// NewProgress returns a log that writes to w, nil for none, in LogText or LogJSON; quiet leaves warnings alone.
func NewProgress(w io.Writer, format string, quiet bool) *Progress {
	p := &Progress{w: w, json: format == LogJSON, quiet: quiet || w == nil}
	if w == nil {
		p.w = io.Discard
	}
	f, ok := w.(*os.File)
	p.terminal = ok && term.IsTerminal(int(f.Fd()))
	return p
}

// line writes one line above the bar, if there is one.
func (p *Progress) line(text string) {
	p.drawing.Lock()
	defer p.drawing.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // A log that cannot be written must not end a training.
	}
	_, _ = io.WriteString(p.w, text+"\n")
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

// event writes one JSON object.
func (p *Progress) event(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("train: encode a log event: %v", err)) // all events are structs of plain fields
	}
	p.line(string(b))
}

type messageEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
	Model   string `json:"model,omitempty"` // Config.Name
}

// Note writes a line of information.
func (p *Progress) Note(text string) {
	switch {
	case p.quiet:
	case p.json:
		p.event(messageEvent{"note", text, p.name})
	default:
		p.line(p.named(text))
	}
}

// named has a line begin with the model that it is about.
func (p *Progress) named(text string) string {
	if p.name == "" {
		return text
	}
	return p.name + ": " + text
}

// Warn writes a line that quiet does not silence.
func (p *Progress) Warn(text string) {
	if p.json {
		p.event(messageEvent{"warning", text, p.name})
		return
	}
	p.line("warning: " + p.named(text))
}

type startEvent struct {
	Event      string             `json:"event"`
	Device     string             `json:"device"`
	Data       string             `json:"data"`
	Windows    int                `json:"windows"`
	Timesteps  int                `json:"timesteps"`
	Features   int                `json:"features"`
	Train      int                `json:"train"`
	Validation int                `json:"validation"`
	Test       int                `json:"test"`
	Weights    *[2]metrics.Number `json:"class_weights"`
	Parameters int                `json:"parameters"`
	Epochs     int                `json:"epochs"`
	Seed       uint32             `json:"seed"`
	Recipe     string             `json:"recipe,omitempty"`
}

// OnTrainBegin implements Callback: the device on the first line, then data, settings and the model's summary.
func (p *Progress) OnTrainBegin(r *Run) error {
	if p.quiet || p.follows {
		return nil
	}
	d := r.Dataset
	if p.json {
		e := startEvent{Event: "start", Device: r.Device, Data: d.Path, Windows: d.N, Timesteps: d.T, Features: d.F,
			Train: len(r.Parts.Train), Validation: len(r.Parts.Val), Test: len(r.Parts.Test),
			Parameters: r.Spec.Layout().Size, Epochs: r.Config.Epochs, Seed: r.Config.Seed, Recipe: r.Config.Recipe}
		if w := r.Weights; w != nil {
			e.Weights = &[2]metrics.Number{metrics.Number(w[0]), metrics.Number(w[1])}
		}
		p.event(e)
		return nil
	}
	for _, text := range r.introduction() {
		p.line(text)
	}
	var b strings.Builder
	if err := report.Model(&b, r.Spec); err != nil {
		return err
	}
	p.line(strings.TrimSuffix(b.String(), "\n"))
	if p.terminal {
		p.bar = progressbar.NewOptions64(int64(r.Config.Epochs)*int64(len(r.Parts.Train)),
			progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(24), progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetDescription(fmt.Sprintf("epoch 1/%d", r.Config.Epochs)),
			progressbar.OptionClearOnFinish())
		_ = p.bar.RenderBlank()
	}
	return nil
}

type epochEvent struct {
	Event        string         `json:"event"`
	Epoch        int            `json:"epoch"`
	Accuracy     metrics.Number `json:"accuracy"`
	AUC          metrics.Number `json:"auc"`
	F1           metrics.Number `json:"f1"`
	Loss         metrics.Number `json:"loss"`
	Precision    metrics.Number `json:"precision"`
	Recall       metrics.Number `json:"recall"`
	ValAccuracy  metrics.Number `json:"val_accuracy"`
	ValAUC       metrics.Number `json:"val_auc"`
	ValF1        metrics.Number `json:"val_f1"`
	ValLoss      metrics.Number `json:"val_loss"`
	ValPrecision metrics.Number `json:"val_precision"`
	ValRecall    metrics.Number `json:"val_recall"`
	Improved     bool           `json:"improved"`
	Seconds      float64        `json:"seconds"`
	Rate         metrics.Number `json:"windows_per_second"`
	Model        string         `json:"model,omitempty"` // Config.Name
}

// OnEpochEnd implements Callback: the epoch's line.
func (p *Progress) OnEpochEnd(r *Run, e Epoch) error {
	switch {
	case p.quiet:
		return nil
	case p.json:
		t, v := e.Train, e.Val
		p.event(epochEvent{"epoch", e.Epoch, metrics.Number(t.Accuracy), metrics.Number(t.AUC), metrics.Number(t.F1), metrics.Number(t.Loss),
			metrics.Number(t.Precision), metrics.Number(t.Recall), metrics.Number(v.Accuracy), metrics.Number(v.AUC), metrics.Number(v.F1), metrics.Number(v.Loss),
			metrics.Number(v.Precision), metrics.Number(v.Recall), e.Improved, e.Time.Seconds(), metrics.Number(e.rate()), p.name})
		return nil
	}
	text := e.line(r.Config.Epochs, len(r.Parts.Val) > 0)
	if p.bar == nil {
		text += fmt.Sprintf("  %s  %.0f windows/s", e.Time.Round(time.Millisecond), e.rate())
	}
	if e.Improved {
		text += "  best"
	}
	p.line(p.named(text))
	if p.bar != nil {
		p.show(int64(e.Epoch+1) * int64(e.Windows))
		p.drawing.Lock()
		defer p.drawing.Unlock()
		p.bar.Describe(fmt.Sprintf("epoch %d/%d, %.0f windows/s", min(e.Epoch+2, r.Config.Epochs), r.Config.Epochs, e.rate()))
	}
	return nil
}

// show moves the bar to so many windows, never back: an epoch's end may be heard of when the next one is under way.
func (p *Progress) show(windows int64) {
	p.drawing.Lock()
	defer p.drawing.Unlock()
	if windows > p.shown {
		p.shown = windows
		_ = p.bar.Set64(windows)
	}
}

// watch moves the bar while an epoch trains, and returns what ends that.
func (p *Progress) watch(r *Run, epoch int) (stop func()) {
	if p.bar == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				n := len(r.Parts.Train)
				if steps, of := r.engine.Progress(); of == r.steps() {
					p.show(int64(epoch)*int64(n) + int64(min(steps*r.Config.Batch, n)))
				}
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// rate returns windows trained on per second.
func (e Epoch) rate() float64 { return float64(e.Windows) / max(e.Time.Seconds(), 1e-9) }

// line writes the epoch in at most 74 columns, for up to 9,999 epochs, with validation's scores or without.
func (e Epoch) line(epochs int, validation bool) string {
	text := fmt.Sprintf("%*d/%d  loss %s F1 %s", len(fmt.Sprint(epochs)), e.Epoch+1, epochs, lossText(e.Train.Loss), metrics.Number(e.Train.F1).Text(3))
	if !validation {
		return text + fmt.Sprintf(" AUC %s", metrics.Number(e.Train.AUC).Text(3))
	}
	return text + fmt.Sprintf("  val: loss %s F1 %s AUC %s", lossText(e.Val.Loss), metrics.Number(e.Val.F1).Text(3), metrics.Number(e.Val.AUC).Text(3))
}

// lossText writes a loss: a focal loss goes down to 0.001, a diverging one up to anything.
func lossText(x float64) string {
	if x >= 100 || !finite(x) {
		return fmt.Sprintf("%.4g", x)
	}
	return fmt.Sprintf("%.5f", x)
}

type endEvent struct {
	Event     string         `json:"event"`
	Stopped   Stop           `json:"stopped"`
	Reason    string         `json:"reason"`
	BestEpoch *int           `json:"best_epoch"`
	BestF1    metrics.Number `json:"best_val_f1"`
	Threshold metrics.Number `json:"threshold"`
	Model     string         `json:"model,omitempty"` // Config.Name
}

// OnTrainEnd implements Callback: how training ended, and which weights are kept.
func (p *Progress) OnTrainEnd(r *Run) error {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
	if p.quiet {
		return nil
	}
	if p.json {
		e := endEvent{Event: "end", Stopped: r.Stopped, Reason: r.Reason, BestF1: metrics.Number(metrics.NaN), Threshold: metrics.Number(r.Decision().Threshold), Model: p.name}
		if r.Best.Any {
			e.BestEpoch, e.BestF1 = &r.Best.Epoch, metrics.Number(r.Best.Value)
		}
		p.event(e)
		return nil
	}
	p.line(p.named("training ended: " + r.Reason))
	switch {
	case !r.Best.Any:
	case r.Config.EarlyStopping:
		p.line(p.named(fmt.Sprintf("best weights restored: epoch %d, validation F1 %.4f", r.Best.Epoch+1, r.Best.Value)))
	case len(r.Parts.Val) > 0:
		p.line(p.named(fmt.Sprintf("last weights kept: epoch %d, validation F1 %.4f", r.Best.Epoch+1, r.Best.Value)))
	default:
		p.line(p.named(fmt.Sprintf("last weights kept: epoch %d", r.Best.Epoch+1)))
	}
	if about := r.Decision().About; about != "" {
		p.line(p.named(about))
	}
	return nil
}

type resultEvent struct {
	Event string `json:"event"`
	metrics.Test
}

type fileEvent struct {
	Event string `json:"event"`
	Path  string `json:"path"`
}

// result reports the test scores, nil if there are none, and the files: in JSON into the log, otherwise as tables
// to out (nil: nowhere).
func (p *Progress) result(out io.Writer, test *metrics.Evaluation, files []string) error {
	if p.json {
		if p.quiet {
			return nil
		}
		if test != nil {
			p.event(resultEvent{"result", test.Test})
		}
		for _, f := range files {
			p.event(fileEvent{"file", f})
		}
		return nil
	}
	if out == nil {
		return nil
	}
	if test != nil {
		if err := report.WriteTest(out, test.Test); err != nil {
			return fmt.Errorf("train: write the result: %w", err)
		}
	}
	if len(files) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(out, "Files written:\n  %s\n", strings.Join(files, "\n  ")); err != nil {
		return fmt.Errorf("train: write the list of files: %w", err)
	}
	return nil
}

// stopwatch says when a second has passed.
type stopwatch struct{ last time.Time }

// due reports whether a second has passed since it last reported so.
func (s *stopwatch) due() bool {
	if time.Since(s.last) < time.Second {
		return false
	}
	s.last = time.Now()
	return true
}
