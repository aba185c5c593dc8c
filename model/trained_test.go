package model_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"vklstm/model"
)

// float16 returns the number that a float16's bits stand for (IEEE 754-2019, 3.4).
func float16(bits uint16) float64 {
	e, m := int(bits>>10&31), float64(bits&1023)
	v := math.Ldexp(1+m/1024, e-15)
	switch e {
	case 0:
		v = math.Ldexp(m, -24)
	case 31:
		v = math.Inf(1)
		if m != 0 {
			v = math.NaN()
		}
	}
	if bits>>15 != 0 {
		return -v
	}
	return v
}

func TestFloat16(t *testing.T) {
	// Every float16 is itself; between two neighbours the nearer one is taken, and the even one in the middle.
	for bits := range uint16(0x7c00) {
		a, b := float16(bits), float16(bits+1)
		if bits == 0x7bff {
			b = 65536
		}
		middle := float32((a + b) / 2)
		even := bits + bits&1
		for _, tc := range []struct {
			v    float32
			want uint16
		}{{float32(a), bits}, {middle, even}, {math.Nextafter32(middle, 0), bits}, {math.Nextafter32(middle, 1e9), bits + 1}} {
			if got := model.Float16(tc.v); got != tc.want {
				t.Fatalf("%v is %#x, want %#x", tc.v, got, tc.want)
			}
			if got := model.Float16(-tc.v); got != tc.want|0x8000 {
				t.Fatalf("%v is %#x, want %#x", -tc.v, got, tc.want|0x8000)
			}
		}
	}
	if got := model.Float16(float32(math.NaN())); float16(got) == float16(got) {
		t.Errorf("NaN is %#x", got)
	}
}

func TestTrainedCheck(t *testing.T) {
	good := func() model.Trained {
		s := model.Stack(4, 2, []int{3, 2}, true, 0.1, 2)
		return model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params, s.Init(2).Params}, Threshold: 0.5}
	}
	for _, q := range []model.Quantization{model.QuantizeNone, model.QuantizeFloat16, model.QuantizeInt8} {
		if err := good().Check(q); err != nil {
			t.Error(err)
		}
	}
	for _, tc := range []struct {
		change func(*model.Trained)
		q      model.Quantization
		want   string
		shape  bool
	}{
		{func(m *model.Trained) { m.Spec.Features = 0 }, model.QuantizeNone, "0 features", false},
		{func(m *model.Trained) { m.Members = nil }, model.QuantizeNone, "without parameters", true},
		{func(m *model.Trained) { m.Members[1] = m.Members[1][1:] }, model.QuantizeNone, "parameters for", true},
		{func(m *model.Trained) { m.Members[1][2] = float32(math.NaN()) }, model.QuantizeNone, "diverged", false},
		{func(m *model.Trained) { m.Members[1][2] = float32(math.Inf(-1)) }, model.QuantizeNone, "diverged", false},
		{func(m *model.Trained) { m.Members[0][2] = -65505 }, model.QuantizeFloat16, "65504", false},
		{func(m *model.Trained) { m.Scaling.Offset = make([]float32, 3) }, model.QuantizeNone, "scaling offset", true},
		{func(m *model.Trained) {}, "int4", "int4", false},
	} {
		m := good()
		tc.change(&m)
		if err := m.Check(tc.q); err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, model.ErrShape) != tc.shape {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

// TestLargest wants sums of the largest products within float32, and values of any sensor below the bound.
func TestLargest(t *testing.T) {
	for name, factor := range map[string]float32{"usual": 1, "large": 1e20, "small": 1e-20, "vanished": 1e-44, "zero": 0} {
		s := model.Stack(4, 3, []int{2, 2}, true, 0, 2)
		m := model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params, s.Init(2).Params}}
		for _, params := range m.Members {
			for _, v := range s.Layout().Variables[:6] {
				for i := range v.Of(params) {
					v.Of(params)[i] *= factor
				}
			}
		}
		most := m.Largest()
		if name != "large" && most < 1e30 || most < 1e10 || most > math.MaxFloat32 {
			t.Errorf("%s: largest %v", name, most)
		}
		for _, params := range m.Members {
			for i, v := range s.Layout().Variables[:6] {
				sum := float32(0)
				for j, w := range v.Of(params) {
					if i%3 == 0 && j%8 == 5 {
						sum += most * float32(math.Abs(float64(w)))
					}
				}
				if sum > math.MaxFloat32/1000 {
					t.Errorf("%s: %s sums up to %v with values of %v", name, v.Name, sum, most)
				}
			}
		}
	}
}
