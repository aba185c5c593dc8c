package bench

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
)

// StepShapes are the shapes whose training step is measured: those of the table of other frameworks on an H100 in the
// project's design, smallest first.
func StepShapes() []Workload {
	var list []Workload
	for _, s := range [][4]int{ // B, T, F, H
		{32, 60, 6, 64}, {256, 60, 6, 64}, {1024, 60, 6, 64}, {4096, 60, 6, 64}, {64, 60, 51, 128}, {256, 128, 64, 256}, {256, 128, 64, 512}, {128, 256, 128, 1024},
	} {
		list = append(list, Workload{Batch: s[0], Time: s[1], Features: s[2], Units: s[3], Dense: 32, Windows: s[0], Mask: MaskNone, Dropout: 0.3})
	}
	return list
}

// Name is the shape of the workload's step as benchmarks write it.
func (w Workload) Name() string {
	return fmt.Sprintf("B=%d/T=%d/F=%d/H=%d", w.Batch, w.Time, w.Features, w.Units)
}

// Pace learns how fast a device is, so that what would take too long is left out and not begun.
type Pace struct {
	Budget time.Duration // most time of one row; 0: no limit
	rate   float64       // least operations per second of a row so far; 0: none yet
}

// measured notes a row.
func (p *Pace) measured(r Row) {
	if v := r.Flop / max(r.Wall.Seconds(), 1e-9); v > 0 && (p.rate == 0 || v < p.rate) {
		p.rate = v
	}
}

// tooLong says why n operations are not begun; "" when they may be.
func (p *Pace) tooLong(flop float64) string {
	if p.rate == 0 || p.Budget == 0 {
		return ""
	}
	t := time.Duration(flop / p.rate * 1e9)
	if t <= p.Budget {
		return ""
	}
	return fmt.Sprintf("would take %v", t.Round(time.Second))
}

// stepRuns is how many times a step is taken at least: once to warm up, twice to be measured.
const stepRuns = 3

// Step measures a training step as one of many: forward, dropout, weighted loss, backward and Adam, many times in an
// epoch of one batch, so that what an epoch costs once is not in it.
func Step(ctx context.Context, factory device.Factory, w Workload, pace *Pace) (Row, error) {
	row := Row{Group: "step", Name: w.Name(), Flop: w.TrainFlop(w.Batch)}
	if row.Skipped = pace.tooLong(stepRuns * row.Flop); row.Skipped != "" {
		return row, nil
	}
	t, err := newTrainer(factory, w)
	if err != nil {
		return row, err
	}
	defer t.e.Close()
	first, _, err := t.many(ctx, 1)
	if err == nil && first < time.Second {
		first, _, err = t.many(ctx, 1)
	}
	if err != nil {
		return row, err
	}
	n := int(max(1, min(500, 200*time.Millisecond/max(first, 1))))
	type run struct{ wall, device time.Duration }
	var runs []run
	for i, sum := 0, time.Duration(0); i < 2 || i < 7 && sum < time.Second; i++ {
		wall, device, err := t.many(ctx, n)
		if err != nil {
			return row, err
		}
		sum += wall
		runs = append(runs, run{wall, device})
	}
	slices.SortFunc(runs, func(a, b run) int { return int(a.wall - b.wall) })
	middle := runs[len(runs)/2]
	row.Wall, row.Device = middle.wall/time.Duration(n), middle.device/time.Duration(n)
	pace.measured(row)
	return row, nil
}

// many takes n steps on the workload's windows in one epoch, in their order, from the first again after the last. It
// returns the time of all, and what of it the device worked (0: not known).
func (t *trainer) many(ctx context.Context, n int) (wall, device time.Duration, err error) {
	order := make([]int32, n*t.w.Batch)
	for i := range order {
		order[i] = int32(i % t.w.Windows)
	}
	start := time.Now()
	device, err = t.run(ctx, order)
	return time.Since(start), device, err
}

// Predict measures the prediction of n windows that come from the host.
func Predict(ctx context.Context, factory device.Factory, w Workload, n int) (Row, error) {
	w.Windows = n
	row := Row{Group: "predict", Name: fmt.Sprintf("B=%d/T=%d/F=%d/H=%d", n, w.Time, w.Features, w.Units), Flop: w.ForwardFlop(n)}
	t, err := newTrainer(factory, w)
	if err != nil {
		return row, err
	}
	defer t.e.Close()
	us, err := medianUS(ctx, func() error { _, err := t.e.Predict(ctx, 0, t.data.X); return err })
	row.Wall = time.Duration(us * 1e3)
	return row, err
}

// Load measures how fast train.LoadNPZ reads windows from files of numpy's format in folder, where they are written and
// removed: as numpy.savez and numpy.savez_compressed write them. Bytes are those of the float32 windows.
func Load(ctx context.Context, folder string, w Workload) ([]Row, error) {
	d := w.Data()
	var rows []Row
	for _, kind := range []struct {
		name   string
		method uint16
	}{{"stored", zip.Store}, {"compressed", zip.Deflate}} {
		path := filepath.Join(folder, kind.name+".npz")
		if err := WriteNPZ(path, w, d, kind.method); err != nil {
			return rows, err
		}
		defer os.Remove(path)
		us, err := medianUS(ctx, func() error { _, err := data.LoadNPZ(path, data.Keys{}); return err })
		if err != nil {
			return rows, err
		}
		rows = append(rows, Row{Group: "load", Name: fmt.Sprintf("npz/%s/N=%d", kind.name, w.Windows), Wall: time.Duration(us * 1e3), Bytes: 4 * float64(len(d.X))})
	}
	return rows, nil
}

// WriteNPZ writes the windows and labels as numpy does, by a method of archive/zip.
func WriteNPZ(path string, w Workload, d Data, method uint16) error {
	return WriteRepeated(path, w, d, method, 1)
}

// WriteRepeated is WriteNPZ of n times the windows, one after the other, which takes no more memory.
func WriteRepeated(path string, w Workload, d Data, method uint16, n int) error {
	return files.Write(path, func(out io.Writer) error {
		return npz.WriteRepeated(out, method, n,
			npz.Array{Name: "X", Shape: []int{w.Windows, w.Time, w.Features}, Data: d.X}, npz.Array{Name: "y", Shape: []int{w.Windows}, Data: d.Y})
	})
}
