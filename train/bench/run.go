package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/device"
)

// Shape is the part of a Workload that names a result.
type Shape struct {
	Batch    int `json:"batch"`
	Time     int `json:"time"`
	Features int `json:"features"`
	Units    int `json:"units"`
	Windows  int `json:"windows"`
}

// Spread is the middle and the ends of several times.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Result is one line of the peers' script, ours or theirs. The first fields are the script's; what only this program
// knows follows.
type Result struct {
	Peer        string            `json:"peer"`
	Versions    map[string]string `json:"versions,omitempty"`
	Device      string            `json:"device"`
	Threads     int               `json:"threads"` // 0: not on the CPU
	Mask        string            `json:"mask"`
	Shape       Shape             `json:"shape"`
	StartS      float64           `json:"start_s,omitempty"` // from the program's start to the end of the first step
	Check       float64           `json:"check"`
	EpochS      Spread            `json:"epoch_s"`
	StepUS      float64           `json:"step_us"`
	Infer1US    float64           `json:"infer1_us"`
	Infer1000US float64           `json:"infer1000_us"`
	RSSMB       int64             `json:"rss_mb,omitempty"` // most memory that the process held
	Note        string            `json:"note"`             // the engine and its path
	Dropout     float64           `json:"dropout"`
	EpochFlop   float64           `json:"epoch_flop"`               // counted, masked steps left out
	EpochGPU    float64           `json:"epoch_device_s,omitempty"` // device time of the median epoch
	Load        float64           `json:"load,omitempty"`           // load average of the machine before the run
	PeakGFLOPS  float64           `json:"peak_gflops,omitempty"`
	PeakShare   float64           `json:"peak_share,omitempty"` // of the median epoch
}

const (
	checkSteps  = 10
	warmEpochs  = 2
	timedEpochs = 5
	inferMany   = 1000
)

// Run trains and predicts as the peers' script does, and returns its numbers. It leaves Peer, Versions, Device, Threads and
// the memory to the caller. started is when the program began.
func Run(ctx context.Context, factory device.Factory, w Workload, started time.Time) (Result, error) {
	var r Result
	t, err := newTrainer(factory, w)
	if err != nil {
		return r, err
	}
	e := t.e
	defer e.Close()
	if err := t.step(ctx); err != nil {
		return r, err
	}
	r.StartS = time.Since(started).Seconds()
	for range checkSteps - 1 {
		if err := t.step(ctx); err != nil {
			return r, err
		}
	}
	r.Mask, r.Dropout, r.Note = w.Mask, w.Dropout, e.String()
	r.Shape = Shape{w.Batch, w.Time, w.Features, w.Units, w.Windows}
	r.EpochFlop = w.TrainFlop(w.Windows) * t.data.Valid
	if r.Check, err = t.check(ctx); err != nil {
		return r, err
	}
	type epoch struct{ wall, device time.Duration }
	var times []epoch
	for i := range warmEpochs + timedEpochs {
		start := time.Now()
		device, err := t.epoch(ctx, i)
		if err != nil {
			return r, err
		}
		if i >= warmEpochs {
			times = append(times, epoch{time.Since(start), device})
		}
	}
	slices.SortFunc(times, func(a, b epoch) int { return int(a.wall - b.wall) })
	middle := times[len(times)/2]
	r.EpochS = Spread{middle.wall.Seconds(), times[0].wall.Seconds(), times[len(times)-1].wall.Seconds()}
	r.EpochGPU = middle.device.Seconds()
	if r.StepUS, err = medianUS(ctx, func() error { return t.step(ctx) }); err != nil {
		return r, err
	}
	predict := func(n int) (float64, error) {
		x := t.data.X[:min(n, w.Windows)*w.Time*w.Features]
		return medianUS(ctx, func() error { _, err := e.Predict(ctx, 0, x); return err })
	}
	if r.Infer1US, err = predict(1); err != nil {
		return r, err
	}
	r.Infer1000US, err = predict(inferMany)
	return r, err
}

// trainer takes steps and epochs with one engine.
type trainer struct {
	e      model.Engine
	w      Workload
	data   Data
	epochs int // that the engine was handed
}

// options are the peers': focal loss, Adam, no scaling, no augmentation.
func options() model.Options {
	return model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: 1}
}

// newTrainer makes an engine that has the workload's windows and initial parameters.
func newTrainer(factory device.Factory, w Workload) (*trainer, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	d := w.Data()
	e, err := factory(w.Spec(), []model.Options{options()})
	if err != nil {
		return nil, err
	}
	if err = e.Load(d.Windows); err == nil {
		err = e.SetState(0, d.Start)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return &trainer{e: e, w: w, data: d}, nil
}

// check is the mean probability of all windows.
func (t *trainer) check(ctx context.Context) (float64, error) {
	p, err := t.e.Predict(ctx, 0, t.data.X)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range p {
		sum += float64(v)
	}
	return sum / float64(len(p)), nil
}

// step trains on the first batch.
func (t *trainer) step(ctx context.Context) error {
	n := min(t.w.Batch, t.w.Windows)
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	_, err := t.run(ctx, order)
	return err
}

// epoch trains on all windows, shuffled, and returns the device's time.
func (t *trainer) epoch(ctx context.Context, number int) (time.Duration, error) {
	return t.run(ctx, train.Permutation(t.w.Windows, 0, number))
}

func (t *trainer) run(ctx context.Context, order []int32) (time.Duration, error) {
	p := model.Plan{Epoch: t.epochs, Train: order, Batch: t.w.Batch, Weight: make([]float32, len(order))}
	t.epochs++
	for i, k := range order {
		p.Weight[i] = t.data.Weight[k]
	}
	p.LearningRate = make([]float64, p.Steps())
	for i := range p.LearningRate {
		p.LearningRate[i] = 1e-3
	}
	out, err := t.e.Epoch(ctx, []model.Plan{p})
	if err != nil {
		return 0, err
	}
	if len(out) != 1 || out[0].Steps != p.Steps() {
		return 0, fmt.Errorf("bench: the engine took %d steps of %d", out[0].Steps, p.Steps())
	}
	return out[0].DeviceTime, nil
}

// budget is how long a median is taken over; five calls at least.
const budget = 700 * time.Millisecond

// medianUS returns the median time of one call in microseconds, after two that warm up.
func medianUS(ctx context.Context, f func() error) (float64, error) {
	var times []float64
	for sum, i := time.Duration(0), 0; sum < budget || len(times) < 5; i++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		if d := time.Since(start); i >= 2 {
			times = append(times, float64(d.Nanoseconds())/1e3)
			sum += d
		}
	}
	return median(times), nil
}

// median is Python's: the mean of the two in the middle of an even number.
func median(a []float64) float64 {
	a = slices.Clone(a)
	slices.Sort(a)
	n := len(a)
	return (a[(n-1)/2] + a[n/2]) / 2
}
