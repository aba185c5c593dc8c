package portable

import (
	"math/rand/v2"
	"runtime"
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

func TestAnyNumberOfThreadsGivesTheSameBits(t *testing.T) {
	enginetest.AnyThreads(t, func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine {
		return newEngine(t, spec, opts, threads)
	})
}

func TestNewRefuses(t *testing.T) {
	enginetest.HostRefuses(t, func(spec model.Spec, opts []model.Options, threads int) (model.Engine, error) {
		e, err := New(spec, opts, threads)
		if e == nil { // an interface that holds a nil engine is not nil
			return nil, err
		}
		return e, err
	})
}

func TestPredictDoesNotGrow(t *testing.T) {
	enginetest.HostPredictDoesNotGrow(t, func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine {
		return newEngine(t, spec, opts, threads)
	}, blockRows)
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
