package bench

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"vklstm/model/cpu"
)

// Peak is the most that a device can do, for shares and rooflines. A zero is not known.
type Peak struct {
	GFLOPS float64 // float32, a multiplication and an addition counted as two
	Half   float64 // GFLOP/s of products of float16 added up in float32, on matrix units
	GBs    float64 // of the memory
	About  string  // where the numbers come from
}

// CopyBandwidth measures the memory: the bytes read and written per second, in GB/s, when each of Go's threads copies
// between two arrays of its own of 64 MiB; the best of several rounds.
func CopyBandwidth() float64 {
	const size, rounds = 64 << 20, 5
	threads := runtime.GOMAXPROCS(0)
	from, to := make([][]byte, threads), make([][]byte, threads)
	for i := range from {
		from[i], to[i] = make([]byte, size), make([]byte, size)
		for j := range from[i] {
			from[i][j] = 1 // pages that were never written may all be one
		}
	}
	var times []float64
	for range rounds + 1 {
		var wait sync.WaitGroup
		start := time.Now()
		for i := range from {
			wait.Go(func() { copy(to[i], from[i]) })
		}
		wait.Wait()
		times = append(times, time.Since(start).Seconds())
	}
	return float64(threads) * 2 * size / slices.Min(times[1:]) / 1e9
}

// MeasureCPU measures the peak of as many cores as Go uses threads: operations by a loop of multiplications and additions
// on registers, on all at once, where the engine has one (it needs cgo), and the memory by copying.
func MeasureCPU() Peak {
	threads := runtime.GOMAXPROCS(0)
	best := 0.0
	for range 3 {
		sums := make([]float64, threads)
		var wait sync.WaitGroup
		for i := range sums {
			wait.Go(func() { sums[i] = cpu.Peak() })
		}
		wait.Wait()
		sum := 0.0
		for _, s := range sums {
			sum += s
		}
		best = max(best, sum)
	}
	p := Peak{GFLOPS: best / 1e9, GBs: CopyBandwidth()}
	p.About = fmt.Sprintf("measured on %d threads at once, on registers and by copying", threads)
	if p.GFLOPS == 0 {
		p.About = fmt.Sprintf("measured on %d threads at once, by copying", threads)
	}
	return p
}
