package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"vklstm/model"
)

// NewBench makes an engine for a benchmark. It ends the benchmark when it cannot.
type NewBench = func(b *testing.B, spec model.Spec, opts []model.Options) model.Engine

func benchEngine(b *testing.B, new NewBench, spec model.Spec, models int) model.Engine {
	b.Helper()
	var opts []model.Options
	loss := model.Focal()
	if c, err := spec.Chain(); err == nil && c.Classes > 1 {
		loss = model.Loss{Kind: model.CategoricalCrossentropy}
	}
	for k := range models {
		opts = append(opts, model.Options{Loss: loss, Optimizer: model.DefaultAdam(), Seed: uint64(k)})
	}
	e := new(b, spec, opts)
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	for k := range models {
		if err := e.SetState(k, spec.Init(uint64(k))); err != nil {
			b.Fatal(err)
		}
	}
	return e
}

// Peak is how many floating-point operations a second the device can do at most; a benchmark that is given one reports
// its share. nil: not known.
type Peak func() float64

// AllCores is the peak of all cores together, measured once: one runs on each at the same time.
func AllCores(one func() float64) Peak {
	return sync.OnceValue(func() float64 {
		rates := make([]float64, runtime.GOMAXPROCS(0))
		var wait sync.WaitGroup
		for i := range rates {
			wait.Go(func() { rates[i] = one() })
		}
		wait.Wait()
		sum := 0.0
		for _, r := range rates {
			sum += r
		}
		return sum
	})
}

// speed reports what ran: operations by wall time, or by device time where there is one, beside it, and the share of the
// peak. flop is of one iteration, and device the time of all.
func speed(b *testing.B, flop float64, device time.Duration, peak []Peak) {
	seconds := b.Elapsed().Seconds() / float64(b.N)
	if device > 0 {
		seconds = device.Seconds() / float64(b.N)
		b.ReportMetric(seconds*1e9, "gpu-ns/op")
	}
	b.ReportMetric(flop/seconds/1e9, "GFLOP/s")
	for _, p := range peak {
		if p != nil {
			if most := p(); most > 0 {
				b.ReportMetric(100*flop/seconds/most, "%peak")
			}
		}
	}
}

// pace is the least rate, in operations per second, that a benchmark of one engine has seen. What would take longer than
// patience at that rate is skipped: the shapes are made for devices a thousand times as fast as a software driver.
type pace float64

const patience = 20 * time.Second

func (p *pace) measure(flop float64, took time.Duration) {
	if rate := pace(flop / max(took.Seconds(), 1e-9)); *p == 0 || rate < *p {
		*p = rate
	}
}

func (p pace) check(b *testing.B, flop float64) {
	if p == 0 {
		return
	}
	if t := time.Duration(flop / float64(p) * 1e9); t > patience {
		b.Skipf("on this device it would take %v", t.Round(time.Second))
	}
}

// TrainStep times training steps at the shapes at which other frameworks were measured (the table of the design's
// section 3): ten steps in one epoch an iteration, a single one where a step is large.
func TrainStep(b *testing.B, new NewBench, peak ...Peak) {
	var p pace
	for _, s := range [][4]int{{32, 60, 6, 64}, {256, 60, 6, 64}, {1024, 60, 6, 64}, {4096, 60, 6, 64}, {64, 60, 51, 128},
		{256, 128, 64, 256}, {256, 128, 64, 512}, {128, 256, 128, 1024}} {
		batch, dims := s[0], model.Dims{T: s[1], F: s[2], H: s[3], D: 32}
		steps := 10
		if dims.TrainFlop(batch) > 1e10 {
			steps = 1
		}
		b.Run(fmt.Sprintf("B=%d/T=%d/F=%d/H=%d/steps=%d", batch, dims.T, dims.F, dims.H, steps), func(b *testing.B) {
			flop := float64(steps) * dims.TrainFlop(batch)
			p.check(b, 2*flop) // one to warm up
			rng := rand.New(rand.NewPCG(1, 2))
			e := benchEngine(b, new, model.Classifier(dims.T, dims.F, dims.H, 0.3, dims.D), 1)
			if err := e.Load(windows(rng, batch, dims.T, dims.F, false)); err != nil {
				b.Fatal(err)
			}
			var order []int32
			for range steps {
				order = append(order, shuffled(rng, batch)...)
			}
			plans := []model.Plan{plan(order, batch, 1e-3)}
			device := epochs(b, e, plans, flop, &p)
			speed(b, flop, device, peak)
		})
	}
}

