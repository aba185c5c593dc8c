package crossval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"vklstm/train"
	"vklstm/train/metrics"
	"vklstm/train/report"
)

// log is the log of a cross-validation: one line for each epoch of all models, and one for each model that has ended. On a
// terminal a bar shows how far the longest of them are. In JSON each line is an object with an "event": "start", "epoch" and
// "end" of a "model", "note" and "warning".
type log struct {
	w        io.Writer
	c        CrossValidation
	terminal bool
	models   int // of the whole cross-validation
	begun    bool

	mu       sync.Mutex // lines and the bar come from different goroutines
	bar      *progressbar.ProgressBar
	shown    float64 // epochs that the bar shows
	epochs   int     // trained by the models that train
	stopTick func()
}

func newLog(c CrossValidation) *log {
	l := &log{w: c.Log, c: c, stopTick: func() {}}
	if l.w == nil {
		l.w = io.Discard
	}
	f, ok := c.Log.(*os.File)
	l.terminal = ok && term.IsTerminal(int(f.Fd())) && !c.Quiet && c.LogFormat != train.LogJSON
	return l
}

// Write writes whole lines above the bar, if there is one.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bar != nil {
		_ = l.bar.Clear() // A log that cannot be written must not end a training.
	}
	n, err := l.w.Write(b)
	if l.bar != nil {
		_ = l.bar.RenderBlank()
	}
	return n, err
}

func (l *log) json() bool { return l.c.LogFormat == train.LogJSON }

func (l *log) line(format string, args ...any) {
	_, _ = fmt.Fprintf(l, format+"\n", args...)
}

func (l *log) event(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sweep: encode a log event: %v", err)) // all events are structs of plain fields
	}
	_, _ = l.Write(append(b, '\n'))
}

type messageEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
}

// note writes a line of information.
func (l *log) note(format string, args ...any) {
	switch text := fmt.Sprintf(format, args...); {
	case l.c.Quiet:
	case l.json():
		l.event(messageEvent{"note", text})
	default:
		l.line("%s", text)
	}
}

// warn writes a line that quiet does not silence.
func (l *log) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.json() {
		l.event(messageEvent{"warning", text})
		return
	}
	l.line("warning: %s", text)
}

type startEvent struct {
	Event      string `json:"event"`
	Device     string `json:"device"`
	Data       string `json:"data"`
	Windows    int    `json:"windows"`
	Folds      int    `json:"folds"`
	Models     int    `json:"models"`
	SideBySide int    `json:"side_by_side"`
}

// begin writes what is trained, once, and starts the bar for the models of g.
func (l *log) begin(o *Outcome, g *train.Group) {
	if !l.begun {
		l.begun = true
		l.introduce(o, g)
	}
	if !l.terminal {
		return
	}
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown, l.epochs = 0, 0
	l.bar = progressbar.NewOptions64(int64(l.c.Config.Epochs)*barSteps,
		progressbar.OptionSetWriter(l.w), progressbar.OptionSetWidth(24), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetDescription(l.barText(0, len(g.Runs))), progressbar.OptionClearOnFinish())
	_ = l.bar.RenderBlank()
	done, ended := make(chan struct{}), make(chan struct{})
	go l.tick(g, done, ended)
	l.stopTick = func() {
		close(done)
		<-ended
	}
}

// introduce writes the lines that the log begins with.
func (l *log) introduce(o *Outcome, g *train.Group) {
	if o.cutsGroups() {
		l.warn("%s: windows of one %s lie on both sides of a fold, so the scores are better than they will be on new ones", o.Dataset.Path, o.unit())
	}
	switch {
	case l.c.Quiet:
	case l.json():
		l.event(startEvent{"start", g.Device, o.Dataset.Path, o.Dataset.N, o.folds(), l.models, len(g.Runs)})
	default:
		for _, text := range append([]string{g.Device, o.about(), o.division(), o.modelsText()}, o.Config.Settings()...) {
			l.line("%s", text)
		}
		if n := len(g.Runs); n < l.models {
			l.line("%s side by side at a time", number(n, "model"))
		}
	}
}

// barSteps is how many steps of the bar an epoch has.
const barSteps = 1000

func (l *log) barText(epoch, models int) string {
	return fmt.Sprintf("epoch %d/%d, %s", min(epoch+1, l.c.Config.Epochs), l.c.Config.Epochs, number(models, "model"))
}

