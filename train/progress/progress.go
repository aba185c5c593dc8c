// Package progress is the log of long work: a line for people or a JSON object for programs at each event, and on a terminal
// one bar below the lines.
//
//	l := progress.New(os.Stderr, progress.JSON, false)
//	l.Event("epoch", "epoch", 3, "loss", metrics.Number(0.25))   // {"event":"epoch","epoch":3,"loss":0.25}
package progress

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// The formats of a log.
const (
	Text = "text" // lines for people
	JSON = "json" // one JSON object per event and line
)

// Log is a log. Its methods may be called by several goroutines, but for the fields.
type Log struct {
	Name string // of what the lines are about; empty: there is one only

	out     *output
	quiet   bool
	program *slog.Logger // nil: the log is for people
}

// New returns a log that writes to w, nil for none, in the format Text or JSON; quiet leaves warnings alone. Where w is a Log,
// lines go above its bar.
func New(w io.Writer, format string, quiet bool) *Log {
	l := &Log{quiet: quiet || w == nil}
	if above, ok := w.(*Log); ok {
		l.out = above.out
	} else {
		l.out = newOutput(w)
	}
	if format == JSON {
		l.program = slog.New(slog.NewJSONHandler(l.out, &slog.HandlerOptions{ReplaceAttr: asEvent}))
	}
	return l
}

// asEvent leaves out time and level, so that the same work gives the same lines, and calls the message "event".
func asEvent(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey):
		return slog.Attr{}
	case len(groups) == 0 && a.Key == slog.MessageKey:
		a.Key = "event"
	}
	return a
}

// Write writes whole lines above the bar, if there is one.
func (l *Log) Write(b []byte) (int, error) { return l.out.Write(b) }

// JSON reports whether the log is for programs.
func (l *Log) JSON() bool { return l.program != nil }

// Event writes an object for programs: the event's name, then pairs of key and value as slog has them.
func (l *Log) Event(name string, pairs ...any) {
	if l.program != nil && !l.quiet {
		l.program.Info(name, pairs...)
	}
}

// Line writes a line for people.
func (l *Log) Line(format string, args ...any) {
	if l.program == nil && !l.quiet {
		fmt.Fprintf(l.out, format+"\n", args...)
	}
}

// NamedLine writes a line for people that begins with Name.
func (l *Log) NamedLine(format string, args ...any) {
	l.Line("%s", l.named(fmt.Sprintf(format, args...)))
}

func (l *Log) named(text string) string {
	if l.Name == "" {
		return text
	}
	return l.Name + ": " + text
}

// Note writes a remark for both.
func (l *Log) Note(format string, args ...any) {
	if !l.quiet {
		l.message("note", "", fmt.Sprintf(format, args...))
	}
}

// Warn writes a remark that quiet does not silence.
func (l *Log) Warn(format string, args ...any) {
	l.message("warning", "warning: ", fmt.Sprintf(format, args...))
}

func (l *Log) message(event, prefix, text string) {
	if l.program == nil {
		fmt.Fprintln(l.out, prefix+l.named(text))
		return
	}
	l.program.Info(event, append([]any{"message", text}, l.Model()...)...)
}

// Model is Name as the last pair of an event; nothing without one.
func (l *Log) Model() []any {
	if l.Name == "" {
		return nil
	}
	return []any{"model", l.Name}
}

// Bars reports whether a bar can be drawn.
func (l *Log) Bars() bool { return l.out.terminal && l.program == nil && !l.quiet }

// SetBars says whether bars can be drawn where New found out otherwise: by the writer, which is a terminal or not.
func (l *Log) SetBars(can bool) { l.out.terminal = can }

// epochSteps is how many steps of the bar an epoch has.
const epochSteps = 1000

// StartBar draws a bar of n epochs, if bars can be drawn. Ten times a second it asks how many steps of the current epoch
// are done.
func (l *Log) StartBar(epochs int, text string, steps func() (done, of int)) {
	if !l.Bars() {
		return
	}
	l.EndBar()
	b := &bar{stop: make(chan struct{}), stopped: make(chan struct{}),
		drawn: progressbar.NewOptions64(int64(epochs)*epochSteps, progressbar.OptionSetWriter(l.out.w), progressbar.OptionSetWidth(24),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetDescription(text), progressbar.OptionClearOnFinish())}
	l.out.mu.Lock()
	l.out.bar = b
	_ = b.drawn.RenderBlank()
	l.out.mu.Unlock()
	go l.out.follow(b, steps)
}

// ShowBar moves the bar to n whole epochs, never back: an epoch's end may be heard of when the next one is under way.
func (l *Log) ShowBar(epochs int, text string) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	if b := l.out.bar; b != nil {
		b.epochs = epochs
		b.show(epochs * epochSteps)
		b.drawn.Describe(text)
	}
}

// EndBar takes the bar away, if there is one.
func (l *Log) EndBar() {
	l.out.mu.Lock()
	b := l.out.bar
	l.out.mu.Unlock()
	if b == nil {
		return
	}
	close(b.stop)
	<-b.stopped
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	_ = b.drawn.Clear()
	l.out.bar = nil
}

// output is what logs share: a writer, and the bar below its lines.
type output struct {
	w        io.Writer
	terminal bool
	mu       sync.Mutex // a line and the bar come from different goroutines
	bar      *bar       // nil: none is drawn
}

func newOutput(w io.Writer) *output {
	if w == nil {
		return &output{w: io.Discard}
	}
	f, ok := w.(*os.File)
	return &output{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Write writes whole lines. A log that cannot be written must not end the work.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bar != nil {
		_ = o.bar.drawn.Clear()
	}
	n, err := o.w.Write(b)
	if o.bar != nil {
		_ = o.bar.drawn.RenderBlank()
	}
	return n, err
}

// follow moves the bar until it is taken away.
func (o *output) follow(b *bar, steps func() (done, of int)) {
	defer close(b.stopped)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			if done, of := steps(); of > 0 && done < of {
				o.mu.Lock()
				b.show(b.epochs*epochSteps + done*epochSteps/of)
				o.mu.Unlock()
			}
		}
	}
}

// bar is a bar on a terminal.
type bar struct {
	drawn         *progressbar.ProgressBar
	epochs, shown int // whole epochs done; steps that the bar shows
	stop, stopped chan struct{}
}

// show moves the bar to step n, never back.
func (b *bar) show(steps int) {
	if steps > b.shown {
		b.shown = steps
		_ = b.drawn.Set(steps)
	}
}