// epochs runs an epoch to warm up, and then one an iteration; it returns the device's time of all of these.
func epochs(b *testing.B, e model.Engine, plans []model.Plan, flop float64, p *pace) time.Duration {
	run := func() time.Duration {
		out, err := e.Epoch(context.Background(), plans)
		if err != nil {
			b.Fatal(err)
		}
		return out[0].DeviceTime
	}
	run()
	start, device := time.Now(), time.Duration(0)
	for b.Loop() {
		device += run()
	}
	p.measure(flop*float64(b.N), time.Since(start))
	return device
}

// TrainEpoch times epochs of 1,000 windows (1,024 in batches of 1,024), dropout on, no augmentation: the work of the
// peers' figures. It reports windows per second.
func TrainEpoch(b *testing.B, new NewBench, peak ...Peak) {
	var p pace
	for _, tc := range []struct {
		B, T, F, H int
		masked     float64 // share of steps at a window's end, on average
		models     int
	}{
		{32, 60, 6, 64, 0, 1}, {32, 60, 6, 64, 0.25, 1}, {128, 60, 6, 64, 0, 1}, {1024, 60, 6, 64, 0, 1}, {32, 60, 6, 64, 0, 4}, {32, 60, 51, 128, 0, 1},
	} {
		name := fmt.Sprintf("B=%d/T=%d/F=%d/H=%d", tc.B, tc.T, tc.F, tc.H)
		if tc.masked > 0 {
			name += fmt.Sprintf("/masked=%.0f%%", 100*tc.masked)
		}
		if tc.models > 1 {
			name += fmt.Sprintf("/models=%d", tc.models)
		}
		b.Run(name, func(b *testing.B) {
			trainEpoch(b, new, model.Classifier(tc.T, tc.F, tc.H, 0.3, 32), tc.B, tc.models, tc.masked, &p, peak)
		})
	}
}

// TrainStack times the same epochs of networks with several LSTM layers, and with both directions.
func TrainStack(b *testing.B, new NewBench, peak ...Peak) {
	var p pace
	for _, tc := range []struct {
		name  string
		units []int
		both  bool
	}{
		{"H=64,64", []int{64, 64}, false}, {"H=64,32", []int{64, 32}, false}, {"H=2x64", []int{64}, true}, {"H=2x64,2x32", []int{64, 32}, true},
	} {
		b.Run("B=32/T=60/F=6/"+tc.name, func(b *testing.B) {
			trainEpoch(b, new, model.Stack(60, 6, tc.units, tc.both, 0.3, 32), 32, 1, 0, &p, peak)
		})
	}
}

// TrainChain times epochs of networks that people have: the relu stack of a tutorial on signs (30 × 126) beside the same one with tanh
// and with dropout or normalization between, and a network for UCI-HAR's 128 × 9.
func TrainChain(b *testing.B, new NewBench, peak ...Peak) {
	var p pace
	for _, tc := range []struct {
		name string
		t, f int
		network
	}{
		{"signs/relu", 30, 126, network{"lstm 64 relu, lstm 128 relu, lstm 64 relu, dense 64 relu, dense 32 relu", nil, 3}},
		{"signs/tanh", 30, 126, network{"lstm 64, lstm 128, lstm 64, dense 64 relu, dense 32 relu", nil, 3}},
		{"signs/dropout", 30, 126, network{"lstm 64, dropout 0.2, lstm 128, dropout 0.2, lstm 64, dropout 0.2, dense 64 relu, dense 32 relu", nil, 3}},
		{"signs/batchnorm", 30, 126, network{"lstm 64, batchnorm, lstm 128, batchnorm, lstm 64, batchnorm, dense 64 relu, dense 32 relu", nil, 3}},
		{"activities", 128, 9, network{"lstm 100, dropout 0.5, dense 100 relu", nil, 6}},
	} {
		b.Run("B=32/"+tc.name, func(b *testing.B) { trainEpoch(b, new, tc.spec(b, tc.t, tc.f), 32, 1, 0, &p, peak) })
	}
}

