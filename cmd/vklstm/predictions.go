package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/metrics"
)

// predictionFormats are the endings that --out may have.
const predictionFormats = ".npz, .csv or .jsonl"

func knownFormat(f string) bool {
	return f == data.NPZ || f == data.CSV || f == data.JSONL
}

// formatOut returns the format that --out and --out-format ask for.
func formatOut(out, format string) (string, error) {
	switch {
	case format != "" && !knownFormat(format):
		return "", usagef("--out-format %q: it must be npz, csv or jsonl", format)
	case format != "":
		return format, nil
	case out == "" || out == "-":
		return data.CSV, nil
	}
	if format = data.FormatOf(out); format == "" {
		return "", usagef("--out %s: the ending must be %s, or give --out-format", out, predictionFormats)
	}
	return format, nil
}

// predictions writes probabilities with what the data says of the windows beside them, batch by batch.
type predictions interface {
	write(b data.Batch, probability []float32) error
	end() error
}

// newPredictions returns the writer of a format. A window is positive above the threshold. Windows without a name of their
// own count from 0.
//
//	csv    window,probability,positive[,y][,group], with this heading; of a network with an output for each class
//	       window,class,probability_NAME,…[,y][,group]
//	jsonl  an object with the same fields per line, the probabilities of classes as {"probabilities": {"NAME": …}}
//	npz    arrays probability[n] (float32), positive[n] (int64), and window, y and group where there are any; of classes
//	       probability[n][C], class[n] and classes[C]
func newPredictions(w io.Writer, format string, judge metrics.Judge) predictions {
	switch format {
	case data.NPZ:
		return &npzPredictions{w: w, judge: judge}
	case data.JSONL:
		return &jsonPredictions{json.NewEncoder(w), judge}
	}
	return &csvPredictions{w: csv.NewWriter(w), judge: judge}
}

// each calls f for each window with its probabilities, one or one of each class.
func each(probability []float32, judge metrics.Judge, f func(i int, p []float32) error) error {
	for i, n := 0, max(1, len(judge.Classes)); i*n < len(probability); i++ {
		if err := f(i, probability[i*n:(i+1)*n]); err != nil {
			return err
		}
	}
	return nil
}

// probabilities are one of each class, in JSON an object in the classes' order.
type probabilities struct {
	names []string
	p     []float32
}

