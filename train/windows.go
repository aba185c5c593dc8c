package train

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vklstm/model/npz"
)

// Batch is a few windows of a file, in its order. Its slices are overwritten by the next one.
type Batch struct {
	ID    []string  // [n], the file's own names of the windows; nil: they have none, and are counted from First
	First int       // number of the first window, from 0
	X     []float32 // [n][T][F], as Dataset.X
	Y     []float32 // [n]; nil: not asked for
	Group []string  // [n]; nil: not asked for
}

// batchBytes bounds the values of a Batch, and batchWindows its windows.
const (
	batchBytes   = 16 << 20
	batchWindows = 4096
)

// EachBatch hands the windows of a file to each, a few at a time, so that memory does not grow with the file: windows of
// t × f, and the labels and groups that k names. By its ending the file is
//
//	.npz    as LoadWindows reads it
//	.csv    a window a line, t·f values, frame by frame; or, with a column "window" in the heading, a frame a line, of
//	        which lines with the same "window" one behind the other belong together
//	.jsonl  a window a line, {"x": [[…], …], "window": …}, or [[…], …] alone
//
// In .csv and .jsonl, labels and groups are columns or fields; an empty cell, NaN and null are missing values; a window
// with fewer than t frames is filled up behind with missing ones, which are masked. The error is a sentence that begins
// with the path and names the line; it is ctx's when that ends.
func EachBatch(ctx context.Context, path string, k Keys, t, f int, each func(Batch) error) error {
	call := func(b Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return each(b)
	}
	n := max(1, min(batchWindows, batchBytes/(4*t*f)))
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv", ".jsonl":
	default:
		return eachOfNPZ(path, k, t, f, n, call)
	}
	file, err := os.Open(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	defer file.Close()
	var r io.Reader = file
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() { // a pipe, which may have nothing to read for long
		until := untilDone(ctx, file)
		defer until.Close()
		r = until
	}
	g := &gathered{path: path, keys: k, t: t, f: f, most: n, each: call}
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		err = g.csv(r)
	} else {
		err = g.jsonLines(r)
	}
	if e := ctx.Err(); e != nil {
		return e
	}
	if err == nil {
		err = g.flush()
	}
	if err == nil && g.batch.First == 0 {
		err = fmt.Errorf("%s: it holds no window", path)
	}
	return err
}

func eachOfNPZ(path string, k Keys, t, f, n int, each func(Batch) error) error {
	file, err := npz.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	d := &Dataset{Path: path}
	key, err := d.shapeOfX(file, k.X)
	if err != nil {
		return err
	}
	if d.T != t || d.F != f {
		return wrongShape(path, d.T, d.F, t, f)
	}
	if k.Y != "" {
		if !file.Has(k.Y) {
			return missingKey(file, path, k.Y, "--y-key")
		}
		if err := d.loadY(file, k.Y); err != nil {
			return err
		}
	}
	if k.Group != "" {
		if err := d.loadGroup(file, k.Group); err != nil {
			return err
		}
	}
	first := 0
	return file.Rows(key, n, func(x []float32) error {
		if _, err := d.clean(key, x, first); err != nil {
			return err
		}
		b := Batch{First: first, X: x}
		first += len(x) / (t * f)
		if d.Y != nil {
			b.Y = d.Y[b.First:first]
		}
		if d.Group != nil {
			b.Group = d.Group[b.First:first]
		}
		return each(b)
	})
}

// gathered collects windows that come one by one, or frame by frame.
type gathered struct {
	path  string
	keys  Keys
	t, f  int
	most  int
	each  func(Batch) error
	batch Batch
	open  bool // the last window may still get frames
	id    string
	used  int // frames of the last window

	begun, named bool // of .jsonl: there was a window, and the windows have names
}

var missingValue = float32(math.NaN())

// byteOrderMark stands in front of UTF-8 text that some programs write, Excel among them; it is no part of the text.
var byteOrderMark = []byte("\xef\xbb\xbf")

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
		v, err := strconv.ParseFloat(y, 32)
		if err != nil || v != 0 && v != 1 {
			return fmt.Errorf("%s is %q; labels are 0 and 1", g.keys.Y, short(y))
		}
		b.Y = append(b.Y, float32(v))
	}
	if g.keys.Group != "" {
		b.Group = append(b.Group, group)
	}
	g.open, g.id, g.used = true, id, 0
	return nil
}

