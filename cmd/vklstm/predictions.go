package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"vklstm/model/npz"
	"vklstm/train/data"
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
//	csv    window,probability,positive[,y][,group], with this heading
//	jsonl  an object with the same fields per line
//	npz    arrays probability[n] (float32), positive[n] (int64), and window, y and group where there are any
func newPredictions(w io.Writer, format string, threshold float64) predictions {
	switch format {
	case data.NPZ:
		return &npzPredictions{w: w, threshold: threshold}
	case data.JSONL:
		return &jsonPredictions{json.NewEncoder(w), threshold}
	}
	return &csvPredictions{w: csv.NewWriter(w), threshold: threshold}
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
	w         *csv.Writer
	threshold float64
	begun     bool
	row       []string
}

func (c *csvPredictions) write(b data.Batch, probability []float32) error {
	line := func(window, p, decision, y, group string) error {
		c.row = append(c.row[:0], window, p, decision)
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
		if err := line("window", "probability", "positive", "y", "group"); err != nil {
			return err
		}
	}
	for i, v := range probability {
		decision, y, group := "0", "", ""
		if positive(v, c.threshold) {
			decision = "1"
		}
		if b.Y != nil {
			y = strconv.FormatFloat(float64(b.Y[i]), 'g', -1, 32)
		}
		if b.Group != nil {
			group = b.Group[i]
		}
		if err := line(windowName(b, i), strconv.FormatFloat(float64(v), 'g', -1, 32), decision, y, group); err != nil {
			return err
		}
	}
	return c.end()
}

func (c *csvPredictions) end() error {
	c.w.Flush()
	return c.w.Error()
}

type jsonPredictions struct {
	e         *json.Encoder
	threshold float64
}

func (j *jsonPredictions) write(b data.Batch, probability []float32) error {
	for i, v := range probability {
		row := struct {
			Window      any      `json:"window"`
			Probability *float32 `json:"probability"`
			Positive    bool     `json:"positive"`
			Y           *float32 `json:"y,omitempty"`
			Group       *string  `json:"group,omitempty"`
		}{Window: b.First + i, Probability: jsonNumber(v), Positive: positive(v, j.threshold)}
		if b.ID != nil {
			row.Window = b.ID[i]
		}
		if b.IsNum != nil && b.IsNum[i] { // 7 stays 7, to be joined by
			row.Window = json.Number(b.ID[i])
		}
		if b.Y != nil {
			row.Y = &b.Y[i]
		}
		if b.Group != nil {
			row.Group = &b.Group[i]
		}
		if err := j.e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonPredictions) end() error { return nil }

// npzPredictions keeps the results, which an archive needs to know whole.
type npzPredictions struct {
	w           io.Writer
	threshold   float64
	probability []float32
	decision    []int64
	y           []float32
	id, group   []string
}

func (n *npzPredictions) write(b data.Batch, probability []float32) error {
	n.probability = append(n.probability, probability...)
	for _, v := range probability {
		d := int64(0)
		if positive(v, n.threshold) {
			d = 1
		}
		n.decision = append(n.decision, d)
	}
	n.id, n.y, n.group = append(n.id, b.ID...), append(n.y, b.Y...), append(n.group, b.Group...)
	return nil
}

func (n *npzPredictions) end() error {
	shape := []int{len(n.probability)}
	arrays := []npz.Array{{Name: "probability", Shape: shape, Data: n.probability}, {Name: "positive", Shape: shape, Data: n.decision}}
	if n.id != nil {
		arrays = append(arrays, npz.Array{Name: "window", Shape: shape, Data: n.id})
	}
	if n.y != nil {
		arrays = append(arrays, npz.Array{Name: "y", Shape: shape, Data: n.y})
	}
	if n.group != nil {
		arrays = append(arrays, npz.Array{Name: "group", Shape: shape, Data: n.group})
	}
	if err := npz.Write(n.w, zip.Store, arrays...); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}
