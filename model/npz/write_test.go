package npz

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// What is written is what is read; NumPy's own files, which the reader's tests hold, say that the reader is right.
func TestWrite(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		var b bytes.Buffer
		err := Write(&b, method,
			Array{"x", []int{2, 3}, []float32{1, 2.5, -3, 4, 5, 6}},
			Array{"d", []int{2}, []float64{0.1, -1e300}},
			Array{"n", []int{3}, []int64{-1, 1 << 60, 7}},
			Array{"text", []int{3}, []string{"", "käse", "日本語 abc"}},
			Array{"none", []int{0}, []string(nil)},
			Array{"one", nil, []string{"{\"ä\": 1}"}})
		if err != nil {
			t.Fatal(err)
		}
		f, err := New("test.npz", bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if v, shape, err := f.Float32("x"); err != nil || !slices.Equal(v, []float32{1, 2.5, -3, 4, 5, 6}) || !slices.Equal(shape, []int{2, 3}) {
			t.Error(v, shape, err)
		}
		if v, _, err := f.Float64("d"); err != nil || !slices.Equal(v, []float64{0.1, -1e300}) {
			t.Error(v, err)
		}
		for name, want := range map[string][]string{"n": {"-1", "1152921504606846976", "7"}, "text": {"", "käse", "日本語 abc"}, "none": {}} {
			if v, _, err := f.Labels(name, len(want)); err != nil || !slices.Equal(v, want) {
				t.Errorf("%s: %q, %v", name, v, err)
			}
		}
		if v, err := f.Text("one"); err != nil || v != "{\"ä\": 1}" {
			t.Errorf("%q, %v", v, err)
		}
		for _, name := range []string{"x", "text", "none"} {
			if v, err := f.Text(name); err == nil {
				t.Errorf("%s is the text %q", name, v)
			}
		}
	}
	var b bytes.Buffer
	if err := WriteRepeated(&b, zip.Store, 3, Array{"x", []int{1, 2}, []float32{1, 2}}); err != nil {
		t.Fatal(err)
	}
	f, _ := New("test.npz", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if v, shape, err := f.Float32("x"); err != nil || !slices.Equal(v, []float32{1, 2, 1, 2, 1, 2}) || !slices.Equal(shape, []int{3, 2}) {
		t.Error(v, shape, err)
	}
}

// NumPy keeps texts as wide as the longest: one long name among many windows must not take the machine's memory.
func TestWriteLongText(t *testing.T) {
	texts := make([]string, 1<<20)
	texts[7] = strings.Repeat("x", 1000)
	err := Write(io.Discard, zip.Store, Array{"window", []int{len(texts)}, texts})
	if err == nil || !strings.Contains(err.Error(), "1000 characters") {
		t.Errorf("error %v", err)
	}
}

func TestRows(t *testing.T) {
	var data []float32
	for i := range 7 * 300 * 311 { // several chunks in some pieces
		data = append(data, float32(i))
	}
	var b bytes.Buffer
	if err := Write(&b, zip.Deflate, Array{"x", []int{7, 300, 311}, data}, Array{"none", []int{0, 3}, []float32{}}, Array{"t", []int{1}, []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	f, err := New("test.npz", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for rows, sizes := range map[int][]int{1: {1, 1, 1, 1, 1, 1, 1}, 3: {3, 3, 1}, 7: {7}, 100: {7}} {
		var got []float32
		var parts []int
		if err := f.Rows("x", rows, func(p []float32) error {
			got, parts = append(got, p...), append(parts, len(p)/300/311)
			return nil
		}); err != nil || !slices.Equal(got, data) || !slices.Equal(parts, sizes) {
			t.Errorf("%d rows at a time: parts %v, want %v; %v", rows, parts, sizes, err)
		}
	}
	if err := f.Rows("none", 2, func([]float32) error { t.Error("called for no rows"); return nil }); err != nil {
		t.Error(err)
	}
	if err := f.Rows("t", 2, func([]float32) error { return nil }); err == nil {
		t.Error("text was handed out as numbers")
	}
	// numpy's own arrays of every layout: the same as at once.
	numbers := open(t, "numbers.npz")
	for _, name := range numbers.names {
		name = strings.TrimSuffix(name, ".npy")
		want, _, err := numbers.Float32(name)
		if err != nil {
			continue
		}
		var got []float32
		if err := numbers.Rows(name, 2, func(p []float32) error { got = append(got, p...); return nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s[%d] is %v in rows, %v at once", name, i, got[i], want[i])
				break
			}
		}
	}
}

// An array in Fortran order is read in passes, each of which finds its rows and all others' places.
func TestRowsInPasses(t *testing.T) {
	const a, b, c = 11, 3, 5
	data := npy("{'descr': '>i2', 'fortran_order': True, 'shape': (11, 3, 5)}", nil)
	for k := range c { // the last index slowest
		for j := range b {
			for i := range a {
				data = binary.BigEndian.AppendUint16(data, uint16((i*b+j)*c+k))
			}
		}
	}
	z := zipped(t, "X", data, zip.Deflate)
	f, err := New("data.npz", bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	h, err := f.Header("X")
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{2, 4, 10, 12, 100} {
		var got []float32
		var parts []int
		if err := f.passes("X", h, 2*b*c, most*b*c, func(p []float32) error {
			got, parts = append(got, p...), append(parts, len(p)/b/c)
			return nil
		}); err != nil || !slices.Equal(got, counting(a*b*c)) || !slices.Equal(parts, []int{2, 2, 2, 2, 2, 1}) {
			t.Errorf("%d rows a pass: %v in parts %v, %v", most, got, parts, err)
		}
	}
}
