package data

import (
	"archive/zip"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/files"
)

const ragged = "testdata/ragged.npz" // by ragged.py

// values reads an array of ragged.npz.
func values(t *testing.T, name string) []float32 {
	t.Helper()
	f, err := npz.Open(ragged)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, _, err := f.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Windows that differ in length are the same as arrays of objects, of any type of number, and as padded ones beside their lengths: what is
// after a window's end is missing, whatever stands there.
func TestWindowsOfDifferingLengths(t *testing.T) {
	lengths, padded := values(t, "lengths"), values(t, "padded")
	want := func(i int) float32 {
		if window, step := i/10, i%10/2; step >= int(lengths[window]) {
			return missingValue
		}
		return padded[i]
	}
	for key, round := range map[string]float64{"X": 0, "padded": 0, "mixed": 64} {
		d, err := LoadNPZ(ragged, Keys{X: key})
		if err != nil || d.N != 6 || d.T != 5 || d.F != 2 || !d.Shorter {
			t.Fatalf("%s: %+v, %v", key, d, err)
		}
		for i, got := range d.X {
			want := want(i)
			if round > 0 {
				want = float32(math.RoundToEven(float64(want)*round) / round)
			}
			if got != want && (got == got || want == want) {
				t.Errorf("%s: value %d is %v, want %v", key, i, got, want)
			}
		}
		for masking, refused := range map[Masking]bool{{}: false, {Off: true}: true} {
			_, err := d.Check(Parts{Train: []int32{0, 1}, Val: []int32{2, 3}, Test: []int32{4, 5}}, Division{Masking: masking})
			if (err != nil && strings.Contains(err.Error(), "it holds windows of fewer than 5 steps, and the network has no Masking")) != refused {
				t.Errorf("%s, masking %+v: %v", key, masking, err)
			}
		}
		var all []float32
		read := func(s Source, steps int) error {
			all = nil
			return EachBatch(t.Context(), s, Keys{X: key}, steps, 2, func(b Batch) error { all = append(all, b.X...); return nil })
		}
		if err := read(Source{Path: ragged}, 5); err != nil || !slices.EqualFunc(all, d.X, func(a, b float32) bool { return a == b || a != a && b != b }) {
			t.Errorf("%s, in batches: %v, %v; want %v", key, all, err, d.X)
		}
		if err := read(Source{Path: ragged, Whole: true}, 5); err == nil || !strings.Contains(err.Error(), "no Masking") {
			t.Errorf("%s: %v", key, err)
		}
		if err := read(Source{Path: ragged}, 4); err == nil {
			t.Errorf("%s: windows of 5 steps are taken for 4", key)
		}
		// A network that reads more steps takes objects, which have no length in common, and no padded windows.
		if err := read(Source{Path: ragged}, 7); (err == nil) != (key != "padded") || err == nil && len(all) != 6*7*2 {
			t.Errorf("%s: %d values, %v", key, len(all), err)
		}
		if d.Extend(7); (d.T == 7) != (key != "padded") || len(d.X) != 6*d.T*2 || d.T == 7 && !(d.X[5*14+4] != d.X[5*14+4] && d.X[5*14+3] == d.X[5*14+3]) {
			t.Errorf("%s: %d steps, %v", key, d.T, d.X)
		}
	}
}

// Frames that are not there are masked; for a network without Masking they have to be there.
func TestWholeWindows(t *testing.T) {
	for text, says := range map[string]string{`{"x": [[1, 2], [3, 4]]}`: "", `{"x": [[1, 2]]}`: "a window has 1 of 2 frames, and the network has no Masking",
		`{"window": "w", "x": [[1, 2]]}`: `window "w" has 1 of 2 frames`} {
		s := Source{Path: "a", Format: JSONL, Reader: strings.NewReader(text), Whole: true}
		err := EachBatch(t.Context(), s, Keys{}, 2, 2, func(Batch) error { return nil })
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

func TestBadWindowsOfDifferingLengths(t *testing.T) {
	for key, says := range map[string]string{"lists": "holds a list at [0], where an array of numbers is needed; save it as",
		"features": "holds 4 features at [1], and 2 before", "flat": "holds an array of shape (3,) at [0]", "empty": "holds an array of shape (0, 2) at [0]"} {
		if _, err := LoadNPZ(ragged, Keys{X: key}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", key, err, says)
		}
	}
	if _, err := LoadNPZ("testdata/again.npz", Keys{}); err == nil || !strings.Contains(err.Error(), "does more than an array of such values needs; refused") {
		t.Errorf("one array a thousand times: %v", err)
	}
	for _, bad := range []float32{0, 3, -1, 1.5, missingValue} {
		path := filepath.Join(t.TempDir(), "a.npz")
		err := files.Write(path, func(w io.Writer) error {
			return npz.Write(w, zip.Store, npz.Array{Name: "X", Shape: []int{2, 2, 1}, Data: []float32{1, 2, 3, 4}}, npz.Array{Name: "y", Shape: []int{2}, Data: []int64{0, 1}},
				npz.Array{Name: "lengths", Shape: []int{2}, Data: []float32{2, bad}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LoadNPZ(path, Keys{}); err == nil || !strings.Contains(err.Error(), "at [1]; it is how many steps the window has, a whole number from 1 to 2") {
			t.Errorf("a length of %v: %v", bad, err)
		}
	}
}
