package onnx

import (
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/exporttest"
)

// tolerance is for float32 sums of another order than the reference's, of the same numbers: they move a probability of
// these networks by some 1e-6.
const tolerance = 1e-5

// columns rounds as int8 with a scale per column does, which is that of a gate's unit.
func columns(a []float32, n int) {
	for c := range n {
		top := float32(0)
		for i := c; i < len(a); i += n {
			top = float32(math.Max(float64(top), math.Abs(float64(a[i]))))
		}
		scale := top / 127
		for i := c; i < len(a); i += n {
			if a[i] != 0 && scale != 0 {
				a[i] = float32(math.RoundToEven(float64(a[i])/float64(scale))) * scale
			}
		}
	}
}

// TestRuntime lets onnxruntime run files of every form. The weights that float16 and int8 leave are known, and runtimes
// compute in float32 with them: the reference with these weights is what the file must agree with. How far those are from
// the network's own probability is the price of the smaller file, logged, and bounded by what float16 may cost.
func TestRuntime(t *testing.T) {
	for _, c := range exporttest.Cases(t) {
		for q, keep := range map[model.Quantization]func([]float32, int){model.QuantizeNone: nil, model.QuantizeFloat16: exporttest.Half, model.QuantizeInt8: columns} {
			t.Run(c.Name+" "+string(q), func(t *testing.T) {
				file, err := Encode(c.Trained, q)
				if err != nil {
					t.Fatal(err)
				}
				kept := c
				if keep != nil {
					kept = c.Changed(t, keep)
				}
				answer := exporttest.Ask(t, file, c)
				worst := 0.0
				for size, p := range answer.Batches {
					worst = max(worst, kept.Near(t, "batches of "+size, p, tolerance))
				}
				for i, p := range answer.Batches["1"] {
					if back := answer.Batches["-1"][i]; math.Float64bits(p) != math.Float64bits(back) && !(math.IsNaN(p) && math.IsNaN(back)) {
						t.Errorf("probability %d is %v, and %v after other windows", i, p, back)
					}
				}
				if got := answer.Metadata["threshold"]; c.C() == 1 && got != "0.5" {
					t.Errorf("threshold %q", got)
				}
				t.Logf("%d bytes, largest difference %.1e", len(file), worst)
			})
		}
	}
}

// The network of the first use keeps below the sizes that were asked for.
func TestSize(t *testing.T) {
	s := model.Classifier(60, 6, 64, 0.3, 32)
	for q, most := range map[model.Quantization]int{model.QuantizeNone: 90_000, model.QuantizeFloat16: 45_000, model.QuantizeInt8: 27_000} {
		file, err := Encode(model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params}, Threshold: 0.5}, q)
		if err != nil || len(file) > most {
			t.Errorf("%s: %d bytes, %v; at most %d", q, len(file), err, most)
		}
	}
}

func TestRefused(t *testing.T) {
	c := model.Trained{Spec: model.Classifier(3, 2, 2, 0, 2)}
	if _, err := Encode(c, model.QuantizeNone); err == nil {
		t.Error("a network without parameters was written")
	}
}
