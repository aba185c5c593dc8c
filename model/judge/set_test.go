package judge

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

// folder returns a copy of the embedded set in memory, in which entry has been changed.
func folder(t *testing.T, name string, entry func(map[string]any)) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	paths, err := fs.Glob(embedded, "embedded/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		data, err := embedded.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(p, "embedded/")] = &fstest.MapFile{Data: data}
	}
	var manifest map[string]any
	if err := json.Unmarshal(files["manifest.json"].Data, &manifest); err != nil {
		t.Fatal(err)
	}
	entry(manifest["cases"].(map[string]any)[name].(map[string]any))
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.json"] = &fstest.MapFile{Data: text}
	return files
}

// find returns a case of the folder.
func find(t *testing.T, files fs.FS, name string) *Case {
	t.Helper()
	s, err := OpenFS(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cases {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no case %s", name)
	return nil
}

// archive returns an npz file of those arrays.
func archive(arrays map[string]Array) *fstest.MapFile {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, a := range arrays {
		w, _ := z.Create(name + ".npy")
		w.Write(npyFile(fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }", tuple(a.Shape)), a.Data))
	}
	z.Close()
	return &fstest.MapFile{Data: b.Bytes()}
}

func tuple(shape []int) string {
	s := ""
	for _, d := range shape {
		s += fmt.Sprintf("%d,", d)
	}
	return s
}

func npyFile(header string, data []float64) []byte {
	for (10+len(header)+1)%64 != 0 {
		header += " "
	}
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)+1), byte((len(header)+1)>>8))
	out = append(out, header+"\n"...)
	for _, v := range data {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out
}

func TestNotOurs(t *testing.T) {
	for _, tc := range []struct {
		name, of string
		entry    map[string]any
		arrays   func(a map[string]Array)
		want     string // "": ours
	}{
		{"bce", "tiny", nil, nil, ""},
		{"unknown kind", "tiny", map[string]any{"kind": "quantised"}, nil, "not ours: unknown kind quantised"},
		{"unknown loss", "tiny", map[string]any{"loss": "hinge"}, nil, "not ours: unknown loss hinge"},
		{"clipped", "tiny", map[string]any{"loss": "bce_clipped"}, nil, "clipped probability"},
		{"scalar", "tiny", map[string]any{"loss": "focal_scalar"}, nil, "one number"},
		{"custom focal loss within its clip", "tiny", map[string]any{"loss": "focal"}, nil, ""},
		{"custom focal loss at its clip", "tiny", map[string]any{"loss": "focal"},
			func(a map[string]Array) { a["logit"] = Array{[]int{2}, []float64{0, -16.2}} }, "a logit of -16.2"},
		{"Keras's focal loss does not clip", "tiny", map[string]any{"loss": "keras_focal"},
			func(a map[string]Array) { a["logit"] = Array{[]int{2}, []float64{0, -16.2}} }, ""},
		{"NaN", "tiny", nil, func(a map[string]Array) { a["x"].Data[0] = math.NaN() }, "x holds NaN"},
		{"infinity", "tiny", nil, func(a map[string]Array) { a["x"].Data[0] = math.Inf(-1) }, "infinities"},
		{"a number for the optimizer", "adam", map[string]any{"momentum": 0.9}, nil, "the manifest gives momentum"},
		{"a switch that is off", "adam", map[string]any{"amsgrad": false}, nil, ""},
		{"another optimizer", "adam", map[string]any{"optimizer": "Lion"}, nil, "unknown optimizer Lion"},
		{"both ways of clipping", "adam", map[string]any{"clipnorm": 1.0, "global_clipnorm": 1.0}, nil, "exclude each other"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := folder(t, tc.of, func(e map[string]any) { maps.Copy(e, tc.entry) })
			if tc.arrays != nil {
				a, err := find(t, files, tc.of).Arrays()
				if err != nil {
					t.Fatal(err)
				}
				tc.arrays(a)
				files[tc.of+".npz"] = archive(a)
			}
			c := find(t, files, tc.of)
			if got := c.NotOurs(); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("NotOurs() = %q, want %q", got, tc.want)
			}
			if tc.want == "" {
				return
			}
			for _, rows := range [][]Row{c.CheckReference(), c.CheckEngine(engine)} {
				if len(rows) != 1 || rows[0].NotOurs == "" || rows[0].Failed() {
					t.Errorf("rows %v; want one that says why the case is not ours", rows)
				}
			}
		})
	}
}

// A case that is broken is a row that failed and says what is wrong; the others go on.
func TestBrokenCase(t *testing.T) {
	for _, tc := range []struct {
		name string
		file func(data []byte, a map[string]Array) *fstest.MapFile
		want string
	}{
		{"missing", func([]byte, map[string]Array) *fstest.MapFile { return nil }, "not exist"},
		{"not a zip", func([]byte, map[string]Array) *fstest.MapFile { return &fstest.MapFile{Data: []byte("text")} }, "zip"},
		{"truncated", func(d []byte, _ map[string]Array) *fstest.MapFile { return &fstest.MapFile{Data: d[:len(d)/2]} }, "zip"},
		{"array missing", func(_ []byte, a map[string]Array) *fstest.MapFile { delete(a, "d/dense/bias"); return archive(a) }, `"d/dense/bias" is missing`},
		{"weights missing", func(_ []byte, a map[string]Array) *fstest.MapFile { delete(a, "dense/kernel"); return archive(a) }, "dense/kernel[H][D]"},
		{"array too short", func(_ []byte, a map[string]Array) *fstest.MapFile {
			a["lstm/kernel"] = Array{[]int{1, 3}, make([]float64, 3)}
			return archive(a)
		}, `"lstm/kernel" has 3 elements; 4 are needed`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := folder(t, "tiny", func(map[string]any) {})
			a, err := find(t, files, "tiny").Arrays()
			if err != nil {
				t.Fatal(err)
			}
			if f := tc.file(files["tiny.npz"].Data, a); f != nil {
				files["tiny.npz"] = f
			} else {
				delete(files, "tiny.npz")
			}
			c := find(t, files, "tiny")
			for _, rows := range [][]Row{c.CheckReference(), c.CheckEngine(engine)} {
				if len(rows) != 1 || !rows[0].Failed() || !strings.Contains(rows[0].String(), tc.want) {
					t.Errorf("rows %v; want one that failed with %q", rows, tc.want)
				}
			}
			for _, r := range find(t, files, "adam").CheckReference() {
				if r.Failed() {
					t.Error(r)
				}
			}
		})
	}
}

