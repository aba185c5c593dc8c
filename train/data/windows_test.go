package data

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/train/files"
)

// gather reads a file of windows of 2 × 3 whole.
func gather(t *testing.T, name, text string, k Keys) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	n := 0
	err := EachBatch(t.Context(), Source{Path: path}, k, 2, 3, func(batch Batch) error {
		if batch.First != n {
			t.Errorf("batch from window %d after %d", batch.First, n)
		}
		for i := range len(batch.X) / 6 {
			if batch.ID != nil {
				b.WriteString(batch.ID[i] + "=")
			}
			for _, v := range batch.X[i*6 : i*6+6] {
				fmt.Fprintf(&b, "%g ", v)
			}
			if batch.Y != nil {
				fmt.Fprintf(&b, "y%s ", batch.Y[i])
			}
			if batch.Group != nil {
				b.WriteString(batch.Group[i])
			}
			b.WriteString("|")
			n++
		}
		return nil
	})
	return b.String(), err
}

func TestEachBatch(t *testing.T) {
	labels := Keys{Y: "fall", Group: "who"}
	for _, tc := range []struct {
		name, file, text string
		k                Keys
		want             string
	}{
		{"lines", "a.csv", "1,2,3,4,5,6\n7,8,9,10,11,12", Keys{}, "1 2 3 4 5 6 |7 8 9 10 11 12 |"},
		{"heading, labels, missing", "a.CSV", "fall,a,b,c,d,e,f,who\n1,1,,3,-nan,5,6,anna\n0,7,8,9,10,11,12,bert\n", labels, "1 NaN 3 NaN 5 6 y1 anna|7 8 9 10 11 12 y0 bert|"},
		{"frames", "a.csv", "window,a,b,c\nw1,1,2,3\nw1,4,5,6\nw2,7,8,9\nw1,1,1,1\n", Keys{}, "w1=1 2 3 4 5 6 |w2=7 8 9 NaN NaN NaN |w1=1 1 1 NaN NaN NaN |"},
		{"frames with labels", "a.csv", "a,b,c,fall,window,who\n1,2,3,1,0,x\n4,5,6,,0,\n7,8,9,0,1,y\n", labels, "0=1 2 3 4 5 6 y1 x|1=7 8 9 NaN NaN NaN y0 y|"},
		{"first line without values", "a.csv", ",NaN,,nan,null,\n1,2,3,4,5,6\n", Keys{}, "NaN NaN NaN NaN NaN NaN |1 2 3 4 5 6 |"},
		{"names that are numbers", "a.csv", "window,0,1,2\nw,1,2,3\n", Keys{}, "w=1 2 3 NaN NaN NaN |"},
		{"as Excel writes it", "a.csv", "\ufeffwindow,a,b,c\r\nw,1,2,3\r\n", Keys{}, "w=1 2 3 NaN NaN NaN |"},
		{"subnormal", "a.csv", "1e-40,2,3,4,5,-1e-40", Keys{}, "0 2 3 4 5 0 |"},
		{"objects", "a.jsonl", `{"x": [[1,2,3],[4,null,6]], "window": "k", "fall": true, "who": 7}` + "\n\n" + `{"X": [[7,8,9]], "window": 2, "fall": 0, "who": "b"}`, labels,
			"k=1 2 3 4 NaN 6 y1 7|2=7 8 9 NaN NaN NaN y0 b|"},
		{"arrays", "a.jsonl", "[[1,2,3],[4,5,6]]\n[[7,8,9]]\n", Keys{}, "1 2 3 4 5 6 |7 8 9 NaN NaN NaN |"},
		{"as Python writes it", "a.jsonl", "\ufeff" + `{"x": [[1,NaN,3]], "window": "NaN \" NaN"}` + "\r\n", Keys{}, `NaN " NaN=1 NaN 3 NaN NaN NaN |`},
		{"field", "a.jsonl", `{"z": [[1,2,3]], "x": 5}`, Keys{X: "z"}, "1 2 3 NaN NaN NaN |"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := gather(t, tc.file, tc.text, tc.k); err != nil || got != tc.want {
				t.Errorf("%q, %v; want %q", got, err, tc.want)
			}
		})
	}
	for _, tc := range []struct {
		file, text string
		k          Keys
		want       string
	}{
		{"a.csv", "", Keys{}, "no window"},
		{"a.csv", "a,b,c,d,e,f\n", Keys{}, "no window"},
		{"a.csv", "1 2 3 4 5 6\n", Keys{}, "line 1: 1 value between commas; the"},
		{"a.csv", "\xff\xfe1\x00,\x002\x00", Keys{}, "UTF-16"},
		{"a.jsonl", "\xfe\xff\x00[\x00[", Keys{}, "UTF-16"},
		{"a.csv", "1,2,3\n", Keys{}, "line 1: 3 values; the model reads a window of 2 frames × 3 features, 6 values a line"},
		{"a.csv", "1,2,3,4,5,6\n1,2\n", Keys{}, "line 2: 2 columns"},
		{"a.csv", "1,2,3,4,5,6\n1,2,3,4,5,6,7\n", Keys{}, "line 2: 7 columns; the first line has 6"},
		{"a.csv", "a,b,c,d,e,f,who\n1,2,3,4,5,6\n", Keys{Group: "who"}, "line 2: 6 columns; the first line has 7"},
		{"a.csv", "0,1,2,3,4,5\n1,2,3,4,5,6\n", Keys{}, "header=False"},
		{"a.csv", "a,b,c,d,e,f\n1,2,3,4,5,6\n", Keys{X: "a"}, "--x-key a"},
		{"a.csv", "1,2,3,4,5,6\n\"" + strings.Repeat("1\n", 1<<22), Keys{}, "after line 1"},
		{"a.jsonl", `{"x": [[1,2,3]]}`, Keys{X: "z"}, `no field "z"`},
		{"a.jsonl", `[[1,2,3]]`, Keys{X: "z"}, `no field "z"`},
		{"a.csv", "1,2,3,4,5,6\n1,2,3,4,5,x\n", Keys{}, `line 2: "x" is no number`},
		{"a.csv", "1,2,3,4,5,inf\n", Keys{}, "line 1: \"inf\" is not finite"},
		{"a.csv", "1,2,3,4,5,6\n\"1,2\n", Keys{}, "line"},
		{"a.csv", "window,a,b,c,who\nw,1,1,1,x\nw,1,1,1,y\n", Keys{Group: "who"}, `line 3: who is "y" in window "w", which began with "x"`},
		{"a.csv", "window,a,b,c,fall\nw,1,1,1,0\nw,1,1,1,1\n", Keys{Y: "fall"}, `line 3: fall is "1" in window "w", which began with 0`},
		{"a.csv", "window,a,b,c,fall\nw,1,1,1,0\n", Keys{}, "--y-key"},
		{"a.jsonl", `{"x": [1, 2]}`, Keys{}, "line 1: it has another form (number); a line is"},
		{"a.jsonl", `[["1"]]`, Keys{}, "line 1: it has another form (string); a line is"},
		{"a.jsonl", `[[1e99]]`, Keys{}, "line 1: 1e99 is not finite in float32"},
		{"a.csv", "window,a,b,c\n1,1,1,1\n1,1,1,1\n1,1,1,1\n", Keys{}, "line 4: window \"1\" has more than 2 frames"},
		{"a.csv", "1,2,3,4,5,6\n", Keys{Y: "fall"}, `no column "fall"`},
		{"a.csv", "a,b,c,d,e,f,fall\n1,2,3,4,5,6,\n", Keys{Y: "fall"}, `line 2: fall is empty`},
		{"a.jsonl", "{}", Keys{}, `line 1: no field "x"`},
		{"a.jsonl", "[[1,2,3]]\n[[1,2]]", Keys{}, "line 2: frame 1 has 2 values"},
		{"a.jsonl", "[[1,2,3],[1,2,3],[1,2,3]]", Keys{}, "3 frames"},
		{"a.jsonl", "[]", Keys{}, "0 frames"},
		{"a.jsonl", "[[1,2,1e99]]", Keys{}, "line 1"},
		{"a.jsonl", "[[1,2,3]", Keys{}, "line 1"},
		{"a.jsonl", `{"x": [[1,2,3]], "window": 1}` + "\n[[1,2,3]]", Keys{}, "or none has"},
		{"a.jsonl", "[[1,2,3]]", Keys{Y: "fall"}, `no field "fall"`},
		{"a.jsonl", "[[" + strings.Repeat("1,", 1<<17), Keys{}, "a line is one window"},
	} {
		if got, err := gather(t, tc.file, tc.text, tc.k); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.file) {
			t.Errorf("%.60q: %q, error %v, want one with %q", tc.text, got, err, tc.want)
		}
	}
	if err := EachBatch(t.Context(), Source{Path: filepath.Join(t.TempDir(), "none.csv")}, Keys{}, 2, 3, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What goes wrong with a batch is no fault of the line at which it is full.
func TestEachBatchFails(t *testing.T) {
	full := errors.New("disk full")
	for _, name := range []string{"a.csv", "a.jsonl"} {
		text := strings.Repeat(map[string]string{"a.csv": "1,2,3,4,5,6\n", "a.jsonl": "[[1,2,3]]\n"}[name], batchWindows+1)
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := EachBatch(t.Context(), Source{Path: path}, Keys{}, 2, 3, func(Batch) error { return full }); err != full {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An npz file comes in parts as it comes at once.
func TestEachBatchOfNPZ(t *testing.T) {
	d := Sample(3000, 5)
	d.Group = make([]string, d.N)
	for i := range d.Group {
		d.Group[i] = fmt.Sprint("g", i/7)
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := files.Write(path, func(w io.Writer) error {
		return npz.Write(w, zip.Store, npz.Array{Name: "X", Shape: []int{d.N, d.T, d.F}, Data: d.X}, npz.Array{Name: "y", Shape: []int{d.N}, Data: d.Y},
			npz.Array{Name: "subject", Shape: []int{d.N}, Data: d.Group})
	}); err != nil {
		t.Fatal(err)
	}
	var x []float32
	var y, group []string
	parts := 0
	if err := EachBatch(t.Context(), Source{Path: path}, Keys{Y: "y", Group: "subject"}, d.T, d.F, func(b Batch) error {
		if b.First != len(y) || b.ID != nil {
			t.Errorf("batch from %d after %d windows, names %v", b.First, len(y), b.ID)
		}
		x, y, group, parts = append(x, b.X...), append(y, b.Y...), append(group, b.Group...), parts+1
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(x) != len(d.X) || fmt.Sprint(y, group) != fmt.Sprint(d.Y, d.Group) {
		t.Error("parts do not make the whole")
	}
	for i := range x {
		if math.Float32bits(x[i]) != math.Float32bits(d.X[i]) {
			t.Fatalf("value %d is %v, want %v", i, x[i], d.X[i])
		}
	}
	if err := EachBatch(t.Context(), Source{Path: path}, Keys{}, d.T+1, d.F, nil); !errors.Is(err, model.ErrShape) {
		t.Error(err)
	}
	// A value that is no number to compute with is named, one that is subnormal is 0, wherever it stands.
	x[2500*d.T*d.F+d.F+2], x[1] = float32(math.Inf(-1)), 1e-40
	odd := filepath.Join(t.TempDir(), "odd.npz")
	if err := files.Write(odd, func(w io.Writer) error {
		return npz.Write(w, zip.Store, npz.Array{Name: "X", Shape: []int{d.N, d.T, d.F}, Data: x})
	}); err != nil {
		t.Fatal(err)
	}
	err := EachBatch(t.Context(), Source{Path: odd}, Keys{}, d.T, d.F, func(b Batch) error {
		if b.First == 0 && b.X[1] != 0 {
			t.Errorf("a subnormal value is %v", b.X[1])
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "-Inf in window 2500, step 1, feature 2") {
		t.Errorf("error %v about an infinity", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := EachBatch(ctx, Source{Path: path}, Keys{}, d.T, d.F, func(Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzEachBatch(f *testing.F) {
	f.Add("a.csv", "window,a,b,c\nw1,1,2,3\nw1,4,5,6\n")
	f.Add("a.csv", "1,2,3,4,5,6\n\"7\",8,9,,nan,12")
	f.Add("a.jsonl", `{"x": [[1,2,3],[4,null,6]], "window": "k"}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		if strings.HasSuffix(name, ".jsonl") {
			gather(t, "a.jsonl", text, Keys{})
		} else {
			gather(t, "a.csv", text, Keys{})
		}
	})
}