// frame adds a frame to the last window.
func (g *gathered) frame(values []float32) error {
	if g.used == g.t {
		return fmt.Errorf("window %s has more than %d frames; the model reads %d", short(g.id), g.t, g.t)
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
	if err := g.each(*b); err != nil {
		return err
	}
	b.First += len(b.X) / (g.t * g.f)
	b.ID, b.X, b.Y, b.Group = b.ID[:0], b.X[:0], b.Y[:0], b.Group[:0]
	return nil
}

// flush hands on what is left.
func (g *gathered) flush() error {
	if err := g.end(); err != nil || len(g.batch.X) == 0 {
		return err
	}
	return g.hand()
}

// jsonLines reads .jsonl.
func (g *gathered) jsonLines(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 1<<20)
	values := make([]float32, g.f)
	for n := 1; ; n++ {
		line, err := readJSONLine(lines, g.longest())
		end := err == io.EOF
		fail := func(err error) error { return fmt.Errorf("%s: line %d: %w", g.path, n, err) }
		if err != nil && !end {
			return fail(err)
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := g.jsonWindow(nanToNull(line), values); err != nil {
				return fail(err)
			}
		}
		if end {
			return nil
		}
	}
}

// readJSONLine returns a line of at most so many bytes.
func readJSONLine(r *bufio.Reader, most int) ([]byte, error) {
	var long []byte
	for {
		line, err := r.ReadSlice('\n')
		if err == bufio.ErrBufferFull && len(long)+len(line) <= most {
			long = append(long, line...)
			continue
		}
		if len(long)+len(line) > most {
			return nil, fmt.Errorf("more than %d bytes; a line is one window", most)
		}
		if long != nil {
			line = append(long, line...)
		}
		return line, err
	}
}

// nanToNull returns a line with each NaN that stands outside of strings as null, which takes its place in the JSON of
// Python's json and of pandas.
func nanToNull(line []byte) []byte {
	if !bytes.Contains(line, []byte("NaN")) {
		return line
	}
	out, quoted := make([]byte, 0, len(line)+64), false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\' && i+1 < len(line):
			out = append(out, line[i])
			i++
		case line[i] == '"':
			quoted = !quoted
		case !quoted && bytes.HasPrefix(line[i:], []byte("NaN")):
			out, i = append(out, "null"...), i+2
			continue
		}
		out = append(out, line[i])
	}
	return out
}

func (g *gathered) jsonWindow(text []byte, values []float32) error {
	var frames [][]*float32
	fields := map[string]json.RawMessage{}
	var err error
	if text[0] == '[' {
		if g.keys.X != "" {
			return fmt.Errorf("no field %q, which --x-key names; the line is an array", g.keys.X)
		}
		err = json.Unmarshal(text, &frames)
	} else if err = json.Unmarshal(text, &fields); err == nil {
		names := []string{"x", "X"}
		if g.keys.X != "" {
			names = []string{g.keys.X}
		}
		x, ok := fields[names[0]]
		for _, name := range names[1:] {
			if !ok {
				x, ok = fields[name]
			}
		}
		if !ok {
			return fmt.Errorf(`no field %q; a line is {%q: [[…], …]}`, names[0], names[0])
		}
		err = json.Unmarshal(x, &frames)
	}
	if err != nil {
		return fmt.Errorf(`%w; a line is {"x": [[…], …]}, numbers and null for missing values`, err)
	}
	for _, key := range []string{g.keys.Y, g.keys.Group} {
		if _, ok := fields[key]; key != "" && !ok {
			return fmt.Errorf("no field %q", key)
		}
	}
	id, named := fields["window"]
	if g.begun && named != g.named {
		return fmt.Errorf(`every line has a field "window", or none has`)
	}
	g.begun, g.named = true, named
	if len(frames) == 0 || len(frames) > g.t {
		return fmt.Errorf("%s; the model reads 1 to %d", count(len(frames), "frame"), g.t)
	}
	if err := g.window(plain(id), named, plain(fields[g.keys.Y]), plain(fields[g.keys.Group])); err != nil {
		return err
	}
	for i, frame := range frames {
		if len(frame) != g.f {
			return fmt.Errorf("frame %d has %s; the model reads %d", i+1, count(len(frame), "value"), g.f)
		}
		for j, v := range frame {
			if values[j] = missingValue; v != nil {
				values[j] = *v
			}
		}
		if err := g.frame(values); err != nil {
			return err
		}
	}
	return nil
}

// plain returns a JSON text without its quotes, other values as they stand.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	switch text := string(raw); text {
	case "true":
		return "1"
	case "false":
		return "0"
	default:
		return text
	}
}
