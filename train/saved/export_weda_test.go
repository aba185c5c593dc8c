package saved

import (
	"math"
	"path/filepath"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/exporttest"
	"vklstm/model/onnx"
	"vklstm/model/tflite"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
)

// What files of every form say of real windows, which are measured values that the graphs scale: F1 of a network trained by
// Keras stays within 0.002 of the reference's, and float32 within 1e-5 of each probability, float16 within 6e-3.
func TestExportWEDA(t *testing.T) {
	path := traintest.Shared(t, "data", "weda_fall_25hz.npz")
	m, err := Load(traintest.Shared(t, "data", "lstm_weda_keras3.h5"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := data.LoadNPZ(path, data.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Scaling, _, err = data.FitScaling(data.ScaleFile, d, nil, data.Masking{}); err != nil {
		t.Fatal(err)
	}
	var x, y []float32
	size := d.T * d.F
	for i := 0; i < d.N; i += 5 {
		x, y = append(x, d.X[i*size:(i+1)*size]...), append(y, d.Y[i])
	}
	f1 := func(p []float64) float64 {
		var hit, said, positive float64
		for i, v := range p {
			if v > 0.5 {
				said++
				hit += float64(y[i])
			}
			positive += float64(y[i])
		}
		return 2 * hit / (said + positive)
	}
	want := exporttest.Want(t, m.Trained(), x)
	for q, tolerance := range map[model.Quantization]float64{model.QuantizeNone: 1e-5, model.QuantizeFloat16: 6e-3, model.QuantizeInt8: 1} {
		for format, encode := range map[string]func(model.Trained, model.Quantization) ([]byte, error){"tflite": tflite.Encode, "onnx": onnx.Encode} {
			file, err := encode(m.Trained(), q)
			if err != nil {
				t.Fatal(err)
			}
			answer := exporttest.AskScript(t, filepath.Join("..", "..", "model", format, "testdata", "judge.py"), file, x, m.Spec)
			got, worst := answer.Batches["-1"], 0.0
			for i, p := range got {
				worst = math.Max(worst, math.Abs(p-want[i]))
			}
			t.Logf("%s %s: %d bytes, F1 %.4f, %.4f by the reference, probabilities differ by %.1e", format, q, len(file), f1(got), f1(want), worst)
			if !(worst <= tolerance) || !(math.Abs(f1(got)-f1(want)) <= 0.002) || f1(want) < 0.9 {
				t.Errorf("%s %s differs", format, q)
			}
		}
	}
}
