package saved

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/files"
)

// exported returns an ensemble of two bidirectional stacks with all that a file holds.
func exported() *Model {
	s := model.Stack(4, 2, []int{3, 2}, true, 0.1, 2)
	return &Model{Spec: s, State: s.Init(1), Others: []*model.State{s.Init(2)}, Loss: model.Focal(), Threshold: 0.3,
		Origin:  &Origin{Epoch: 3, Seed: 7, Split: "group", Augment: "none"},
		Scaling: data.Scaling{Kind: data.ScaleStandard, Scaling: model.Scaling{Offset: []float32{1, 2}, Factor: []float32{0.5, 4}}}}
}

func TestExportNPZ(t *testing.T) {
	m := exported()
	path := filepath.Join(t.TempDir(), "m.npz")
	size, err := Export(path, m, FormatNPZ, model.QuantizeNone)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Size() != int64(size) {
		t.Errorf("%d bytes said, %d written", size, info.Size())
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Spec, m.Spec) || !reflect.DeepEqual(got.Scaling, m.Scaling) || got.Threshold != 0.3 || !got.Loss.Equal(m.Loss) ||
		*got.Origin != *m.Origin || len(got.Members()) != 2 {
		t.Errorf("read %+v, %+v", got, got.Origin)
	}
	for k, s := range m.Members() {
		if !reflect.DeepEqual(got.Members()[k].Params, s.Params) {
			t.Errorf("member %d has other parameters", k)
		}
	}
}

// What is written is read again, however many features there are, or is refused.
func TestExportManyFeatures(t *testing.T) {
	for f, want := range map[int]bool{2_000: true, 30_000: true, 80_000: false} {
		s := model.Classifier(2, f, 1, 0, 1)
		m := &Model{Spec: s, State: model.NewState(s.Layout().Size), Loss: model.Focal(), Scaling: data.Scaling{Kind: data.ScaleStandard}}
		for i := range f {
			m.Scaling.Offset, m.Scaling.Factor = append(m.Scaling.Offset, float32(i)/7), append(m.Scaling.Factor, 1/(float32(i)+3))
		}
		for _, name := range []string{"m.npz", "m.keras", "m.h5"} {
			path := filepath.Join(t.TempDir(), name)
			_, err := Export(path, m, FormatOf(path), model.QuantizeNone)
			if wanted := want && (name != "m.h5" || f < 3000); wanted != (err == nil) { // an attribute of .h5 holds 64 KiB
				t.Errorf("%s with %d features: %v", name, f, err)
			}
			if err != nil {
				continue
			}
			if got, err := Load(path); err != nil || !reflect.DeepEqual(got.Scaling, m.Scaling) {
				t.Errorf("%s with %d features is not read back: %v", name, f, err)
			}
		}
	}
}

// A .keras file is for one Keras or the other; both hold the same for us. package keras has the real ones judge them.
func TestExportKeras2(t *testing.T) {
	m := exported()
	m.Others = nil
	m.Loss, m.State.Step = model.Focal(), 3
	for i := range m.State.M {
		m.State.M[i], m.State.V[i] = float32(i), float32(i)/2
	}
	var files [][]byte
	for _, format := range []string{FormatKeras, FormatKeras2} {
		path := filepath.Join(t.TempDir(), "m.keras")
		if _, err := Export(path, m, format, model.QuantizeNone); err != nil {
			t.Fatal(err)
		}
		back, err := Load(path)
		if err != nil || !reflect.DeepEqual(back.State, m.State) {
			t.Errorf("%s: read back as %+v, %v", format, back, err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	if len(files[0]) <= len(files[1]) { // by the learning rate
		t.Errorf("%d bytes for Keras 3, %d for Keras 2", len(files[0]), len(files[1]))
	}
}

func TestExportRefuses(t *testing.T) {
	m := exported()
	path := filepath.Join(t.TempDir(), "m")
	for _, tc := range []struct {
		format string
		q      model.Quantization
		want   string
	}{
		{FormatNPZ, model.QuantizeInt8, "float32 alone"},
		{FormatKeras, model.QuantizeFloat16, "float32 alone"},
		{FormatKeras2, model.QuantizeNone, "name it so"},
		{FormatKeras2, model.QuantizeInt8, "float32 alone"},
		{"pb", model.QuantizeNone, "unknown format"},
		{FormatONNX, "int4", "int4"},
	} {
		if _, err := Export(path, m, tc.format, tc.q); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("a file was written")
		}
	}
}

// FuzzReadNPZ reads damaged archives of a model: a sentence, or a model that can be written again.
func FuzzReadNPZ(f *testing.F) {
	m := exported()
	whole, err := encodeNPZ(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte("m\x00\x00\x00e\x00\x00\x00m"), []byte("n\x00\x00\x00e\x00\x00\x00m"), 1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "m.npz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, ok, err := readNPZ(path)
		if !ok || err != nil {
			if ok && (m != nil || len(err.Error()) > 1000) {
				t.Errorf("a model beside the error %.200v", err)
			}
			return
		}
		if _, err := encodeNPZ(m); err != nil {
			t.Error(err)
		}
	})
}

func TestReadNPZErrors(t *testing.T) {
	m := exported()
	dir := t.TempDir()
	short := *m
	short.Scaling.Offset = short.Scaling.Offset[1:]
	if _, err := Export(filepath.Join(dir, "scaling"), &short, FormatNPZ, model.QuantizeNone); !errors.Is(err, model.ErrShape) {
		t.Errorf("a scaling of one feature for two: %v", err)
	}
	// A layer's name in the file is a claim: the sentence about it is one, and names the file once.
	path := filepath.Join(dir, "claims.npz")
	text := `{"spec": {"timesteps": 2, "features": 2, "layers": [{"kind": "Masking"}, {"kind": "LSTM", "units": 2, "name": "` + strings.Repeat("x", 70000) + `"},
		{"kind": "Dropout"}, {"kind": "Dense", "units": 2, "activation": "relu"}, {"kind": "Dense", "units": 1, "activation": "sigmoid"}]},
		"members": 1, "version": 1, "scaling": {"kind": "none"}, "threshold": 0.5}`
	if err := files.Write(path, func(w io.Writer) error {
		return npz.Write(w, zip.Store, npz.Array{Name: Attribute, Data: []string{text}})
	}); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(), "no array") || strings.Count(err.Error(), path) != 1 || len(err.Error()) > 500 {
		t.Errorf("error %.600v", err)
	}
}
