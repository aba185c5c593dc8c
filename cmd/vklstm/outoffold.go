package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vklstm/model/npz"
	"vklstm/train/crossval"
)

// checkOutOfFold returns an error for a path whose ending is no format of encodeOutOfFold.
func checkOutOfFold(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npz", ".csv", ".jsonl":
		return nil
	}
	return fmt.Errorf("--out %s: the ending must be %s", path, predictionFormats)
}

// encodeOutOfFold writes the probabilities out of fold in the format that the ending of path asks for:
//
//	.npz           probability, predicted (0 or 1) and fold, of shape (N,), or (series, N) where there are several; y and
//	               group (text), (N,); repeat and seed, (series,). Of more than two classes probability has one for each,
//	               (…, C), predicted is the number of a class, and classes (C,) has their names
//	.csv, .jsonl   a row for each window, counted from 0, and series, with its repeat and seed
func encodeOutOfFold(w io.Writer, o *crossval.Outcome, path string) error {
	if strings.ToLower(filepath.Ext(path)) == ".npz" {
		return encodeArrays(w, o)
	}
	write := encodeRows(w, path)
	for _, s := range o.Series {
		for i := range o.Dataset.N {
			row := oofRow{Window: i, Repeat: s.Repeat, Seed: s.Seed, Fold: s.Folds.Of[i], Y: o.Dataset.Y[i]}
			if C := s.Classes(); C > 0 {
				row.Predicted = int(s.Class[i])
				row.Probabilities = &probabilities{o.Dataset.Names(), s.Probability[i*C : (i+1)*C]}
			} else {
				row.Predicted, row.Probability = digit(s.Positive[i]), jsonNumber(s.Probability[i])
			}
			if o.Dataset.Group != nil {
				row.Group = &o.Dataset.Group[i]
			}
			if err := write(&row); err != nil {
				return err
			}
		}
	}
	return write(nil)
}

func encodeArrays(w io.Writer, o *crossval.Outcome) error {
	n := o.Dataset.N
	shape := []int{n}
	if len(o.Series) > 1 {
		shape = []int{len(o.Series), n}
	}
	var probability []float32
	var predicted, fold, repeat, seed []int64
	for _, s := range o.Series {
		probability = append(probability, s.Probability...)
		for i, f := range s.Folds.Of {
			decision := int64(0)
			if s.Class != nil {
				decision = int64(s.Class[i])
			} else {
				decision = int64(digit(s.Positive[i]))
			}
			predicted, fold = append(predicted, decision), append(fold, int64(f))
		}
		repeat, seed = append(repeat, int64(s.Repeat)), append(seed, int64(s.Seed))
	}
	each := shape
	if C := o.Series[0].Classes(); C > 0 {
		each = append(slices.Clone(shape), C)
	}
	arrays := []npz.Array{
		{Name: "probability", Shape: each, Data: probability}, {Name: "predicted", Shape: shape, Data: predicted},
		{Name: "y", Shape: []int{n}, Data: o.Dataset.Y}, {Name: "fold", Shape: shape, Data: fold},
		{Name: "repeat", Shape: []int{len(repeat)}, Data: repeat}, {Name: "seed", Shape: []int{len(seed)}, Data: seed},
	}
	if C := o.Series[0].Classes(); C > 0 {
		arrays = append(arrays, npz.Array{Name: "classes", Shape: []int{C}, Data: o.Dataset.Names()})
	}
	if o.Dataset.Group != nil {
		arrays = append(arrays, npz.Array{Name: "group", Shape: []int{n}, Data: o.Dataset.Group})
	}
	return npz.Write(w, zip.Store, arrays...)
}

// oofRow is one window of one series.
type oofRow struct {
	Window        int            `json:"window"`
	Repeat        int            `json:"repeat"`
	Seed          uint32         `json:"seed"`
	Fold          int32          `json:"fold"`
	Probability   *float32       `json:"probability"`             // null: not a number, or Probabilities are there
	Predicted     int            `json:"predicted"`               // 1: the probability is above the model's threshold; or the number of the class
	Probabilities *probabilities `json:"probabilities,omitempty"` // of more than two classes
	Y             float32        `json:"y"`
	Group         *string        `json:"group,omitempty"`
}

// encodeRows returns what writes one row, and with nil ends the file.
func encodeRows(w io.Writer, path string) func(*oofRow) error {
	if strings.ToLower(filepath.Ext(path)) == ".jsonl" {
		e := json.NewEncoder(w)
		return func(r *oofRow) error {
			if r == nil {
				return nil
			}
			return e.Encode(r)
		}
	}
	c, begun := csv.NewWriter(w), false
	return func(r *oofRow) error {
		if r == nil {
			c.Flush()
			return c.Error()
		}
		names, values := []string{"probability"}, []float32{float32(math.NaN())}
		switch {
		case r.Probabilities != nil:
			names, values = nil, r.Probabilities.p
			for _, name := range r.Probabilities.names {
				names = append(names, "probability_"+name)
			}
		case r.Probability != nil:
			values[0] = *r.Probability
		}
		head := append(append([]string{"window", "repeat", "seed", "fold"}, names...), "predicted", "y")
		row := []string{strconv.Itoa(r.Window), strconv.Itoa(r.Repeat), strconv.FormatUint(uint64(r.Seed), 10), strconv.Itoa(int(r.Fold))}
		for _, v := range values {
			row = append(row, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		row = append(row, strconv.Itoa(r.Predicted), strconv.FormatFloat(float64(r.Y), 'g', -1, 32))
		if r.Group != nil {
			head, row = append(head, "group"), append(row, *r.Group)
		}
		if !begun {
			begun = true
			if err := c.Write(head); err != nil {
				return err
			}
		}
		return c.Write(row)
	}
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