// tick moves the bar while an epoch trains.
func (l *log) tick(g *train.Group, done, ended chan struct{}) {
	defer close(ended)
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
			if steps, of := g.Progress(); of > 0 && steps < of {
				l.mu.Lock()
				l.show(float64(l.epochs) + float64(steps)/float64(of))
				l.mu.Unlock()
			}
		}
	}
}

// show moves the bar to so many epochs, never back.
func (l *log) show(epochs float64) {
	if l.bar != nil && epochs > l.shown {
		l.shown = epochs
		_ = l.bar.Set64(int64(epochs * barSteps))
	}
}

// close takes the bar away.
func (l *log) close() {
	l.stopTick()
	l.stopTick = func() {}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bar != nil {
		_ = l.bar.Clear()
		l.bar = nil
	}
}

type epochEvent struct {
	Event   string         `json:"event"`
	Model   string         `json:"model"`
	Epoch   int            `json:"epoch"`
	Loss    metrics.Number `json:"loss"`
	F1      metrics.Number `json:"f1"`
	ValLoss metrics.Number `json:"val_loss"`
	ValF1   metrics.Number `json:"val_f1"`
	ValAUC  metrics.Number `json:"val_auc"`
	Seconds float64        `json:"seconds"` // that the epoch of all models took
}

// epoch tells of an epoch of the models that were trained in it.
func (l *log) epoch(trained []*train.Run) {
	l.mu.Lock()
	l.epochs = len(trained[0].History)
	l.show(float64(l.epochs))
	if l.bar != nil {
		l.bar.Describe(l.barText(l.epochs, len(trained)))
	}
	l.mu.Unlock()
	if l.c.Quiet {
		return
	}
	windows, lowest, highest := 0, math.Inf(1), math.Inf(-1)
	var loss, f1, took float64
	n := float64(len(trained))
	for _, r := range trained {
		e := r.History[len(r.History)-1]
		if l.json() {
			number := func(x float64) metrics.Number { return metrics.Number(x) }
			l.event(epochEvent{"epoch", r.Config.Name, e.Epoch, number(e.Train.Loss), number(e.Train.F1),
				number(e.Val.Loss), number(e.Val.F1), number(e.Val.AUC), e.Time.Seconds()})
			continue
		}
		s, what := e.Train, e.Train.F1
		if len(r.Parts.Val) > 0 {
			what = e.Val.F1
		}
		loss += s.Loss / n
		f1 += what / n
		lowest, highest = min(lowest, what), max(highest, what)
		windows += e.Windows
		took = e.Time.Seconds()
	}
	if l.json() {
		return
	}
	name := "val F1"
	if len(trained[0].Parts.Val) == 0 {
		name = "F1"
	}
	text := fmt.Sprintf("%d/%d  %s  loss %.5f  %s %.3f", l.epochs, l.c.Config.Epochs, number(len(trained), "model"), loss, name, f1)
	if len(trained) > 1 {
		text += fmt.Sprintf(" (%.3f to %.3f)", lowest, highest)
	}
	if !l.terminal {
		text += fmt.Sprintf("  %.2fs  %.0f windows/s", took, float64(windows)/max(took, 1e-9))
	}
	l.line("%s", text)
}

type endEvent struct {
	Event     string         `json:"event"`
	Model     string         `json:"model"`
	Stopped   train.Stop     `json:"stopped"`
	Reason    string         `json:"reason"`
	Epochs    int            `json:"epochs"`
	BestEpoch *int           `json:"best_epoch"`
	BestF1    metrics.Number `json:"best_val_f1"`
}

// end tells of a model that has ended.
func (l *log) end(r *train.Run) {
	switch {
	case l.c.Quiet:
	case l.json():
		e := endEvent{"end", r.Config.Name, r.Stopped, r.Reason, len(r.History), nil, metrics.Number(math.NaN())}
		if r.Best.Any {
			e.BestEpoch, e.BestF1 = &r.Best.Epoch, metrics.Number(r.Best.Value)
		}
		l.event(e)
	case r.Best.Any && !math.IsNaN(r.Best.Value):
		l.line("%s: %s after %s; epoch %d kept, val F1 %.3f", r.Config.Name, r.Stopped, number(len(r.History), "epoch"), r.Best.Epoch+1, r.Best.Value)
	default:
		l.line("%s: %s after %s", r.Config.Name, r.Stopped, number(len(r.History), "epoch"))
	}
}

// number writes a number with its noun.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return report.Thousands(n) + " " + noun + "s"
}
