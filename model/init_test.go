package model_test

import (
	"math"
	"slices"
	"sort"
	"testing"

	"vklstm/model"
)

func TestInit(t *testing.T) {
	spec := model.Classifier(60, 6, 64, 0.3, 32)
	l := spec.Layout()
	s := spec.Init(42)
	if err := s.Check(l.Size); err != nil || s.Step != 0 || slices.Max(s.M) != 0 || slices.Max(s.V) != 0 {
		t.Fatalf("%v, step %d", err, s.Step)
	}
	for i, fans := range map[int]int{model.Kernel: 6 + 256, model.DenseKernel: 64 + 32, model.OutputKernel: 32 + 1} {
		w := l.Variables[i].Of(s.Params)
		limit, n := math.Sqrt(6/float64(fans)), float64(len(w))
		var mean, square float64
		sorted := make([]float64, len(w))
		for j, v := range w {
			mean += float64(v) / n
			square += float64(v) * float64(v) / n
			sorted[j] = float64(v)/limit/2 + 0.5
		}
		// 4 standard deviations of the mean of n uniform numbers.
		if math.Abs(mean) > 4*limit/math.Sqrt(3*n) {
			t.Errorf("%s: mean %v", l.Variables[i].Name, mean)
		}
		sort.Float64s(sorted)
		worst := 0.0
		for j, p := range sorted {
			if p < 0 || p > 1 {
				t.Fatalf("%s: a weight beyond the limit %v", l.Variables[i].Name, limit)
			}
			worst = math.Max(worst, math.Max(p-float64(j)/n, float64(j+1)/n-p))
		}
		// The outermost of n numbers is further in than this with probability e⁻¹⁰.
		if outermost := math.Max(1-sorted[0], sorted[len(w)-1]); outermost < 1-5/n {
			t.Errorf("%s: no weight beyond %v of the limit %v", l.Variables[i].Name, 2*outermost-1, limit)
		}
		// Kolmogorov and Smirnov: D·√n above 1.95 has probability 0.001.
		if d := worst * math.Sqrt(n); d > 1.95 {
			t.Errorf("%s: not uniform in ±%v, Kolmogorov–Smirnov statistic %v", l.Variables[i].Name, limit, d)
		}
	}
	for u, b := range l.Variables[model.Bias].Of(s.Params) {
		if want := float32(map[bool]int{true: 1}[u >= 64 && u < 128]); b != want {
			t.Errorf("bias[%d] = %v, want %v", u, b, want)
		}
	}
	for _, i := range []int{model.DenseBias, model.OutputBias} {
		if b := l.Variables[i].Of(s.Params); slices.Max(b) != 0 || slices.Min(b) != 0 {
			t.Errorf("%s is not 0", l.Variables[i].Name)
		}
	}
}

// The recurrent kernel is one H × 4H matrix with orthonormal rows, up to the rounding to float32: 2⁻²⁴ per element, so
// 2·2⁻²⁴·Σ|aᵢbᵢ| ≤ 2⁻²³ per product of rows, and what QR itself lost.
func TestRecurrentKernelIsOrthogonal(t *testing.T) {
	for _, H := range []int{1, 2, 5, 64} {
		spec := model.Classifier(3, 2, H, 0, 2)
		w := spec.Layout().Variables[model.RecurrentKernel].Of(spec.Init(7).Params)
		for i := range H {
			for j := range H {
				dot := 0.0
				for c := range 4 * H {
					dot += float64(w[i*4*H+c]) * float64(w[j*4*H+c])
				}
				if want := float64(map[bool]int{true: 1}[i == j]); math.Abs(dot-want) > 0x1p-23 {
					t.Fatalf("H %d: rows %d and %d have product %v, want %v", H, i, j, dot, want)
				}
			}
		}
		// Without sign(diag R) the diagonal of Q is negative nearly throughout, as Householder's method makes it.
		if H == 64 {
			positive := 0
			for i := range H {
				if w[i*4*H+i] > 0 {
					positive++
				}
			}
			if positive < 16 || positive > 48 { // binomial: 4 standard deviations
				t.Errorf("%d of 64 elements of the diagonal are positive", positive)
			}
		}
	}
}

func TestInitDependsOnTheSeedAlone(t *testing.T) {
	spec := model.Classifier(5, 3, 8, 0.1, 4)
	if a, b := spec.Init(1), spec.Init(1); !slices.Equal(a.Params, b.Params) {
		t.Error("the same seed gives other parameters")
	}
	for _, seed := range []uint64{2, 1 << 32, 1<<32 + 1} {
		if slices.Equal(spec.Init(1).Params, spec.Init(seed).Params) {
			t.Errorf("seed %d gives those of seed 1", seed)
		}
	}
	l := spec.Layout()
	p := spec.Init(1).Params
	if l.Variables[model.Kernel].Of(p)[0] == l.Variables[model.DenseKernel].Of(p)[0] {
		t.Error("two variables begin alike")
	}
}
