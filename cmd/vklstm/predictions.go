package main

import (
	"archive/zip"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
// probability[n] (float32) and y[n], a .csv with a heading, or one JSON object per line. window counts from 0.
func (p predictions) encode(w io.Writer, path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npz":
		arrays := map[string]array{"probability": {p.probability, []int{len(p.probability)}}}
		if p.y != nil {
			arrays["y"] = array{p.y, []int{len(p.y)}}
		}
		return writeArrays(w, arrays)
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

// array is a float32 array of an npz file, slowest dimension first.
type array struct {
	data  []float32
	shape []int
}

// writeArrays writes a numpy archive, in the order of the names.
func writeArrays(w io.Writer, arrays map[string]array) error {
	z := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := writeArray(f, arrays[name]); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeArray writes one array in numpy's format, version 1.0.
func writeArray(w io.Writer, a array) error {
	shape := ""
	for _, n := range a.shape {
		shape += fmt.Sprintf("%d,", n)
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape)
	// Magic, version and length take 10 bytes; the header ends, with its newline, on a multiple of 64.
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	data := []byte("\x93NUMPY\x01\x00")
	data = binary.LittleEndian.AppendUint16(data, uint16(len(header)))
	data = append(data, header...)
	for _, v := range a.data {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	_, err := w.Write(data)
	return err
}
