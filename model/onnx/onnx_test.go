package onnx

import (
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/exporttest"
)

// TestRuntime lets onnxruntime run files of every form. float32 sums of another order move a probability of these networks
// by some 1e-6; a kernel's element is off by 2⁻¹¹ of itself in float16, and by 1/254 of its unit's largest in int8.
func TestRuntime(t *testing.T) {
	for _, c := range exporttest.Cases(t) {
		for q, tolerance := range map[model.Quantization]float64{model.QuantizeNone: 1e-5, model.QuantizeFloat16: 6e-3, model.QuantizeInt8: 0.1} {
			t.Run(c.Name+" "+string(q), func(t *testing.T) {
				file, err := Encode(c.Trained, q)
				if err != nil {
					t.Fatal(err)
				}
				answer := exporttest.Ask(t, file, c)
				worst := 0.0
				for size, p := range answer.Batches {
					worst = max(worst, c.Near(t, "batches of "+size, p, tolerance))
				}
				for i, p := range answer.Batches["1"] {
					if back := answer.Batches["-1"][i]; math.Float64bits(p) != math.Float64bits(back) && !(math.IsNaN(p) && math.IsNaN(back)) {
						t.Errorf("window %d is %v, and %v behind other windows", i, p, back)
					}
				}
				if got := answer.Metadata["threshold"]; got != "0.5" {
					t.Errorf("threshold %q", got)
				}
				t.Logf("%d bytes, largest difference %.1e", len(file), worst)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	c := model.Trained{Spec: model.Classifier(3, 2, 2, 0, 2)}
	if _, err := Encode(c, model.QuantizeNone); err == nil {
		t.Error("a network without parameters was written")
	}
}
