package cpu

// What the engine shares with its substitute where there is no cgo: what they refuse, the windows that they read, and how
// threads share work.

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"vklstm/model"
	"vklstm/model/augment"
)

// maxThreads bounds the threads that a caller may ask for: each is one of the operating system's.
const maxThreads = 1024

// begin checks what New is handed, the options apart, and returns the sizes of spec and the number of threads, which is
// that of all cores for 0. The error says which layer or size is not supported.
func begin(spec model.Spec, opts []model.Options, threads int) (model.Chain, int, error) {
	c, err := spec.Chain()
	switch {
	case err != nil:
		return c, 0, err
	case len(opts) == 0:
		return c, 0, fmt.Errorf("cpu: no models; give options for at least one")
	case threads < 0 || threads > maxThreads:
		return c, 0, fmt.Errorf("cpu: %d threads; at least 1 and at most %d, or 0 for all cores", threads, maxThreads)
	case threads == 0:
		threads = min(runtime.GOMAXPROCS(0), maxThreads)
	}
	return c, threads, nil
}

// maxBlockBytes bounds the working memory of one thread.
const maxBlockBytes = 1 << 36

// fits returns an error when blocks of `rows` rows need more memory than a core is given: of each time step a direction keeps its
// input twice (where it comes from and beside h, or the gradient by it), h, the gates, the cell state and its tanh.
func fits(c model.Chain, rows int) error {
	width := 0.0
	for _, l := range c.LSTMs {
		width += float64(l.Directions()) * float64(2*l.In+8*l.Units+1)
	}
	if bytes := 4 * float64(rows) * float64(c.T) * width; bytes > maxBlockBytes {
		return fmt.Errorf("cpu: %d windows of %d × %d with %s need %.0f GiB on each core; at most %d are supported, take shorter windows or fewer units",
			rows, c.T, c.F, unitsOf(c), bytes/(1<<30), maxBlockBytes>>30)
	}
	return nil
}

// unitsOf says what the LSTM layers are: "64 units", or "2×64, 32 units" when the first has both directions.
func unitsOf(c model.Chain) string {
	var s []string
	for _, l := range c.LSTMs {
		if l.Bidirectional {
			s = append(s, fmt.Sprintf("2×%d", l.Units))
		} else {
			s = append(s, fmt.Sprint(l.Units))
		}
	}
	return strings.Join(s, ", ") + " units"
}

// tablesOf checks the options and returns the tables that augmentation needs for all of them. The error says which option
// is out of range, or that a window is too large to be time-warped.
func tablesOf(d model.Chain, opts []model.Options) (augment.Tables, error) {
	warp := 0.0
	for i, o := range opts {
		if err := o.Check(d.F, d.Classes); err != nil {
			return augment.Tables{}, fmt.Errorf("cpu: model %d: %w", i, err)
		}
		if o.Augment.Prob > 0 && o.Augment.Warp > 0 {
			if d.T > augment.MaxTimesteps {
				return augment.Tables{}, fmt.Errorf("cpu: model %d: windows of %d steps cannot be time-warped; at most %d", i, d.T, augment.MaxTimesteps)
			}
			warp = max(warp, o.Augment.Warp)
		}
	}
	return augment.NewTables(d.T, model.Augment{Warp: warp}), nil
}

// loadedWindows are the windows of T × F that an engine has loaded, where the caller has them.
type loadedWindows struct {
	T, F int
	model.Windows
	loaded bool
}

// put takes windows in place of those before. The error wraps model.ErrShape when there are not T·F values for each label;
// the windows before then stay.
func (d *loadedWindows) put(w model.Windows) error {
	if len(w.X) != len(w.Y)*d.size() {
		return fmt.Errorf("cpu: %d values in windows for %d labels of %d × %d: %w", len(w.X), len(w.Y), d.T, d.F, model.ErrShape)
	}
	d.Windows, d.loaded = w, true
	return nil
}

// forget lets go of the windows.
func (d *loadedWindows) forget() { d.Windows, d.loaded = model.Windows{}, false }

// size returns the number of values in a window.
func (d *loadedWindows) size() int { return d.T * d.F }

// window returns loaded window i.
func (d *loadedWindows) window(i int32) []float32 { return d.X[int(i)*d.size() : (int(i)+1)*d.size()] }

// check panics unless there is a fitting plan for each of the models, and returns an error when windows are named but none
// are loaded.
func (d *loadedWindows) check(plans []model.Plan, models int) error {
	if len(plans) != models {
		panic(fmt.Sprintf("cpu: %d plans for %d models", len(plans), models))
	}
	for _, p := range plans {
		if !d.loaded && len(p.Train)+len(p.Eval) > 0 {
			return fmt.Errorf("cpu: no windows loaded; call Load before Epoch or Gradient")
		}
		p.Check(len(d.Y))
	}
	return nil
}

// eachOn calls f for items 0 … n−1, begun in this order, on as many threads as there are workers and items.
func eachOn[W any](workers []W, n int, f func(w W, item int)) {
	if n <= 1 || len(workers) == 1 {
		for i := range n {
			f(workers[0], i)
		}
		return
	}
	var next atomic.Int64
	var done sync.WaitGroup
	for _, w := range workers[:min(n, len(workers))] {
		done.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(w, int(i))
			}
		})
	}
	done.Wait()
}
