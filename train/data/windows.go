package data

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vklstm/model/npz"
	"vklstm/train/internal/wording"
)

// Batch is a few windows of a file, in its order. Its slices are overwritten by the next one.
type Batch struct {
	ID    []string  // [n], the file's own names of the windows; nil: they have none, and are counted from First
	IsNum []bool    // [n], in jsonl: the name is a number there, not text; nil in other formats
	First int       // number of the first window, from 0
	X     []float32 // [n][T][F], as Dataset.X
	Y     []string  // [n], labels; nil: not asked for
	Group []string  // [n]; nil: not asked for
}

// batchBytes bounds the values of a Batch, and batchWindows its windows.
const (
	batchBytes   = 16 << 20
	batchWindows = 4096
)

// The formats of EachBatch.
const (
	NPZ   = "npz"
	CSV   = "csv"
	JSONL = "jsonl"
)

// FormatOf returns the format of windows that a path's ending asks for, and "" for another ending.
func FormatOf(path string) string {
	switch f := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), ".")); f {
	case NPZ, CSV, JSONL:
		return f
	}
	return ""
}

// Source is where windows come from.
type Source struct {
	Path   string    // of the file; it begins the errors
	Format string    // NPZ, CSV or JSONL; "": FormatOf the path, and NPZ where that is ""
	Reader io.Reader // read in place of a file of that path, such as os.Stdin; nil: none. NPZ needs a file.
	Whole  bool      // windows of fewer than t frames are an error: the network has no Masking to leave out what is missing
}

// EachBatch hands the windows of a source to each, a few at a time, so that memory does not grow with it: windows of
// t × f, and the labels and groups that k names. By its format the source is
//
//	npz    as LoadNPZ reads it
//	csv    a window a line, t·f values, frame by frame; or, with a column "window" in the heading, a frame a line, of
//	       which lines with the same "window" one after the other belong together
//	jsonl  a window a line, {"x": [[…], …], "window": …}, or [[…], …] alone
//
// In csv and jsonl, labels and groups are columns or fields; an empty cell, NaN and null are missing values; a window
// with fewer than t frames is filled up after with missing ones, which are masked. What comes through a pipe is handed on
// before there is a wait for more. The error is a sentence that begins with the path and names the line, or each's own; it is
// ctx's when that ends.
func EachBatch(ctx context.Context, s Source, k Keys, t, f int, each func(Batch) error) error {
	call := func(b Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return each(b)
	}
	n := max(1, min(batchWindows, batchBytes/(4*t*f)))
	if s.Format == "" {
		s.Format = FormatOf(s.Path)
	}
	switch s.Format {
	case CSV, JSONL:
	default:
		if s.Reader != nil {
			return fmt.Errorf("%s: npz is read from a file alone, whose end says what it holds; give its path", s.Path)
		}
		return eachOfNPZ(s, k, t, f, n, call)
	}
	r, regular, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	g := &gathered{path: s.Path, keys: k, t: t, f: f, most: n, each: call, prompt: !regular, whole: s.Whole}
	if s.Format == CSV {
		err = g.csv(r)
	} else {
		err = g.jsonLines(r)
	}
	if err == nil {
		err = g.flush()
	}
	if e := ctx.Err(); e != nil {
		return e
	}
	if g.failed != nil {
		return g.failed
	}
	if err == nil && g.batch.First == 0 {
		err = fmt.Errorf("%s: it holds no window", s.Path)
	}
	return err
}

// open opens the source, and reports whether it is a regular file. What is none, such as a pipe, may have nothing to read for
// long, and until it has a writer cannot even be opened: neither wait outlasts ctx.
func (s Source) open(ctx context.Context) (r io.ReadCloser, regular bool, err error) {
	isRegular := func(info fs.FileInfo, err error) bool { return err == nil && info.Mode().IsRegular() }
	if file, ok := s.Reader.(*os.File); ok && isRegular(file.Stat()) {
		return io.NopCloser(file), true, nil
	}
	if s.Reader != nil {
		return untilDone(ctx, s.Reader), false, nil
	}
	if info, err := os.Stat(s.Path); err == nil && !info.Mode().IsRegular() {
		return untilDone(ctx, &lateFile{path: s.Path}), false, nil
	}
	file, err := os.Open(s.Path)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", s.Path, reason(err))
	}
	return file, true, nil
}

// lateFile is a file that is opened by the first read of it.
type lateFile struct {
	path string
	file *os.File
}

func (l *lateFile) Read(p []byte) (int, error) {
	if l.file == nil {
		var err error
		if l.file, err = os.Open(l.path); err != nil {
			return 0, reason(err)
		}
	}
	n, err := l.file.Read(p)
	if err != nil {
		l.file.Close()
		if err != io.EOF {
			err = reason(err)
		}
	}
	return n, err
}

// reason strips the operation and the path off an error of package os. It keeps what errors.Is finds.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func eachOfNPZ(s Source, k Keys, t, f, n int, each func(Batch) error) error {
	path := s.Path
	file, err := npz.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	d := &Dataset{Path: path}
	a, err := d.find(file, k)
	if err != nil {
		return err
	}
	if d.T > t || d.T < t && !d.ragged || d.F != f {
		return WrongShape(path, d.T, d.F, t, f)
	}
	d.Shorter, d.T = d.Shorter || d.T < t, t
	a.group = k.Group // no other was asked for
	if err := d.readLabels(file, a, k.Positive); err != nil {
		return err
	}
	lengths, err := d.readLengths(file, a)
	if err == nil {
		err = d.CheckMasking(!s.Whole)
	}
	if err != nil {
		return err
	}
	first := 0
	batch := func(x []float32) error {
		if lengths != nil {
			d.end(x, lengths[first:first+len(x)/(t*f)])
		}
		if _, err := d.clean(a.x, x, first); err != nil {
			return err
		}
		b := Batch{First: first, X: x}
		first += len(x) / (t * f)
		if d.Y != nil {
			for _, y := range d.Y[b.First:first] {
				b.Y = append(b.Y, d.Classes[int(y)])
			}
		}
		if d.Group != nil {
			b.Group = d.Group[b.First:first]
		}
		return each(b)
	}
	if a.sequences == nil {
		return file.Rows(a.x, n, batch)
	}
	for part := range slices.Chunk(a.sequences, n) {
		if err := batch(d.padded(part, t)); err != nil {
			return err
		}
	}
	return nil
}

