package bench

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"vklstm/model"
	"vklstm/train"
)

// Peak is the most that a device can do, for shares and rooflines. A zero is not known.
type Peak struct {
	GFLOPS float64 // float32, a multiplication and an addition counted as two
	GBs    float64 // of the memory
	About  string  // where the numbers come from
}

// PeakMeter is an engine that can measure how fast the cores which it computes on multiply and add: in operations per
// second, and how that was measured. Engines without such a loop have no peak, and their rates no share.
type PeakMeter interface {
	MeasurePeak() (flops float64, how string)
}

// meter finds the PeakMeter under the wrappers of an engine.
func meter(e model.Engine) (PeakMeter, bool) {
	for e != nil {
		if m, ok := e.(PeakMeter); ok {
			return m, true
		}
		w, ok := e.(interface{ Unwrap() model.Engine })
		if !ok {
			return nil, false
		}
		e = w.Unwrap()
	}
	return nil, false
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

// MeasureCPU measures the peak of the cores that the factory's CPU engine computes on, where the engine has a loop for
// it, and of the memory.
func MeasureCPU(factory train.EngineFactory) (Peak, error) {
	p := Peak{GBs: CopyBandwidth(), About: "memory measured by copying"}
	e, err := factory(model.Classifier(1, 1, 1, 0, 1), []model.Options{options()})
	if err != nil {
		return Peak{}, err
	}
	defer e.Close()
	if m, ok := meter(e); ok {
		flops, how := m.MeasurePeak()
		p.GFLOPS, p.About = flops/1e9, how+"; "+p.About
	}
	return p, nil
}
