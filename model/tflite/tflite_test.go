package tflite

import (
	"bytes"
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/exporttest"
)

// TestRuntime lets LiteRT run files of every form. float32 sums of another order move a probability of these networks by
// some 1e-6; a kernel's element is off by 2⁻¹¹ of itself in float16, and by 1/254 of its kernel's largest in int8, as is
// what comes in at each step. Whatever the interpreter saw before, a window gives the same bits as alone.
func TestRuntime(t *testing.T) {
	for _, c := range exporttest.Cases(t) {
		for q, tolerance := range map[model.Quantization]float64{model.QuantizeNone: 1e-5, model.QuantizeFloat16: 6e-3, model.QuantizeInt8: 0.15} {
			t.Run(c.Name+" "+string(q), func(t *testing.T) {
				file, err := Encode(c.Trained, q)
				if err != nil {
					t.Fatal(err)
				}
				answer := exporttest.Ask(t, file, c)
				worst := c.Near(t, "alone", answer.Batches["1"], tolerance)
				for i, p := range answer.Batches["1"] {
					for _, order := range []string{"in order", "-1"} {
						if after := answer.Batches[order][i]; math.Float64bits(p) != math.Float64bits(after) && !(math.IsNaN(p) && math.IsNaN(after)) {
							t.Errorf("window %d is %v alone, and %v behind others (%s)", i, p, after, order)
						}
					}
				}
				t.Logf("%d bytes, largest difference %.1e", len(file), worst)
			})
		}
	}
}

func TestEncode(t *testing.T) {
	s := model.Stack(4, 2, []int{3, 2}, true, 0, 2)
	m := model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params}, Threshold: 0.25}
	a, err := Encode(m, model.QuantizeInt8)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Encode(m, model.QuantizeInt8)
	if !bytes.Equal(a, b) || string(a[4:8]) != "TFL3" || !bytes.Contains(a, []byte("0.25")) {
		t.Error("two files of one network differ, or lack the identifier or the threshold")
	}
	m.Members[0] = m.Members[0][1:]
	if _, err := Encode(m, model.QuantizeNone); err == nil {
		t.Error("a network that lacks a parameter was written")
	}
}

// A network whose sums are beyond float32 is refused: LiteRT would keep a NaN from one window to the next.
func TestTooLarge(t *testing.T) {
	s := model.Stack(4, 2, []int{3, 2}, true, 0, 2)
	for i, v := range s.Layout().Variables {
		m := model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params}, Threshold: 0.5}
		v.Of(m.Members[0])[0] = 1e35
		_, err := Encode(m, model.QuantizeNone)
		if lstm := i < 12; lstm != (err != nil) {
			t.Errorf("%s of 1e35: error %v", v.Name, err)
		}
	}
}