// trainEpoch times epochs of models of spec side by side.
func trainEpoch(b *testing.B, new NewBench, spec model.Spec, batch, models int, masked float64, p *pace, peak []Peak) {
	n := max(1000, batch)
	c, err := spec.Chain()
	if err != nil {
		b.Fatal(err)
	}
	flop := float64(models) * (1 - masked) * c.TrainFlop(n) // masked steps are no work
	p.check(b, 2*flop)
	e := benchEngine(b, new, spec, models)
	plans := benchPlans(b, e, c, n, batch, masked)
	device := epochs(b, e, plans, flop, p)
	speed(b, flop, device, peak)
	b.ReportMetric(float64(n*models*b.N)/b.Elapsed().Seconds(), "windows/s")
}

// benchPlans loads n windows, of which some steps are masked, and returns a plan for each model.
func benchPlans(b *testing.B, e model.Engine, c model.Chain, n, batch int, masked float64) []model.Plan {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	w := windows(rng, n, c.T, c.F, false)
	for i := range n {
		length := c.T - int(2*masked*float64(c.T)*rng.Float64())
		clear(w.X[(i*c.T+length)*c.F : (i+1)*c.T*c.F])
	}
	if err := e.Load(w); err != nil {
		b.Fatal(err)
	}
	var plans []model.Plan
	for range e.Models() {
		plans = append(plans, plan(shuffled(rng, n), batch, 1e-3))
	}
	return plans
}

// SideBySide times an epoch of five models in one engine, and in turn those of five engines of one model, one after the
// other. It reports the least of each, and the first as a share of the second: epochs are short, so that on a machine that
// others use too some of them run undisturbed.
func SideBySide(b *testing.B, new NewBench) {
	const models, n, batch = 5, 64, 32
	for _, tc := range []struct {
		name string
		spec model.Spec
	}{
		{"H=64", model.Classifier(60, 6, 64, 0.3, 32)}, {"H=2x64,2x32", model.Stack(60, 6, []int{64, 32}, true, 0.3, 32)},
	} {
		b.Run("B=32/T=60/F=6/"+tc.name, func(b *testing.B) {
			c, err := tc.spec.Chain()
			if err != nil {
				b.Fatal(err)
			}
			together := benchEngine(b, new, tc.spec, models)
			plans := benchPlans(b, together, c, n, batch, 0)
			var alone []model.Engine
			for range models {
				e := benchEngine(b, new, tc.spec, 1)
				benchPlans(b, e, c, n, batch, 0)
				alone = append(alone, e)
			}
			least := func(sofar *time.Duration, run func() error) {
				start := time.Now()
				if err := run(); err != nil {
					b.Fatal(err)
				}
				if took := time.Since(start); *sofar == 0 || took < *sofar {
					*sofar = took
				}
			}
			var one, five time.Duration
			for b.Loop() {
				least(&five, func() error {
					_, err := together.Epoch(context.Background(), plans)
					return err
				})
				least(&one, func() error {
					for k, e := range alone {
						if _, err := e.Epoch(context.Background(), plans[k:k+1]); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(five.Seconds()*1e3, "together-ms")
			b.ReportMetric(one.Seconds()*1e3, "alone-ms")
			b.ReportMetric(five.Seconds()/one.Seconds(), "together/alone")
		})
	}
}

// Predict times predictions of windows that come from the host. It reports windows per second.
func Predict(b *testing.B, new NewBench, peak ...Peak) {
	for _, n := range []int{1, 32, 1000, 1024} {
		b.Run(fmt.Sprintf("B=%d/T=60/F=6/H=64", n), func(b *testing.B) {
			e := benchEngine(b, new, model.Classifier(60, 6, 64, 0.3, 32), 1)
			x := windows(rand.New(rand.NewPCG(1, 2)), n, 60, 6, false).X
			if _, err := e.Predict(context.Background(), 0, x); err != nil { // warm up
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := e.Predict(context.Background(), 0, x); err != nil {
					b.Fatal(err)
				}
			}
			speed(b, model.Dims{T: 60, F: 6, H: 64, D: 32}.ForwardFlop(n), 0, peak)
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "windows/s")
		})
	}
}
