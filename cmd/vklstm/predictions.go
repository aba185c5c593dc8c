package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"vklstm/model/npz"
)

// predictionFormats are the endings that --out may have.
const predictionFormats = ".npz, .csv or .jsonl"

// predictions are probabilities with what the data says of the windows beside them.
type predictions struct {
	probability []float32 // [n]
	y           []float32 // [n], nil: not asked for
	group       []string  // [n], nil: not asked for
}

// encode writes the predictions in the format that the ending of path asks for: an .npz with the array
// probability[n] (float32), y[n] and group[n] (text), a .csv with a heading, or one JSON object per line. window counts from 0.
func (p predictions) encode(w io.Writer, path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npz":
		arrays := []npz.Array{{Name: "probability", Shape: []int{len(p.probability)}, Data: p.probability}}
		if p.y != nil {
			arrays = append(arrays, npz.Array{Name: "y", Shape: []int{len(p.y)}, Data: p.y})
		}
		if p.group != nil {
			arrays = append(arrays, npz.Array{Name: "group", Shape: []int{len(p.group)}, Data: p.group})
		}
		return npz.Write(w, zip.Store, arrays...)
	case ".csv":
		return p.encodeCSV(w)
	case ".jsonl":
		return p.encodeJSONL(w)
	}
	return fmt.Errorf("--out %s: the ending must be %s", path, predictionFormats)
}

func (p predictions) encodeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	row := func(window, probability, y, group string) error {
		r := []string{window, probability}
		if p.y != nil {
			r = append(r, y)
		}
		if p.group != nil {
			r = append(r, group)
		}
		return c.Write(r)
	}
	if err := row("window", "probability", "y", "group"); err != nil {
		return err
	}
	for i, v := range p.probability {
		y, group := "", ""
		if p.y != nil {
			y = strconv.FormatFloat(float64(p.y[i]), 'g', -1, 32)
		}
		if p.group != nil {
			group = p.group[i]
		}
		if err := row(strconv.Itoa(i), strconv.FormatFloat(float64(v), 'g', -1, 32), y, group); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (p predictions) encodeJSONL(w io.Writer) error {
	e := json.NewEncoder(w)
	for i, v := range p.probability {
		row := struct {
			Window      int      `json:"window"`
			Probability *float32 `json:"probability"`
			Y           *float32 `json:"y,omitempty"`
			Group       *string  `json:"group,omitempty"`
		}{Window: i}
		if v == v {
			row.Probability = &v
		}
		if p.y != nil {
			row.Y = &p.y[i]
		}
		if p.group != nil {
			row.Group = &p.group[i]
		}
		if err := e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}
