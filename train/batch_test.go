package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vklstm/train/data"
	"vklstm/train/metrics"
)

// TestPermutation looks for a place that an element prefers: over 2,000 epochs each of 12 elements is in each of 12
// places with probability 1/12, so χ² of the 144 counts has (12−1)² = 121 degrees of freedom, mean 121 and standard
// deviation √242 = 15.6; 121 + 6·15.6 = 215 is out of reach for a fair shuffle.
func TestPermutation(t *testing.T) {
	const n, epochs = 12, 2000
	var counts [n][n]float64
	for epoch := range epochs {
		p := Permutation(n, 42, epoch)
		for place, element := range p {
			counts[place][element]++
		}
		if q := slices.Sorted(slices.Values(p)); !slices.Equal(q, metrics.All(n)) {
			t.Fatalf("epoch %d: %v is no permutation", epoch, p)
		}
	}
	chi := 0.0
	for _, row := range counts {
		for _, c := range row {
			chi += (c - epochs/n) * (c - epochs/n) / (epochs / n)
		}
	}
	if chi > 215 {
		t.Errorf("χ² is %.0f, at most 215 for a fair shuffle", chi)
	}
	if !slices.Equal(Permutation(1000, 7, 3), Permutation(1000, 7, 3)) || slices.Equal(Permutation(1000, 7, 3), Permutation(1000, 7, 4)) ||
		slices.Equal(Permutation(1000, 7, 3), Permutation(1000, 8, 3)) || slices.Equal(Permutation(1000, 7, 3), Permutation(1000, 7+1<<32, 3)) {
		t.Error("the order is not a function of seed and epoch, or does not depend on one of them")
	}
	if len(Permutation(0, 1, 1)) != 0 || Permutation(1, 1, 1)[0] != 0 {
		t.Error("none and one")
	}
	// A change of this order breaks the promise that a run repeats itself in a newer version.
	if got, want := Permutation(10, 42, 0), []int32{5, 9, 0, 8, 2, 1, 3, 6, 7, 4}; !slices.Equal(got, want) {
		t.Errorf("seed 42, epoch 0: %v, want %v", got, want)
	}
}

// TestBelow asks for fair draws where unfair ones would show: with n = 3·2³⁰ a draw that merely scales a 32-bit word
// takes every third number twice as often as the others.
func TestBelow(t *testing.T) {
	const n, draws = 3 << 30, 30000
	var counts [3]int
	for i := range uint32(draws) {
		v := below(n, i, 0, [2]uint32{1, 2})
		if v >= n {
			t.Fatalf("%d is not below %d", v, uint32(n))
		}
		counts[v%3]++
	}
	for r, c := range counts {
		// Binomial: standard deviation √(30000·1/3·2/3) = 82.
		if math.Abs(float64(c)-draws/3) > 6*82 {
			t.Errorf("%d of %d draws are %d modulo 3, want about %d", c, draws, r, draws/3)
		}
	}
}

func TestClassWeights(t *testing.T) {
	d := &data.Dataset{Y: []float32{0, 0, 0, 1, 1, 0}}
	if w := classWeights(d, []int32{0, 1, 2, 3}); !slices.Equal(w, []float64{4. / 6, 2}) {
		t.Errorf("weights %v", w)
	}
	d = &data.Dataset{Y: []float32{0, 2, 1, 1, 1, 1}, Classes: []string{"a", "b", "c"}}
	if w := classWeights(d, metrics.All(6)); !slices.Equal(w, []float64{2, 0.5, 2}) {
		t.Errorf("weights %v", w)
	}
}

// No other seed is recommended for parts that no seed drew, such as a fold's.
func TestAdviceOfGivenParts(t *testing.T) {
	d := data.Sample(90, 1)
	var positive, negative []int32
	for i, y := range d.Y {
		if y == 1 {
			positive = append(positive, int32(i))
		} else {
			negative = append(negative, int32(i))
		}
	}
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Log = d, nil
	for _, p := range []data.Parts{
		{Train: negative[:9], Val: negative[9:12], Test: positive},
		{Train: append(negative[:9:9], positive...), Val: negative[9:12], Test: negative[12:15]},
	} {
		cfg.Parts = &p
		r, err := prepare(cfg, d)
		said := fmt.Sprint(err)
		if err == nil {
			said = strings.Join(r.notes, " ")
		}
		if !strings.Contains(said, "all with y = 0") || strings.Contains(said, "seed") {
			t.Error(said)
		}
	}
}
