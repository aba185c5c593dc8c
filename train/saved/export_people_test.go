package saved

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/exporttest"
	"vklstm/model/npz"
	"vklstm/train/internal/traintest"
)

// Networks that people have, as Keras 2 and 3 wrote them: each file holds the same parameters, keeps them through every format, and LiteRT and
// onnxruntime compute from it the probabilities that Keras computed in float64.
func TestExportPeople(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(traintest.Shared(t, "golden", "people"), "*.npz"))
	if err != nil || len(paths) == 0 {
		t.Fatal(err, "no networks")
	}
	for _, path := range paths {
		stem := strings.TrimSuffix(path, ".npz")
		t.Run(filepath.Base(stem), func(t *testing.T) {
			m, err := Load(stem + ".keras")
			if err != nil {
				t.Fatal(err)
			}
			params := m.State.Params
			same := func(path string) {
				other, err := Load(path)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(other.State.Params, params) {
					t.Errorf("%s holds other parameters", path)
				}
			}
			same(stem + ".h5")
			same(stem + "_keras2.h5")
			for name, format := range map[string]string{"a.keras": FormatKeras, "a.h5": FormatKeras, "b.keras": FormatKeras2, "a.npz": FormatNPZ} {
				out := filepath.Join(t.TempDir(), name)
				if _, err := Export(out, m, format, model.QuantizeNone); err != nil {
					t.Fatal(err)
				}
				same(out)
			}
			f, err := npz.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			x64, _, err := f.Float64("x")
			if err != nil {
				t.Fatal(err)
			}
			want, _, err := f.Float64("probability")
			if err != nil {
				t.Fatal(err)
			}
			var x []float32
			for _, v := range x64 {
				x = append(x, float32(v))
			}
			for _, format := range []string{FormatTFLite, FormatONNX} {
				file, err := encodeExport("", m, format, model.QuantizeNone)
				if err != nil {
					t.Fatal(err)
				}
				got, worst := exporttest.AskScript(t, filepath.Join("..", "..", "model", format, "testdata", "judge.py"), file, x, m.Spec).Batches["-1"], 0.0
				if len(got) != len(want) {
					t.Fatalf("%s: %d probabilities, want %d", format, len(got), len(want))
				}
				for i, p := range got {
					worst = math.Max(worst, math.Abs(p-want[i]))
				}
				if t.Logf("%s: probabilities differ by %.1e", format, worst); !(worst <= 1e-5) {
					t.Errorf("%s differs by %v", format, worst)
				}
			}
		})
	}
}
