package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"

	"vklstm/train/internal/wording"
)

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
			if line, err = unmarked(line); err != nil {
				return fail(err)
			}
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := g.jsonWindow(nanToNull(line), values); err != nil {
				return fail(err)
			}
			if err := g.pause(lines, true); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

// readJSONLine returns a line of at most `most` bytes.
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
		return fmt.Errorf(`%s; a line is {"x": [[…], …]}, numbers and null for missing values`, plainJSON(err))
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
	if len(frames) == 0 || len(frames) > g.t {
		return fmt.Errorf("%s; the model reads 1 to %d", english.Plural(len(frames), "frame", ""), g.t)
	}
	name, isText := "", true
	if json.Unmarshal(id, &name) != nil { // null leaves it empty
		name, isText = string(id), false
	}
	if err := g.window(name, named, plain(fields[g.keys.Y]), plain(fields[g.keys.Group])); err != nil {
		return err
	}
	if named {
		var number json.Number
		g.batch.IsNum = append(g.batch.IsNum, !isText && json.Unmarshal(id, &number) == nil)
	}
	for i, frame := range frames {
		if len(frame) != g.f {
			return fmt.Errorf("frame %d has %s; the model reads %d", i+1, english.Plural(len(frame), "value", ""), g.f)
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

// plainJSON says what is wrong with a line, without words of Go.
func plainJSON(err error) string {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err.Error()
	}
	if number, ok := strings.CutPrefix(kind.Value, "number "); ok {
		return wording.Short(number) + " is not finite in float32"
	}
	return "it has another form (" + kind.Value + ")"
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