// TestBrokenStack breaks a case whose variables lie in one array, and whose learning rate changes from step to step.
func TestBrokenStack(t *testing.T) {
	for _, tc := range []struct {
		name  string
		entry map[string]any
		array string // whose last element is cut off
		want  string // "": sound
	}{
		{"sound", nil, "", ""},
		{"start", nil, "*", `"*" has `},
		{"final parameters", nil, "final/*", `"final/*" has `},
		{"learning rates", nil, "learning_rate", `"learning_rate" has 23 elements; 24 are needed`},
		{"no dense units", map[string]any{"shape": map[string]int{}}, "", "0 dense units"},
		{"no units", map[string]any{"layers": []map[string]any{{"name": "lstm"}}}, "", "0 LSTM units"},
		{"another direction", map[string]any{"layers": []map[string]any{{"name": "a", "units": 4}, {"name": "b", "units": 4}}}, "", "elements; the network has"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := folder(t, "trajectory_cosine", func(e map[string]any) { maps.Copy(e, tc.entry) })
			a, err := find(t, files, "trajectory_cosine").Arrays()
			if err != nil {
				t.Fatal(err)
			}
			if cut, ok := a[tc.array]; ok {
				n := len(cut.Data) - 1
				a[tc.array] = Array{[]int{n}, cut.Data[:n]}
			} else if tc.array != "" {
				t.Fatalf("no array %q", tc.array)
			}
			files["trajectory_cosine.npz"] = archive(a)
			for _, r := range find(t, files, "trajectory_cosine").CheckReference() {
				if r.Failed() != (tc.want != "") || !strings.Contains(r.String(), tc.want) {
					t.Errorf("%v; want failed %v with %q", r, tc.want != "", tc.want)
				}
			}
		})
	}
}

func TestBrokenManifest(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "manifest.json"}, {"{", "manifest.json"}, {`{"cases": []}`, "object"}, {`{"cases": {}}`, "no cases"}, {`{}`, "object"},
		{`{"cases": {"a": {"batch": "x"}}}`, `case a, "batch"`}, {`{"cases": {"a": 3}}`, "case a"},
	} {
		if _, err := OpenFS(fstest.MapFS{"manifest.json": &fstest.MapFile{Data: []byte(tc.text)}}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: error %v, want one with %q", tc.text, err, tc.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "manifest.json") {
		t.Errorf("an empty folder: error %v", err)
	}
	s, err := OpenFS(fstest.MapFS{"manifest.json": &fstest.MapFile{Data: []byte(`{"cases": {"../x": {"kind": "gradient"}, "b": {}}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Cases[0].CheckReference(); len(r) != 1 || !r[0].Failed() || !strings.Contains(r[0].String(), "not a file name") {
		t.Errorf("a case named ../x: rows %v", r)
	}
	if r := s.Cases[1].CheckReference(); len(r) != 1 || r[0].Failed() {
		t.Errorf("a case without kind: rows %v; want not ours", r)
	}
}

func TestMetrics(t *testing.T) {
	y := []float64{0, 0, 1, 1}
	for _, tc := range []struct {
		p                               []float64
		accuracy, precision, recall, au float64
	}{
		{[]float64{0.1, 0.6, 0.7, 0.8}, 0.75, 2. / 3, 1, 1},
		{[]float64{0.5, 0.5, 0.5, 0.5}, 0.5, 0, 0, 0.5}, // 0.5 is not called positive; equal scores count half
		{[]float64{0.9, 0.2, 0.1, 0.95}, 0.5, 0.5, 0.5, 0.5},
	} {
		m := metrics(y, tc.p)
		for name, want := range map[string]float64{"accuracy": tc.accuracy, "precision": tc.precision, "recall": tc.recall, "auc_exact": tc.au} {
			if math.Abs(m[name]-want) > 1e-15 {
				t.Errorf("%v: %s %v, want %v", tc.p, name, m[name], want)
			}
		}
	}
	if m := metrics([]float64{1, 1}, []float64{math.NaN(), 0.7}); m["auc"] != 0 {
		t.Errorf("one class: auc %v, want 0 as in Keras", m["auc"])
	}
	m := metrics([]float64{0, 1}, []float64{0.5030, 0.5040}) // one bucket of 1/199: a tie
	if m["auc"] != 0.5 || m["auc_exact"] != 1 {
		t.Errorf("within one bucket: auc %v, exact %v; want 0.5, 1", m["auc"], m["auc_exact"])
	}
}
