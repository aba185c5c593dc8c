package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// ramp returns a stream of windows of 3 × 2 whose "probability" is made of the window's values, so that another window
// shows.
func ramp(hop int) *Stream {
	return NewStream(3, 2, hop, func(w []float32) ([]float32, error) {
		p := float32(0)
		for i, v := range w {
			if v == v {
				p += v * float32(math.Pow(10, float64(i%2-1))) * float32(i/2+1)
			}
		}
		return []float32{p}, nil
	})
}

func stream(t *testing.T, s *Stream, text string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := StreamLines(t.Context(), strings.NewReader(text), s, func(line int, p []float32) error {
		fmt.Fprintf(&out, "%d:%.6g ", line, p[0])
		return nil
	})
	return out.String(), err
}

func TestStreamLines(t *testing.T) {
	frames := func(from, to int, form string) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, form+"\n", i, i)
		}
		return b.String()
	}
	for _, tc := range []struct {
		name, text string
		hop        int
		want       string
	}{
		// A window of frames a, a+1, a+2 gives 1.1·(a + 2(a+1) + 3(a+2)) = 1.1·(6a + 8).
		{"every frame", frames(0, 5, "%d,%d"), 1, "3:8.8 4:15.4 5:22 "},
		{"every second", frames(0, 8, "%d %d"), 2, "3:8.8 5:22 7:35.2 "},
		{"hop beyond a window", frames(0, 12, "[%d, %d]"), 7, "3:8.8 10:55 "},
		{"blanks around commas, no last line's end", strings.TrimRight(frames(0, 4, "  %d , %d  "), "\n "), 1, "3:8.8 4:15.4 "},
		{"tabs, semicolons, carriage returns", frames(0, 2, "%d;%d\r") + frames(2, 4, "%d\t%d\r"), 1, "3:8.8 4:15.4 "},
		{"a new recording", frames(0, 4, "%d,%d") + "\n" + frames(0, 3, "%d,%d"), 1, "3:8.8 4:15.4 8:8.8 "},
		{"too few", frames(0, 2, "%d,%d"), 1, ""},
		{"nothing", "", 1, ""},
		{"a byte order mark", "\ufeff" + frames(0, 3, "%d,%d"), 1, "3:8.8 "},
		{"missing", "1,\nnan,1\n[null, 1]\n", 1, "3:5.1 "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := stream(t, ramp(tc.hop), tc.text); err != nil || got != tc.want {
				t.Errorf("%q, %v; want %q", got, err, tc.want)
			}
		})
	}
	for text, want := range map[string]string{
		"1,2\n1\n": "line 2: 1 value", "1,2,3": "line 1: more than 2", "1,x": `"x" is no number`, "1,inf": "not finite",
		"1,1e99": "not finite", "{}": "no number", "\xff\xfe1\x00,\x002\x00": "UTF-16", "1,\x00": "no number",
		strings.Repeat("1", maxLine+1<<17): "without a line's end",
	} {
		if _, err := stream(t, ramp(1), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want one with %q", text, err, want)
		}
	}
}

// A stream ends with its context while it waits for a frame.
func TestStreamLinesEnds(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.WriteString(w, "1,2\n")
		cancel()
	}()
	if err := StreamLines(ctx, r, ramp(1), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A Dataset has subnormal values as 0, of which some engine may make a masked step and another none.
func TestStreamSubnormal(t *testing.T) {
	frame, err := parseFrame(nil, []byte("1e-40,-1e-40,2e-38"), 3)
	if err != nil || frame[0] != 0 || frame[1] != 0 || frame[2] != 2e-38 {
		t.Errorf("%v, %v", frame, err)
	}
}

// A model file may claim windows that no memory holds: a stream takes memory for frames when they come.
func TestStreamOfHugeWindows(t *testing.T) {
	s := NewStream(maxSize, maxSize, 1, nil)
	if _, due, err := s.Frame(make([]float32, 3)); due || err != nil || cap(s.frames) > 100 {
		t.Errorf("%v, %v, memory for %d values", due, err, cap(s.frames))
	}
}

func FuzzStreamLines(f *testing.F) {
	f.Add("1,2\n3,4\n5,6\n")
	f.Add("[1, null]\n\n1 nan\n;;;\n")
	f.Fuzz(func(t *testing.T, text string) { stream(t, ramp(1), text) })
}