// MarshalJSON implements json.Marshaler.
func (v probabilities) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for c, name := range v.names {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(jsonNumber(v.p[c]))
		if err != nil {
			return nil, err
		}
		if c > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// jsonLabel returns a label as a number where it is one.
func jsonLabel(y string) any {
	if v, err := strconv.ParseFloat(y, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return v
	}
	return y
}

// csvField quotes a text where a line of csv needs it.
func csvField(s string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write([]string{s}) // A Builder takes everything.
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func positive(p float32, threshold float64) bool { return float64(p) > threshold }

// jsonNumber returns null for NaN, which JSON has no word for.
func jsonNumber(p float32) *float32 {
	if p != p {
		return nil
	}
	return &p
}

func windowName(b data.Batch, i int) string {
	if b.ID != nil {
		return b.ID[i]
	}
	return strconv.Itoa(b.First + i)
}

type csvPredictions struct {
	w     *csv.Writer
	judge metrics.Judge
	begun bool
	row   []string
}

func (c *csvPredictions) write(b data.Batch, probability []float32) error {
	line := func(y, group string, fields ...string) error {
		c.row = append(c.row[:0], fields...)
		if b.Y != nil {
			c.row = append(c.row, y)
		}
		if b.Group != nil {
			c.row = append(c.row, group)
		}
		return c.w.Write(c.row)
	}
	if !c.begun {
		c.begun = true
		head := []string{"window", "probability", "positive"}
		if c.judge.Classes != nil {
			head = []string{"window", "class"}
			for _, name := range c.judge.Classes {
				head = append(head, "probability_"+name)
			}
		}
		if err := line("y", "group", head...); err != nil {
			return err
		}
	}
	err := each(probability, c.judge, func(i int, p []float32) error {
		y, group := "", ""
		if b.Y != nil {
			y = b.Y[i]
		}
		if b.Group != nil {
			group = b.Group[i]
		}
		fields := []string{windowName(b, i)}
		if c.judge.Classes != nil {
			fields = append(fields, c.judge.ClassOf(p))
		}
		for _, v := range p {
			fields = append(fields, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		if c.judge.Classes == nil {
			fields = append(fields, strconv.Itoa(digit(positive(p[0], c.judge.Threshold))))
		}
		return line(y, group, fields...)
	})
	if err != nil {
		return err
	}
	return c.end()
}

func (c *csvPredictions) end() error {
	c.w.Flush()
	return c.w.Error()
}

type jsonPredictions struct {
	e     *json.Encoder
	judge metrics.Judge
}

func (j *jsonPredictions) write(b data.Batch, probability []float32) error {
	return each(probability, j.judge, func(i int, p []float32) error {
		var window, y any = b.First + i, nil
		if b.ID != nil {
			window = b.ID[i]
		}
		if b.IsNum != nil && b.IsNum[i] { // 7 stays 7, to be joined by
			window = json.Number(b.ID[i])
		}
		if b.Y != nil {
			y = jsonLabel(b.Y[i])
		}
		var group *string
		if b.Group != nil {
			group = &b.Group[i]
		}
		if j.judge.Classes != nil {
			return j.e.Encode(struct {
				Window        any           `json:"window"`
				Class         string        `json:"class"`
				Probabilities probabilities `json:"probabilities"`
				Y             any           `json:"y,omitempty"`
				Group         *string       `json:"group,omitempty"`
			}{window, j.judge.ClassOf(p), probabilities{j.judge.Classes, p}, y, group})
		}
		return j.e.Encode(struct {
			Window      any      `json:"window"`
			Probability *float32 `json:"probability"`
			Positive    bool     `json:"positive"`
			Y           any      `json:"y,omitempty"`
			Group       *string  `json:"group,omitempty"`
		}{window, jsonNumber(p[0]), positive(p[0], j.judge.Threshold), y, group})
	})
}

func (j *jsonPredictions) end() error { return nil }

// npzPredictions keeps the results, which an archive needs to know whole.
type npzPredictions struct {
	w            io.Writer
	judge        metrics.Judge
	probability  []float32
	decision     []int64
	class        []string
	y, id, group []string
}

func (n *npzPredictions) write(b data.Batch, probability []float32) error {
	n.probability = append(n.probability, probability...)
	n.id, n.y, n.group = append(n.id, b.ID...), append(n.y, b.Y...), append(n.group, b.Group...)
	return each(probability, n.judge, func(_ int, p []float32) error {
		if n.judge.Classes != nil {
			n.class = append(n.class, n.judge.ClassOf(p))
		} else {
			n.decision = append(n.decision, int64(digit(positive(p[0], n.judge.Threshold))))
		}
		return nil
	})
}

func (n *npzPredictions) end() error {
	shape := []int{len(n.decision)}
	arrays := []npz.Array{{Name: "probability", Shape: shape, Data: n.probability}, {Name: "positive", Shape: shape, Data: n.decision}}
	if classes := n.judge.Classes; classes != nil {
		shape = []int{len(n.class)}
		arrays = []npz.Array{{Name: "probability", Shape: []int{len(n.class), len(classes)}, Data: n.probability},
			{Name: "class", Shape: shape, Data: n.class}, {Name: "classes", Shape: []int{len(classes)}, Data: classes}}
	}
	if n.id != nil {
		arrays = append(arrays, npz.Array{Name: "window", Shape: shape, Data: n.id})
	}
	if n.y != nil {
		arrays = append(arrays, npz.Array{Name: "y", Shape: shape, Data: labelArray(n.y)})
	}
	if n.group != nil {
		arrays = append(arrays, npz.Array{Name: "group", Shape: shape, Data: n.group})
	}
	if err := npz.Write(n.w, zip.Store, arrays...); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

// labelArray returns labels as numbers where all are such, else as text.
func labelArray(labels []string) any {
	numbers := make([]float32, len(labels))
	for i, y := range labels {
		v, err := strconv.ParseFloat(y, 32)
		if err != nil {
			return labels
		}
		numbers[i] = float32(v)
	}
	return numbers
}
