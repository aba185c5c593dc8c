package data

import (
	"archive/zip"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/files"
)

// labelled is a file of n windows of 1 × 1 with labels, and other arrays.
func labelled(t *testing.T, y npz.Array, n int, others ...npz.Array) string {
	t.Helper()
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i + 1)
	}
	y.Name = "y"
	path := filepath.Join(t.TempDir(), "a.npz")
	err := files.Write(path, func(w io.Writer) error {
		return npz.Write(w, zip.Store, append([]npz.Array{{Name: "X", Shape: []int{n, 1, 1}, Data: x}, y}, others...)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Classes are what Python's sorted(set(y)) lists, and labels their numbers.
func TestClasses(t *testing.T) {
	of := func(v any, shape ...int) npz.Array { return npz.Array{Shape: shape, Data: v} }
	for _, tc := range []struct {
		name     string
		y        npz.Array
		positive string
		classes  string
		want     []float32
	}{
		{"0 and 1", of([]int64{1, 0, 1}, 3), "", "0 1", []float32{1, 0, 1}},
		{"0 and 1 in floats", of([]float32{1, 0, 1}, 3, 1), "", "0 1", []float32{1, 0, 1}},
		{"0 alone", of([]int64{0, 0, 0}, 3), "", "0 1", []float32{0, 0, 0}},
		{"other numbers", of([]int64{10, 9, -3}, 3), "", "-3 9 10", []float32{2, 1, 0}},
		{"numbers in floats", of([]float32{2, 1, 2}, 3), "", "1 2", []float32{1, 0, 1}},
		{"text", of([]string{"walk", "fall", "Sit"}, 3), "", "Sit fall walk", []float32{2, 1, 0}},
		{"numbers as text", of([]string{"10", "9", "9"}, 3), "", "10 9", []float32{0, 1, 1}},
		{"text, the first to be found", of([]string{"walk", "fall", "walk"}, 3), "fall", "walk fall", []float32{0, 1, 0}},
		{"text, the second to be found", of([]string{"walk", "fall", "walk"}, 3), "walk", "fall walk", []float32{1, 0, 1}},
		{"0 to be found", of([]int64{1, 0, 1}, 3), "0", "1 0", []float32{0, 1, 0}},
		{"one-hot", of([]float32{0, 0, 1, 1, 0, 0, 0, 0, 1}, 3, 3), "", "0 1 2", []float32{2, 0, 2}},
		{"one-hot of two", of([]int64{0, 1, 1, 0, 0, 1}, 3, 2), "", "0 1", []float32{1, 0, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := LoadNPZ(labelled(t, tc.y, 3), Keys{Positive: tc.positive})
			if err != nil || strings.Join(d.Classes, " ") != tc.classes || !slices.Equal(d.Y, tc.want) {
				t.Errorf("%+v, %v; want %s, %v", d, err, tc.classes, tc.want)
			}
		})
	}
	for says, tc := range map[string]struct {
		y        npz.Array
		positive string
	}{
		"--positive x: y holds fall, walk":          {of([]string{"walk", "fall", "walk"}, 3), "x"},
		"two classes is to be found, and y holds 3": {of([]int64{1, 2, 3}, 3), "1"},
		"y holds 0.5 at [1]":                        {of([]float32{1, 0.5, 0}, 3), ""},
	} {
		if _, err := LoadNPZ(labelled(t, tc.y, 3), Keys{Positive: tc.positive}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}
}

// A model's classes may be more than a file's, and in another order.
func TestLabelsAs(t *testing.T) {
	d := &Dataset{Path: "a.npz", Classes: []string{"fall", "walk"}, Y: []float32{0, 1, 1}}
	for _, tc := range []struct {
		classes string
		want    []float32
	}{{"fall walk", []float32{0, 1, 1}}, {"walk fall", []float32{1, 0, 0}}, {"fall sit walk", []float32{0, 2, 2}}, {"0 1", []float32{0, 1, 1}}} {
		if y, err := d.LabelsAs(strings.Fields(tc.classes)); err != nil || !slices.Equal(y, tc.want) {
			t.Errorf("as %s: %v, %v; want %v", tc.classes, y, err, tc.want)
		}
	}
	if _, err := d.LabelsAs([]string{"fall", "sit"}); err == nil || !strings.Contains(err.Error(), "a.npz: the labels hold walk, and the model tells apart fall, sit") {
		t.Error(err)
	}
	if _, err := d.LabelsAs(DefaultClasses(3)); err == nil {
		t.Error("two words are taken for three numbers")
	}
}

func TestSampleWeight(t *testing.T) {
	y := npz.Array{Shape: []int{3}, Data: []int64{1, 0, 1}}
	weight := func(v ...float32) npz.Array { return npz.Array{Name: "sample_weight", Shape: []int{3}, Data: v} }
	d, err := LoadNPZ(labelled(t, y, 3, weight(1, 0, 2.5)), Keys{})
	if err != nil || !slices.Equal(d.Weight, []float32{1, 0, 2.5}) {
		t.Errorf("%+v, %v", d, err)
	}
	for says, w := range map[string]npz.Array{"sample_weight holds -1 at [1]": weight(1, -1, 1), "sample_weight holds NaN at [0]": weight(missingValue, 1, 1), "nothing but 0": weight(0, 0, 0)} {
		if _, err := LoadNPZ(labelled(t, y, 3, w), Keys{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}
	for _, name := range []string{"sample_weight", "lengths"} {
		_, err := LoadNPZ(labelled(t, y, 3, npz.Array{Name: name, Shape: []int{2}, Data: []float32{1, 2}}), Keys{})
		if err == nil || !strings.Contains(err.Error(), name+" has shape (2,); it is one number for each of the 3 windows") {
			t.Error(err)
		}
	}
}

// Groups of three classes are divided so that each part holds them all, and as near to 70/15/15 as whole groups allow.
func TestSplitGroupOfClasses(t *testing.T) {
	d := &Dataset{N: 600, T: 1, F: 1, Classes: []string{"a", "b", "c"}, GroupKey: "subject"}
	for i := range d.N {
		group := i / 20
		d.Group = append(d.Group, string(rune('A'+group)))
		d.Y = append(d.Y, float32((group%5)/2)) // a group holds one class
	}
	p, err := SplitGroup(d, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range [][]int32{p.Train, p.Val, p.Test} {
		for c, n := range d.Counts(part) {
			whole := float64(d.Counts(allOf(d.N))[c])
			if got := float64(n) / whole; n == 0 || got < []float64{0.55, 0.05, 0.05}[i] || got > []float64{0.85, 0.35, 0.35}[i] {
				t.Errorf("part %d holds %.2f of class %d", i, got, c)
			}
		}
	}
}

func allOf(n int) (list []int32) {
	for i := range n {
		list = append(list, int32(i))
	}
	return list
}

// Without a mask every step is fitted, and with another value zeros are.
func TestScalingMasks(t *testing.T) {
	d := &Dataset{N: 1, T: 4, F: 1, X: []float32{0, -1, 3, 0}}
	for _, tc := range []struct {
		masking Masking
		offset  float32
	}{{Masking{}, 1}, {Masking{Value: -1}, 1}, {Masking{Off: true}, 0.5}} {
		s, _, err := FitScaling(ScaleStandard, d, []int32{0}, tc.masking)
		if err != nil || s.Offset[0] != tc.offset {
			t.Errorf("%+v: %v, %v; want offset %v", tc.masking, s.Offset, err, tc.offset)
		}
	}
}
