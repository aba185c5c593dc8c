package reference

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vklstm/model"
	"vklstm/model/philox"
)

func random(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64()
	}
	return out
}

// dot returns Σ aᵢbᵢ, which turns vector functions into one number to differentiate.
func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func TestMask(t *testing.T) {
	nan, minusZero := math.NaN(), math.Copysign(0, -1)
	got := Mask([]float64{0, 0, minusZero, nan, nan, nan, 0, 1e-40, math.Inf(1), 0}, 2)
	if want := []bool{false, false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("mask %v, want %v", got, want)
	}
	if got := Mask([]float32{0, 1, float32(minusZero), 0}, 2); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("mask %v", got)
	}
}

func TestMatMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 4}, {7, 2, 9}} {
		m, n, k := s[0], s[1], s[2]
		for range 2 {
			a, b := random(rng, m*k), random(rng, k*n)
			at, bt := make([]float64, m*k), make([]float64, k*n)
			want := make([]float64, m*n)
			for i := range m {
				for l := range k {
					at[l*m+i] = a[i*k+l]
					for j := range n {
						bt[j*k+l] = b[l*n+j]
						want[i*n+j] += a[i*k+l] * b[l*n+j]
					}
				}
			}
			equal(t, "A·B", MatMul(false, false, m, n, k, a, b), want, 1e-14)
			equal(t, "Aᵀ·B", MatMul(true, false, m, n, k, at, b), want, 1e-14)
			equal(t, "A·Bᵀ", MatMul(false, true, m, n, k, a, bt), want, 1e-14)
			equal(t, "Aᵀ·Bᵀ", MatMul(true, true, m, n, k, at, bt), want, 1e-14)
		}
	}
}

// One unit by hand: every gate has its own number, so that no two can be exchanged unseen.
func TestLSTMCellForward(t *testing.T) {
	gates, h, c := LSTMCellForward(model.Tanh, []float64{0.5, -1, 2, 0.25}, []bool{true}, []float64{0.3}, []float64{-0.7})
	i, f, g, o := 1/(1+math.Exp(-0.5)), 1/(1+math.Exp(1)), math.Tanh(2), 1/(1+math.Exp(-0.25))
	wantC := f*-0.7 + i*g
	equal(t, "gates", gates, []float64{i, f, g, o}, 1e-15)
	equal(t, "c", c, []float64{wantC}, 1e-15)
	equal(t, "h", h, []float64{o * math.Tanh(wantC)}, 1e-15)

	gates, h, c = LSTMCellForward(model.Tanh, []float64{5, 5, 5, 5}, []bool{false}, []float64{0.3}, []float64{-0.7})
	equal(t, "gates of a masked row", gates, make([]float64, 4), 0)
	equal(t, "h of a masked row", h, []float64{0.3}, 0)
	equal(t, "c of a masked row", c, []float64{-0.7}, 0)
}

func TestLSTMCellBackward(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const R, H = 4, 3
	z, hPrev, cPrev := random(rng, R*4*H), random(rng, R*H), random(rng, R*H)
	dh, dc, mask := random(rng, R*H), random(rng, R*H), []bool{true, false, true, true}
	f := func() float64 {
		_, h, c := LSTMCellForward(model.Tanh, z, mask, hPrev, cPrev)
		return dot(h, dh) + dot(c, dc)
	}
	gates, _, c := LSTMCellForward(model.Tanh, z, mask, hPrev, cPrev)
	dz, dhOut, dcOut := LSTMCellBackward(model.Tanh, gates, cPrev, c, mask, dh, dc)
	differences(t, "dz", dz, z, f)
	differences(t, "dh", dhOut, hPrev, f) // directly: all 0 but in the masked row
	differences(t, "dc", dcOut, cPrev, f)
}

func TestDropout(t *testing.T) {
	const rows, H, rate = 400, 50, 0.3
	x := slices.Repeat([]float64{2}, rows*H)
	key := philox.Key(99)
	out := Dropout(x, 1, H, 0, 7, 0, key, rate)
	kept := 0
	for _, v := range out {
		switch v {
		case 2 * float64(float32(1/(1-rate))):
			kept++
		case 0:
		default:
			t.Fatalf("dropout makes %v of 2", v)
		}
	}
	// Binomial: 4 standard deviations.
	n := float64(rows * H)
	if d := math.Abs(float64(kept) - n*(1-rate)); d > 4*math.Sqrt(n*rate*(1-rate)) {
		t.Errorf("%d of %v kept", kept, n)
	}
	equal(t, "rows after row 100", Dropout(x[:H], 1, H, 100, 7, 0, key, rate), out[100*H:101*H], 0)
	if slices.Equal(Dropout(x, 1, H, 0, 8, 0, key, rate), out) || slices.Equal(Dropout(x, 1, H, 0, 7, 0, philox.Key(98), rate), out) {
		t.Error("another step or seed drops the same")
	}
	equal(t, "rate 0", Dropout(x, 1, H, 0, 7, 0, key, 0), x, 0)
}

func TestDense(t *testing.T) {
	x, w, b := []float64{1, -2}, []float64{1, 2, 3, 4, 5, 6}, []float64{0.5, 10, 0}
	equal(t, "linear", DenseForward(model.Linear, x, w, b), []float64{-6.5, 2, -9}, 0)
	equal(t, "relu", DenseForward(model.Relu, x, w, b), []float64{0, 2, 0}, 0)
	equal(t, "sigmoid", DenseForward(model.Sigmoid, x, w, b), []float64{Sigmoid(-6.5), Sigmoid(2), Sigmoid(-9)}, 0)
	dy := []float64{1, 10, 100}
	equal(t, "dx", DenseBackward(model.Linear, 3, dy, w, nil), []float64{321, 654}, 0)
	equal(t, "dx before relu", DenseBackward(model.Relu, 3, dy, w, []float64{0, 0.1}), []float64{0, 654}, 0)
	if y := DenseForward(model.Relu, []float64{math.NaN()}, []float64{1}, []float64{0}); y[0] == y[0] {
		t.Errorf("relu makes %v of NaN", y[0])
	}
}

func TestSums(t *testing.T) {
	equal(t, "column sums", ColumnSum([]float64{1, 2, 3, 10, 20, 30}, 3), []float64{11, 22, 33}, 0)
	l := model.Classifier(1, 1, 1, 0, 1).Layout()
	grad := make([]float64, l.Size)
	for i := range grad {
		grad[i] = float64(i)
	}
	equal(t, "squares", GradientNorm(l, grad), []float64{14, 16 + 25 + 36 + 49, 64 + 81 + 100 + 121, 144, 169, 196, 225}, 0)
}

func TestActivations(t *testing.T) {
	for _, z := range []float64{-800, -40, -1, 0, 1e-9, 1, 40, 800} {
		if s := Sigmoid(z) + Sigmoid(-z); math.Abs(s-1) > 1e-15 {
			t.Errorf("sigmoid(%v) + sigmoid(−%v) = %v", z, z, s)
		}
		if d := Softplus(z) - Softplus(-z) - z; math.Abs(d) > 1e-15*math.Max(1, math.Abs(z)) {
			t.Errorf("softplus(%v) − softplus(−%v) − z = %v", z, z, d)
		}
	}
	if s := Sigmoid(-700); math.Abs(s/math.Exp(-700)-1) > 1e-12 {
		t.Errorf("sigmoid(−700) = %v", s)
	}
}