// gathered collects windows that come one by one, or frame by frame.
type gathered struct {
	path  string
	keys  Keys
	t, f  int
	most  int
	each  func(Batch) error
	batch Batch
	begun bool // there was a window
	open  bool // the last one may still get frames
	id    string
	used  int // frames of the last window

	named  bool // the windows have names
	prompt bool // complete windows are handed on before there is a wait for more
	whole  bool // windows of fewer than t frames are an error

	failed error // of each, which is not the source's
}

var missingValue = float32(math.NaN())

// byteOrderMark stands in front of UTF-8 text that some programs write, Excel among them; it is no part of the text.
var byteOrderMark = []byte("\xef\xbb\xbf")

// errUTF16 is what Windows PowerShell's > leaves.
var errUTF16 = errors.New("the text is UTF-16; save it as UTF-8")

// unmarked returns the beginning of a text without the mark of its encoding, and errUTF16 where that is another than UTF-8.
func unmarked(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errUTF16
	}
	return bytes.TrimPrefix(text, byteOrderMark), nil
}

// longest bounds the text of a window in bytes: 64 a value, and as much as names and labels take.
func (g *gathered) longest() int { return 1<<16 + 64*g.t*g.f }

// window begins one, which has the name id where the file names windows.
func (g *gathered) window(id string, named bool, y, group string) error {
	if err := g.end(); err != nil {
		return err
	}
	b := &g.batch
	if named {
		b.ID = append(b.ID, id)
	}
	if g.keys.Y != "" {
		if strings.TrimSpace(y) == "" {
			return fmt.Errorf("%s is empty; each window needs a label", g.keys.Y)
		}
		b.Y = append(b.Y, y)
	}
	if g.keys.Group != "" {
		b.Group = append(b.Group, group)
	}
	g.begun, g.open, g.named, g.id, g.used = true, true, named, id, 0
	return nil
}

// sameNumber reports whether two texts are the same number, as 1 and 1.0 are.
func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, other := strconv.ParseFloat(b, 64)
	return err == nil && other == nil && x == y
}

// goOn compares what another frame says of the last window with what its first one said; an empty cell says nothing.
func (g *gathered) goOn(y, group string) error {
	b := &g.batch
	if !g.open {
		return nil
	}
	if n := len(b.Y); n > 0 && y != "" {
		if y != b.Y[n-1] && !sameNumber(y, b.Y[n-1]) {
			return fmt.Errorf("%s is %q in window %q, which began with %v; a window has one label", g.keys.Y, wording.Short(y), wording.Short(g.id), b.Y[n-1])
		}
	}
	if n := len(b.Group); n > 0 && group != "" && group != b.Group[n-1] {
		return fmt.Errorf("%s is %q in window %q, which began with %q; a window lies in one group", g.keys.Group, wording.Short(group), wording.Short(g.id), wording.Short(b.Group[n-1]))
	}
	return nil
}

// frame adds a frame to the last window.
func (g *gathered) frame(values []float32) error {
	if g.used == g.t {
		return fmt.Errorf("window %q has more than %d frames; the model reads %d", wording.Short(g.id), g.t, g.t)
	}
	for i, v := range values {
		switch {
		case math.IsInf(float64(v), 0):
			return fmt.Errorf("value %d is %v; save a missing value as NaN", i+1, v)
		case math.Abs(float64(v)) < 0x1p-126:
			values[i] = 0 // subnormal, as Dataset has them
		}
	}
	g.batch.X = append(g.batch.X, values...)
	g.used++
	return nil
}

// end fills the last window up, and hands the batch on when it is full.
func (g *gathered) end() error {
	if !g.open {
		return nil
	}
	if g.whole && g.used < g.t {
		which := "a window"
		if g.named {
			which = fmt.Sprintf("window %q", wording.Short(g.id))
		}
		return fmt.Errorf("%s has %d of %d frames, and the network has no Masking to leave out what is missing; use one that was trained with Masking, or windows of %d frames",
			which, g.used, g.t, g.t)
	}
	for ; g.used < g.t; g.used++ {
		for range g.f {
			g.batch.X = append(g.batch.X, missingValue)
		}
	}
	g.open = false
	if len(g.batch.X) < g.most*g.t*g.f {
		return nil
	}
	return g.hand()
}

func (g *gathered) hand() error {
	b := &g.batch
	if g.failed = g.each(*b); g.failed != nil {
		return g.failed
	}
	b.First += len(b.X) / (g.t * g.f)
	b.ID, b.IsNum, b.X, b.Y, b.Group = b.ID[:0], b.IsNum[:0], b.X[:0], b.Y[:0], b.Group[:0]
	return nil
}

// pause is told that what comes next may have to be waited for, and that the last window is whole, if it is.
func (g *gathered) pause(r *bufio.Reader, whole bool) error {
	if g.prompt && whole && r.Buffered() == 0 {
		return g.flush()
	}
	return nil
}

// flush hands on what is left.
func (g *gathered) flush() error {
	if err := g.end(); err != nil || len(g.batch.X) == 0 {
		return err
	}
	return g.hand()
}
