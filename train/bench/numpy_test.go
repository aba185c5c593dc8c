package bench

import "testing"

// What numpy 2.4.6 gives for r = np.random.default_rng(0): r.uniform(.1, 1, 3), r.integers(30, 61, 7), r.random(2),
// r.integers(5, 9, 3), in this order, so that the half draw which integers leaves over is kept across doubles.
func TestNumpy(t *testing.T) {
	r := newPCG64(0)
	for i, want := range []float64{0x1.58b6420fbb2aep-1, 0x1.5f09124b70a9cp-2, 0x1.185288c30430fp-3} {
		if got := r.uniform(0.1, 1); got != want {
			t.Errorf("uniform %d: got %x, want %x", i, got, want)
		}
	}
	for i, want := range []int{32, 30, 35, 55, 50, 58, 45} {
		if got := r.integer(30, 61); got != want {
			t.Errorf("integers(30, 61) %d: got %d, want %d", i, got, want)
		}
	}
	for i, want := range []float64{0.7294965609839984, 0.5436249914654229} {
		if got := r.random(); got != want {
			t.Errorf("random %d: got %v, want %v", i, got, want)
		}
	}
	for i, want := range []int{7, 7, 8} {
		if got := r.integer(5, 9); got != want {
			t.Errorf("integers(5, 9) %d: got %d, want %d", i, got, want)
		}
	}
}

// r.integers(3, 3+n) with n = 3·2³⁰ rejects a quarter of the draws.
func TestNumpyRejects(t *testing.T) {
	r := newPCG64(7)
	for i, want := range wantRejecting {
		if got := r.integer(3, 3+3<<30); got != want {
			t.Errorf("%d: got %d, want %d", i, got, want)
		}
	}
}

var wantRejecting = []int{3043751915, 2013573441, 2203897842, 1862810380, 2498658506, 2685377908, 725443139, 178879734, 966903285, 2813912612, 16960735, 1609925928}
