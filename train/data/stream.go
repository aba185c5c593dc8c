package data

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"vklstm/train/internal/wording"
)

// Stream predicts on frames as they come: a window of the last T frames, one probability for every hop of them. Its
// memory does not grow.
type Stream struct {
	t, f, hop int
	predict   func(window []float32) ([]float32, error)
	frames    []float32 // at most [2T][F], of which the last T are the window; it grows with what comes
	seen      int       // frames since the beginning of the recording
}

// NewStream returns a Stream of windows of t × f, of which every hop-th is predicted; the first when t frames have come.
func NewStream(t, f, hop int, predict func(window []float32) ([]float32, error)) *Stream {
	return &Stream{t: t, f: f, hop: hop, predict: predict}
}

// Frame takes a frame[F] and returns what is predicted of the window that it ends, if one is due.
func (s *Stream) Frame(frame []float32) (p []float32, due bool, err error) {
	if len(s.frames) == 2*s.t*s.f { // once in T frames
		n := copy(s.frames, s.frames[len(s.frames)-(s.t-1)*s.f:])
		s.frames = s.frames[:n]
	}
	s.frames = append(s.frames, frame...)
	s.seen++
	if s.seen < s.t || (s.seen-s.t)%s.hop != 0 {
		return nil, false, nil
	}
	p, err = s.predict(s.frames[len(s.frames)-s.t*s.f:])
	return p, err == nil, err
}

// Begin starts a new recording: the next window holds none of the frames before.
func (s *Stream) Begin() { s.frames, s.seen = s.frames[:0], 0 }

// maxLine bounds a line of a stream, in bytes.
const maxLine = 1 << 20

// StreamLines reads one frame per line from r, its values separated by commas, semicolons or blanks, or a JSON array of
// them, and calls each with the number of the line and the probability of the window that it ends. NaN, null and
// nothing between two commas are missing values; an empty line begins a new recording. The error names the line that is
// no frame; it is ctx's when that ends, even while r has nothing to read.
func StreamLines(ctx context.Context, r io.Reader, s *Stream, each func(line int, p []float32) error) error {
	until := untilDone(ctx, r)
	defer until.Close()
	lines := bufio.NewReaderSize(until, 1<<16)
	var frame []float32
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if e := ctx.Err(); e != nil {
			return e
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("train: line %d: %w", n, err)
		}
		end := err == io.EOF
		if n == 1 {
			if line, err = unmarked(line); err != nil {
				return fmt.Errorf("train: line 1: %w", err)
			}
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 && !end:
			s.Begin()
		case len(line) > 0:
			if frame, err = parseFrame(frame[:0], line, s.f); err != nil {
				return fmt.Errorf("train: line %d: %w", n, err)
			}
			p, due, err := s.Frame(frame)
			if err == nil && due {
				err = each(n, p)
			}
			if err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

// untilDone returns a reader of r whose Read returns when ctx ends, which a read of standard input does not: one that still
// waits for r then, or when it is closed, is left behind.
func untilDone(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.CopyBuffer(in, struct{ io.Reader }{r}, make([]byte, 1<<16)) // os.File's WriteTo knows no buffer
		in.CloseWithError(err)
	}()
	return out
}

// readLine returns the next line with its end, io.EOF beside the last one. It lies in the reader's buffer where it fits.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	long := append([]byte(nil), line...)
	for err == bufio.ErrBufferFull {
		if len(long) > maxLine {
			return nil, fmt.Errorf("more than %d bytes without a line's end; a line is one frame", maxLine)
		}
		line, err = r.ReadSlice('\n')
		long = append(long, line...)
	}
	return long, err
}

// parseFrame appends the f values of a line to frame.
func parseFrame(frame []float32, line []byte, f int) ([]float32, error) {
	text := line
	if line[0] == '[' && line[len(line)-1] == ']' {
		text = bytes.TrimSpace(line[1 : len(line)-1])
	}
	for rest := text; ; {
		end := bytes.IndexAny(rest, ",; \t")
		word := rest
		if end >= 0 {
			word = rest[:end]
		}
		v, err := parseValue(word)
		if err != nil {
			return nil, err
		}
		if frame = append(frame, v); len(frame) > f {
			return nil, fmt.Errorf("more than %d values; the model reads frames of %d", f, f)
		}
		if end < 0 {
			break
		}
		// Blanks around a separator are part of it.
		blank := rest[end] == ' ' || rest[end] == '\t'
		rest = bytes.TrimLeft(rest[end+1:], " \t")
		if blank && len(rest) > 0 && (rest[0] == ',' || rest[0] == ';') {
			rest = bytes.TrimLeft(rest[1:], " \t")
		}
	}
	if len(frame) != f {
		return nil, fmt.Errorf("%s; the model reads frames of %d", english.Plural(len(frame), "value", ""), f)
	}
	return frame, nil
}

// parseValue reads a number, of which subnormal ones are 0 as in a Dataset; nothing, null, and NaN in any case, with a sign as
// C prints it or without, are a missing value.
func parseValue(word []byte) (float32, error) {
	if len(word) == 0 || string(word) == "null" {
		return float32(math.NaN()), nil
	}
	if len(word) == 4 && (word[0] == '-' || word[0] == '+') && strings.EqualFold(string(word[1:]), "nan") {
		word = word[1:]
	}
	v, err := strconv.ParseFloat(string(word), 32)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && math.IsInf(v, 0):
		return 0, fmt.Errorf("%q is not finite in float32; a missing value is NaN or null", wording.Short(string(word)))
	case err != nil:
		return 0, fmt.Errorf("%q is no number; a missing value is NaN or null", wording.Short(string(word)))
	case math.Abs(v) < 0x1p-126:
		v = 0
	}
	return float32(v), nil
}
