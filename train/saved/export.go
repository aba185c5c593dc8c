package saved

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/model/onnx"
	"vklstm/model/tflite"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
)

// The formats of Export.
const (
	FormatKeras  = "keras"  // .h5: SaveModel; or .keras, with the optimizer's state as Keras 3 restores it
	FormatKeras2 = "keras2" // .keras, with the optimizer's state as Keras 2 (tf_keras) restores it
	FormatTFLite = "tflite" // .tflite, for LiteRT on phones
	FormatONNX   = "onnx"   // .onnx
	FormatNPZ    = "npz"    // .npz, one NumPy array per variable
)

// Formats are the formats of Export, and the ending that each has.
var Formats = []struct{ Name, Ending string }{{FormatKeras, ".h5"}, {FormatKeras2, ".keras"}, {FormatTFLite, ".tflite"}, {FormatONNX, ".onnx"}, {FormatNPZ, ".npz"}}

// FormatOf returns the format that a path's ending asks for, and "" for another ending.
func FormatOf(path string) string {
	if IsArchive(path) {
		return FormatKeras
	}
	for _, f := range Formats {
		if strings.EqualFold(filepath.Ext(path), f.Ending) {
			return f.Name
		}
	}
	return ""
}

// isArchive reports whether a path names a file in Keras 3's own format.
func IsArchive(path string) bool { return strings.EqualFold(filepath.Ext(path), ".keras") }

// Trained returns what the writers of file formats take.
func (m *Model) Trained() model.Trained {
	t := model.Trained{Spec: m.Spec, Scaling: m.Scaling.Scaling, Threshold: m.Decision(), Classes: data.OwnNames(m.ClassNames())}
	for _, s := range m.Members() {
		t.Members = append(t.Members, s.Params)
	}
	return t
}

// Export writes m in another format, its kernels kept as q says, and returns the file's size; see files.Write for what
// happens to an older file. keras, keras2 and npz hold float32 alone.
func Export(path string, m *Model, format string, q model.Quantization) (int, error) {
	b, err := encodeExport(path, m, format, q)
	if err != nil {
		return 0, fmt.Errorf("train: write %s: %w", path, err)
	}
	return len(b), files.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func encodeExport(path string, m *Model, format string, q model.Quantization) ([]byte, error) {
	switch format {
	case FormatTFLite:
		return tflite.Encode(m.Trained(), q)
	case FormatONNX:
		return onnx.Encode(m.Trained(), q)
	case FormatKeras, FormatKeras2, FormatNPZ:
		if q != model.QuantizeNone {
			return nil, fmt.Errorf("%s holds float32 alone, not %s; choose tflite or onnx for that", format, q)
		}
		switch format {
		case FormatKeras:
			return Encode(path, m)
		case FormatKeras2:
			if !IsArchive(path) {
				return nil, fmt.Errorf("%s is a .keras file; name it so (an .h5 file of format keras opens in Keras 2 too, without the optimizer's state)", format)
			}
			its := *m
			its.forKeras2 = true
			return Encode(path, &its)
		}
		return encodeNPZ(m)
	}
	return nil, fmt.Errorf("unknown format %q", format)
}

// archive is the JSON text in the array "vklstm" of an npz file that holds a model.
type archive struct {
	Spec    model.Spec `json:"spec"`
	Members int        `json:"members"`
	Loss    model.Loss `json:"loss"`
	about
}

// arrayName returns the name of a variable's array: Keras's, after the member's number from the second on.
func arrayName(member int, v model.Variable) string {
	if member == 0 {
		return v.Name
	}
	return fmt.Sprintf("member_%d/%s", member+1, v.Name)
}

// encodeNPZ returns an npz file with one array per variable, as Keras has it in shape and order of gates, and what else
// belongs to the model as JSON in the array "vklstm".
func encodeNPZ(m *Model) ([]byte, error) {
	if err := m.Trained().Check(model.QuantizeNone); err != nil {
		return nil, err
	}
	a, err := m.about()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(archive{Spec: m.Spec, Members: len(m.Members()), Loss: m.Loss, about: a})
	if err != nil {
		return nil, err
	}
	if size := 4 * utf8.RuneCount(text); size > npz.MaxText {
		return nil, fmt.Errorf("its scaling of %d features takes %d bytes as text, and at most %d are read; use fewer features", m.Spec.Features, size, npz.MaxText)
	}
	arrays := []npz.Array{{Name: Attribute, Data: []string{string(text)}}}
	for k, s := range m.Members() {
		for _, v := range m.Spec.Layout().Variables {
			arrays = append(arrays, npz.Array{Name: arrayName(k, v), Shape: v.Shape, Data: v.Of(s.Params)})
		}
	}
	var b strings.Builder
	if err := npz.Write(&b, zip.Store, arrays...); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// maxMembers bounds the members of an ensemble in a file.
const MaxMembers = 1024

// readNPZ reads what encodeNPZ wrote. ok is false where the file is none of its kind.
func readNPZ(path string) (m *Model, ok bool, err error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, false, nil
	}
	defer f.Close()
	if !f.Has(Attribute) {
		return nil, false, nil
	}
	m, err = decodeNPZ(f)
	switch {
	case err == nil:
	case strings.HasPrefix(err.Error(), path+": "): // npz's own errors name the file
		err = fmt.Errorf("train: read %w", err)
	default:
		err = fmt.Errorf("train: read %s: %w", path, err)
	}
	return m, true, err
}

func decodeNPZ(f *npz.File) (*Model, error) {
	text, err := f.Text(Attribute)
	if err != nil {
		return nil, err
	}
	a := archive{about: about{Threshold: metrics.DefaultThreshold}}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("its array %q is damaged (%w); export the model again", Attribute, err)
	}
	if a.Members < 1 || a.Members > MaxMembers {
		return nil, fmt.Errorf("its array %q names %d members; at least 1 and at most %d", Attribute, a.Members, MaxMembers)
	}
	chain, err := a.Spec.Chain()
	if err != nil {
		return nil, err
	}
	if a.Loss.Kind != "" {
		if err := a.Loss.Check(chain.Classes); err != nil {
			return nil, err
		}
	}
	if err := a.check(a.Spec.Features); err != nil {
		return nil, err
	}
	m := &Model{Spec: a.Spec, Loss: a.Loss, Scaling: a.Scaling, Threshold: a.Threshold, Origin: &a.Origin, Classes: a.Classes}
	if err := m.checkClasses(); err != nil {
		return nil, err
	}
	layout := a.Spec.Layout()
	for k := range a.Members {
		var params []float32 // grows with what the file really holds
		for _, v := range layout.Variables {
			if name := arrayName(k, v); !f.Has(name) { // whatever else it holds is of no use to say
				return nil, fmt.Errorf("it has no array %q, which its network needs; export the model again", name[:min(len(name), 100)])
			}
			values, shape, err := f.Float32(arrayName(k, v))
			if err != nil {
				return nil, err
			}
			if fmt.Sprint(shape) != fmt.Sprint(v.Shape) {
				return nil, fmt.Errorf("its array %q has shape %v; the network needs %v", arrayName(k, v), shape, v.Shape)
			}
			params = append(params, values...)
		}
		s := model.NewState(len(params))
		copy(s.Params, params)
		if k == 0 {
			m.State = s
		} else {
			m.Others = append(m.Others, s)
		}
	}
	if err := m.Trained().Check(model.QuantizeNone); err != nil {
		return nil, err
	}
	return m, nil
}
