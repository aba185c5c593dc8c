package portable

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"vklstm/model"
	"vklstm/model/enginetest"
)

func newEngine(tb testing.TB, spec model.Spec, opts []model.Options, threads int) *Engine {
	tb.Helper()
	e, err := New(spec, opts, threads)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) {
	enginetest.Run(t, "cpu", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		return newEngine(t, spec, opts, 2)
	}, enginetest.Tolerances{})
}

func TestStacks(t *testing.T) {
	enginetest.Stacks(t, "cpu", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		return newEngine(t, spec, opts, 2)
	}, enginetest.Tolerances{})
}

func benchmarked(b *testing.B, spec model.Spec, opts []model.Options) model.Engine {
	return newEngine(b, spec, opts, 0)
}

func BenchmarkTrainStep(b *testing.B)  { enginetest.TrainStep(b, benchmarked) }
func BenchmarkTrainEpoch(b *testing.B) { enginetest.TrainEpoch(b, benchmarked) }
func BenchmarkTrainStack(b *testing.B) { enginetest.TrainStack(b, benchmarked) }
func BenchmarkSideBySide(b *testing.B) { enginetest.SideBySide(b, benchmarked) }
func BenchmarkPredict(b *testing.B)    { enginetest.Predict(b, benchmarked) }

var options = model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: 3,
	Augment: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}}

func TestAnyNumberOfThreadsGivesTheSameBits(t *testing.T) {
	enginetest.AnyThreads(t, func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine {
		return newEngine(t, spec, opts, threads)
	})
}

func TestNewRefuses(t *testing.T) {
	good := model.Classifier(5, 2, 4, 0.1, 3)
	bad := func(change func(o *model.Options)) []model.Options {
		o := []model.Options{options, options}
		change(&o[1])
		return o
	}
	for _, tc := range []struct {
		name    string
		spec    model.Spec
		opts    []model.Options
		threads int
		want    string
	}{
		{"no models", good, nil, 0, "no models"},
		{"threads", good, bad(func(*model.Options) {}), -1, "-1 threads"},
		{"units", model.Classifier(5, 2, 0, 0.1, 3), bad(func(*model.Options) {}), 0, "LSTM units"},
		{"size", model.Classifier(1<<24, 1<<20, 64, 0.1, 3), bad(func(*model.Options) {}), 0, "GiB"},
		{"loss", good, bad(func(o *model.Options) { o.Loss.Kind = "mse" }), 0, "model 1"},
		{"optimizer", good, bad(func(o *model.Options) { o.Optimizer.Beta1 = 1 }), 0, "model 1"},
		{"augmentation", good, bad(func(o *model.Options) { o.Augment.Noise = math.NaN() }), 0, "model 1"},
		{"scaling", good, bad(func(o *model.Options) { o.Scaling.Offset = []float32{1} }), 0, "model 1"},
		{"long warp", model.Classifier(30001, 1, 1, 0, 1), bad(func(*model.Options) {}), 0, "time-warped"},
	} {
		if e, err := New(tc.spec, tc.opts, tc.threads); err == nil || e != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	e := newEngine(t, good, []model.Options{options}, 0)
	plans := []model.Plan{{Train: []int32{0}, Batch: 1, LearningRate: []float64{1}}}
	if _, err := e.Epoch(t.Context(), plans); err == nil || !strings.Contains(err.Error(), "call Load") {
		t.Errorf("Epoch without windows: %v", err)
	}
	if _, _, err := e.Gradient(0, plans[0]); err == nil || !strings.Contains(err.Error(), "call Load") {
		t.Errorf("Gradient without windows: %v", err)
	}
	if err := e.Load(model.Windows{X: make([]float32, 3), Y: make([]float32, 1)}); !errors.Is(err, model.ErrShape) {
		t.Errorf("Load of a wrong shape: %v", err)
	}
	if s := e.String(); !strings.Contains(s, "CPU") || !strings.Contains(s, "4 units") {
		t.Errorf("the engine calls itself %q", s)
	}
}

// Working memory belongs to the blocks in flight: predicting many windows allocates their probabilities, and no more.
func TestPredictDoesNotGrow(t *testing.T) {
	spec := model.Classifier(10, 2, 16, 0, 4)
	e := newEngine(t, spec, []model.Options{options}, 2)
	const n = 200_000
	x := make([]float32, n*10*2)
	for i := range x {
		x[i] = float32(i % 7)
	}
	allocated := func(windows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := e.Predict(context.Background(), 0, x[:windows*20])
		runtime.ReadMemStats(&after)
		if err != nil || len(out) != windows {
			t.Fatalf("%d probabilities, %v", len(out), err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	for range 2 {
		allocated(2000) // the blocks
	}
	// 4 bytes for each window, and 100 for each block's closures.
	if got, most := allocated(n), uint64(4*n+100*n/blockRows+1<<20); got > most {
		t.Errorf("predicting %d windows allocated %d bytes; at most %d", n, got, most)
	}
}

// Products of small integers are exact, so indices show; sizes straddle the parts and the unrolled loops.
func TestProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(n int) []float32 {
		a := floats(n)
		for i := range a {
			a[i] = float32(rng.IntN(7) - 3)
		}
		return a
	}
	for _, s := range []struct{ m, n, k int }{{1, 1, 1}, {8, 256, 71}, {3, 5, 7}, {65, 193, 2}, {130, 400, 19}, {2, 192, 33}} {
		m, n, k := s.m, s.n, s.k
		lda, ldb, ldc := k+2, max(n, k)+3, n+1
		a, b, at := random(m*lda), random(max(n, k)*ldb), random(k*m)
		bt := random(k * n)
		c, d, g := random(m*ldc), random(m*ldc), random(m*n)
		wantC, wantD, wantG := append([]float32(nil), c...), append([]float32(nil), d...), append([]float32(nil), g...)
		for i := range m {
			for j := range n {
				for l := range k {
					wantC[i*ldc+j] += a[i*lda+l] * b[l*ldb+j]
					wantD[i*ldc+j] += a[i*lda+l] * b[j*ldb+l]
					wantG[i*n+j] += at[l*m+i] * bt[l*n+j]
				}
			}
		}
		multiply(m, n, k, a, lda, b, ldb, c, ldc)
		multiplyTransposed(m, n, k, a, lda, b, ldb, d, ldc)
		addGradient(k, m, n, at, bt, g)
		for _, v := range []struct {
			name      string
			got, want []float32
		}{{"multiply", c, wantC}, {"multiplyTransposed", d, wantD}, {"addGradient", g, wantG}} {
			for i := range v.got {
				if v.got[i] != v.want[i] {
					t.Fatalf("%s of %d × %d × %d: element %d is %v, want %v", v.name, m, n, k, i, v.got[i], v.want[i])
				}
			}
		}
	}
}

// multiplyTransposed sums in an order that depends on the address.
func TestFloatsLieAtMultiplesOf16(t *testing.T) {
	var all [][]float32 // as an engine's are, on the heap
	for n := range 200 {
		for range 10 {
			a := floats(n)
			all = append(all, a)
			if p := uintptr(unsafe.Pointer(unsafe.SliceData(a))); p%16 != 0 || len(a) != n || cap(a) != n {
				t.Fatalf("floats(%d) are %d (room for %d) at %#x", n, len(a), cap(a), p)
			}
		}
	}
	runtime.KeepAlive(all)
}
