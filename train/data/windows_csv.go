package data

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// csv reads the two forms of .csv.
func (g *gathered) csv(r io.Reader) error {
	if g.keys.X != "" {
		return fmt.Errorf("%s: --x-key %s names an array of .npz or a field of .jsonl; in .csv the columns that are no label, group or window are the values",
			g.path, g.keys.X)
	}
	limited := &allowance{r: r}
	buffered := bufio.NewReaderSize(limited, 1<<20)
	limited.left = len(byteOrderMark)
	mark, _ := buffered.Peek(len(byteOrderMark))
	rest, err := unmarked(mark)
	if err != nil {
		return fmt.Errorf("%s: %w", g.path, err)
	}
	buffered.Discard(len(mark) - len(rest))
	c := csv.NewReader(buffered)
	c.ReuseRecord, c.FieldsPerRecord, c.TrimLeadingSpace = true, -1, true
	window, y, group, width, columns, at := -1, -1, -1, g.t*g.f, 0, 0
	var take []int // columns of values
	values := make([]float32, 0, g.f)
	for line := 1; ; line++ {
		limited.left = g.longest()
		record, err := c.Read()
		if err == io.EOF {
			return nil
		}
		var bad *csv.ParseError
		switch {
		case errors.Is(err, errAllowance):
			return fmt.Errorf("%s: what begins after line %d has more than %d bytes; a record is one window or frame, and a quote must be closed", g.path, at, g.longest())
		case errors.As(err, &bad):
			return fmt.Errorf("%s: line %d: %w", g.path, bad.Line, bad.Err)
		case err != nil:
			return fmt.Errorf("%s: %w", g.path, err)
		}
		at, _ = c.FieldPos(0)
		fail := func(err error) error { return fmt.Errorf("%s: line %d: %w", g.path, at, err) }
		if line == 1 {
			heading := g.isHeading(record)
			columns = len(record)
			if heading {
				window = slices.Index(record, "window")
				y, group = index(record, g.keys.Y), index(record, g.keys.Group)
			}
			if g.keys.Y != "" && y < 0 {
				return fail(fmt.Errorf("no column %q in the heading, which --y-key names", g.keys.Y))
			}
			if g.keys.Group != "" && group < 0 {
				return fail(fmt.Errorf("no column %q in the heading, which --group-key names", g.keys.Group))
			}
			if window >= 0 {
				width = g.f
			}
			for i := range record {
				if i != window && i != y && i != group {
					take = append(take, i)
				}
			}
			if len(take) != width {
				what := fmt.Sprintf("a window of %d frames × %d features", g.t, g.f)
				if window >= 0 {
					what = fmt.Sprintf("a frame of %d features", g.f)
				}
				values := english.Plural(len(take), "value", "")
				if len(record) == 1 && width > 1 {
					values += " between commas"
				}
				return fail(fmt.Errorf("%s; the model reads %s, %d values a line (frame by frame, or a column \"window\" in the heading and one frame a line; --y-key and --group-key name columns that are no values)",
					values, what, width))
			}
			if heading {
				continue
			}
			if countsColumns(record) {
				return fail(errors.New("0, 1, 2, … is what pandas writes above columns without names, and is no window then; leave it out (header=False), or name the columns"))
			}
		}
		if len(record) != columns {
			return fail(fmt.Errorf("%s; the first line has %d", english.Plural(len(record), "column", ""), columns))
		}
		cell := func(i int) string {
			if i < 0 {
				return ""
			}
			return record[i]
		}
		if id := cell(window); window < 0 || !g.begun || id != g.id {
			if err := g.window(strings.Clone(id), window >= 0, cell(y), strings.Clone(cell(group))); err != nil {
				return fail(err)
			}
		} else if err := g.goOn(cell(y), cell(group)); err != nil {
			return fail(err)
		}
		for i := 0; i < len(take); i += g.f {
			values = values[:0]
			for _, column := range take[i : i+g.f] {
				v, err := parseValue([]byte(strings.TrimSpace(record[column])))
				if err != nil {
					return fail(err)
				}
				values = append(values, v)
			}
			if err := g.frame(values); err != nil {
				return fail(err)
			}
		}
		if err := g.pause(buffered, window < 0 || g.used == g.t); err != nil {
			return err
		}
	}
}

// isHeading reports whether the first record names columns: one of those that are looked for, or words where no cell is a
// number. A record of missing values names nothing: it is a window.
func (g *gathered) isHeading(record []string) bool {
	for _, name := range []string{"window", g.keys.Y, g.keys.Group} {
		if index(record, name) >= 0 {
			return true
		}
	}
	words := 0
	for _, s := range record {
		if s = strings.TrimSpace(s); s == "" || s == "null" {
			continue
		}
		switch v, err := strconv.ParseFloat(s, 32); {
		case errors.Is(err, strconv.ErrSyntax):
			words++
		case v == v:
			return false
		}
	}
	return words > 0
}

// countsColumns reports whether a record of three cells or more is 0, 1, 2, ….
func countsColumns(record []string) bool {
	for i, s := range record {
		if s != strconv.Itoa(i) {
			return false
		}
	}
	return len(record) > 2
}

func index(list []string, s string) int {
	if s == "" {
		return -1
	}
	return slices.Index(list, s)
}

// allowance reads what it is allowed to, until left is used up; then its error is errAllowance. What is read at a time may
// go beyond: a quote that is never closed must not take the rest of a file into memory.
type allowance struct {
	r    io.Reader
	left int
}

var errAllowance = errors.New("too long")

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errAllowance
	}
	n, err := a.r.Read(p)
	a.left -= n
	return n, err
}
