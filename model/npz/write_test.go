package npz

import (
	"archive/zip"
	"bytes"
	"slices"
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
