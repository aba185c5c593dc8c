package progress

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"vklstm/train/metrics"
)

func none() (done, of int) { return 0, 0 }

// An epoch's end may be heard of when the next one is under way already.
func TestBarNeverGoesBack(t *testing.T) {
	l := New(&bytes.Buffer{}, Text, false)
	l.SetBars(true)
	l.StartBar(10, "work", none)
	defer l.EndBar()
	for _, step := range []struct{ epochs, want int }{{5, 5}, {3, 5}, {6, 6}} {
		l.ShowBar(step.epochs, "work")
		if got := l.out.bar.drawn.State().CurrentNum; got != int64(step.want*epochSteps) {
			t.Errorf("after %d epochs the bar is at step %d, want %d", step.epochs, got, step.want*epochSteps)
		}
	}
}

// The bar moves within an epoch by what it is told of its steps.
func TestBarFollowsSteps(t *testing.T) {
	l := New(&bytes.Buffer{}, Text, false)
	l.SetBars(true)
	l.StartBar(4, "work", func() (done, of int) { return 1, 2 })
	defer l.EndBar()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		l.out.mu.Lock()
		at := l.out.bar.drawn.State().CurrentNum
		l.out.mu.Unlock()
		if at == epochSteps/2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bar is at step %d, want %d", at, epochSteps/2)
		}
	}
}

// Each kind of line, for people and for programs, loud and quiet, with a name and without.
func TestLines(t *testing.T) {
	for _, tc := range []struct {
		name   string
		format string
		quiet  bool
		about  string
		want   string
	}{
		{"people", Text, false, "", "a line\na named line\na note <1>\nwarning: a warning\n"},
		{"people, named", Text, false, "fold 2", "a line\nfold 2: a named line\nfold 2: a note <1>\nwarning: fold 2: a warning\n"},
		{"people, quiet", Text, true, "", "warning: a warning\n"},
		{"programs", JSON, false, "", `{"event":"epoch","epoch":3,"loss":0.25,"auc":null}` + "\n" + `{"event":"note","message":"a note <1>"}` + "\n" + `{"event":"warning","message":"a warning"}` + "\n"},
		{"programs, named", JSON, false, "fold 2", `{"event":"epoch","epoch":3,"loss":0.25,"auc":null,"model":"fold 2"}` + "\n" +
			`{"event":"note","message":"a note <1>","model":"fold 2"}` + "\n" + `{"event":"warning","message":"a warning","model":"fold 2"}` + "\n"},
		{"programs, quiet", JSON, true, "", `{"event":"warning","message":"a warning"}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			l := New(&b, tc.format, tc.quiet)
			l.Name = tc.about
			l.Line("a %s", "line")
			l.NamedLine("a named %s", "line")
			l.Event("epoch", append([]any{"epoch", 3, "loss", metrics.Number(0.25), "auc", metrics.Number(math.NaN())}, l.Model()...)...)
			l.Note("a note <%d>", 1)
			l.Warn("a warning")
			if b.String() != tc.want {
				t.Errorf("%s\nwant\n%s", b.String(), tc.want)
			}
		})
	}
	l := New(nil, Text, false) // no log at all
	l.Line("a line")
	l.Warn("a warning")
}

// Lines of a log in a log stand above the bar, and a bar that cannot be drawn is none.
func TestLogInALog(t *testing.T) {
	var b bytes.Buffer
	outer := New(&b, Text, false)
	outer.StartBar(1, "work", none)
	if outer.out.bar != nil {
		t.Error("a bar in a file")
	}
	outer.SetBars(true)
	outer.StartBar(1, "work", none)
	New(outer, Text, true).Warn("a warning")
	outer.EndBar()
	outer.EndBar()
	if s := b.String(); !strings.Contains(s, "warning: a warning\n") || !strings.Contains(s, "\r") || outer.out.bar != nil {
		t.Errorf("%q", s)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// A log that cannot be written does not end the work.
func TestBrokenLog(t *testing.T) {
	for _, format := range []string{Text, JSON} {
		l := New(broken{}, format, false)
		l.Line("a line")
		l.Event("epoch", "epoch", 1)
		l.Warn("a warning")
	}
}
