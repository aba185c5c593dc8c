package tflite

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/exporttest"
)

// tolerance is for float32 sums of another order than the reference's, of the same numbers: they move a probability of
// these networks by some 1e-6.
const tolerance = 1e-5

// TestRuntime lets LiteRT run files of float32 and float16. The weights that float16 leaves are known: the reference with
// these must agree as closely. Whatever the interpreter saw before, a window gives the same bits as alone.
func TestRuntime(t *testing.T) {
	for _, c := range exporttest.Cases(t) {
		for q, keep := range map[model.Quantization]func([]float32, int){model.QuantizeNone: nil, model.QuantizeFloat16: exporttest.Half} {
			t.Run(c.Name+" "+string(q), func(t *testing.T) {
				answer := ask(t, c, q)
				kept := c
				if keep != nil {
					kept = c.Changed(t, keep)
				}
				for _, by := range []string{"1", "built in"} {
					t.Logf("%s: largest difference %.1e", by, kept.Near(t, by, answer.Batches[by], tolerance))
				}
			})
		}
	}
}

// TestHybrid lets LiteRT run files with int8 kernels, with and without XNNPACK, against a computation in float64 that rounds
// as the hybrid operators do. It rounds values that float32 sums may have on the other side of a half, so it is done again
// with these nudged at random: a window where that changes nothing must agree as closely as float32 does, any other may be
// four times as far off as nudging made it.
func TestHybrid(t *testing.T) {
	for i, c := range exporttest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			answer := ask(t, c, model.QuantizeInt8)
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			for _, by := range []string{"1", "built in"} {
				size, certain := c.Spec.Timesteps*c.Spec.Features, 0
				worst, price := 0.0, 0.0
				for n := range c.N() {
					x, h := c.X[n*size:(n+1)*size], hybrid{c.Folded(), by == "1", nil}
					got, want, moved := answer.Batches[by][n*c.C():(n+1)*c.C()], h.predict(x), 0.0
					h.rng = rng
					for range 8 {
						moved = math.Max(moved, farthestApart(h.predict(x), want))
					}
					if c.Beyond(n) || math.IsNaN(want[0]) && math.IsNaN(got[0]) {
						continue
					}
					d := farthestApart(got, want)
					if moved <= tolerance {
						certain++
						worst = math.Max(worst, d)
					}
					if !(d <= tolerance+4*moved) {
						t.Errorf("%s: window %d is %v, want %v, which nudging moves by %.1e", by, n, got, want, moved)
					}
					price = math.Max(price, farthestApart(got, c.Want[n*c.C():(n+1)*c.C()]))
				}
				t.Logf("%s: %d of %d windows certain, which differ by %.1e; int8 itself moves a probability by %.1e",
					by, certain, c.N(), worst, price)
				if certain < c.N()/6 {
					t.Errorf("%d windows are certain: the test says little", certain)
				}
			}
		})
	}
}

// farthestApart returns the largest difference of two windows' probabilities, NaN where one is.
func farthestApart(a, b []float64) (d float64) {
	for i := range a {
		d = math.Max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// ask returns what LiteRT says of each window alone, and fails the test unless that is the same to the bit after others.
func ask(t *testing.T, c exporttest.Case, q model.Quantization) exporttest.Answer {
	t.Helper()
	file, err := Encode(c.Trained, q)
	if err != nil {
		t.Fatal(err)
	}
	answer := exporttest.Ask(t, file, c)
	for i, p := range answer.Batches["1"] {
		for _, order := range []string{"in order", "-1"} {
			if after := answer.Batches[order][i]; math.Float64bits(p) != math.Float64bits(after) && !(math.IsNaN(p) && math.IsNaN(after)) {
				t.Errorf("probability %d is %v alone, and %v after others (%s)", i, p, after, order)
			}
		}
	}
	return answer
}

// TestClosing wants gates closed whatever the state is: float32 rounds a sum of the recurrent kernel of a unit, which must not
// be more than what is left over.
func TestClosing(t *testing.T) {
	for i, factor := range []float32{1e-20, 1, 1e4, 1e10, 1e20, 1e-20, 1, 1e4, 1e10} {
		s := model.Stack(4, 2, []int{33, 9}, true, 0, 2)
		state := 1.0
		if i >= 5 {
			s.Layers[1].Activation, s.Layers[2].Activation, state = model.Relu, model.Relu, farthest
		}
		params := s.Init(1).Params
		c, _ := s.Chain()
		w := writer{chain: c, layout: s.Layout()}
		for i := range params {
			params[i] *= factor
		}
		r := w.closing(params)
		for _, layer := range c.LSTMs {
			v := w.layout.Variables[layer.First:]
			for g := range 2 {
				top := w.weightOf(gate(v[0].Of(params), layer.In, layer.Units, g, 0))
				for u := range layer.Units {
					sum := math.Abs(float64(v[2].Of(params)[g*layer.Units+u]))
					for j := range layer.Units {
						sum += state * math.Abs(float64(v[1].Of(params)[j*4*layer.Units+g*layer.Units+u]))
					}
					if left := float64(r*top) - sum; left < closed*(1-0x1p-22) || math.IsInf(left, 0) || left < sum*(float64(layer.Units)+2)*0x1p-24 {
						t.Errorf("kernels %v-fold: %v are left over of %v against %v", factor, left, r*top, sum)
					}
				}
			}
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

// The network of the first use keeps below what phones' stores and caches were asked to take.
func TestSize(t *testing.T) {
	s := model.Classifier(60, 6, 64, 0.3, 32)
	for q, most := range map[model.Quantization]int{model.QuantizeNone: 90_000, model.QuantizeFloat16: 49_000, model.QuantizeInt8: 28_000} {
		file, err := Encode(model.Trained{Spec: s, Members: [][]float32{s.Init(1).Params}, Threshold: 0.5}, q)
		if err != nil || len(file) > most {
			t.Errorf("%s: %d bytes, %v; at most %d", q, len(file), err, most)
		}
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
