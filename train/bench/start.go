package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/device"
)

// Phases are when a program that trains reached a point, since it began.
type Phases struct {
	Main   time.Duration `json:"main"`   // main began: the system had loaded the program, and its packages were initialised
	Device time.Duration `json:"device"` // the device was open
	Data   time.Duration `json:"data"`   // the windows were read, divided and checked, and the initial weights drawn
	Ready  time.Duration `json:"ready"`  // the engine had the windows and the weights
	Step   time.Duration `json:"step"`   // the first training step had ended
}

// FirstStep trains on a file as train.LSTM does by default, stops after the first step, and says when it got where. The
// process should end then: what trained is left as it is.
// began is when the process did, and main when main began.
func FirstStep(ctx context.Context, want, path string, threads int, began, main time.Time) (Phases, error) {
	p := Phases{Main: main.Sub(began)}
	d, err := device.Open(want)
	if err != nil {
		return p, err
	}
	d.Threads = threads
	p.Device = time.Since(began)
	cfg := train.DefaultConfig()
	cfg.Data, cfg.HistoryDir, cfg.PlotDir, cfg.Log, cfg.Out = path, "", "", nil, nil
	stepped := make(chan error, 2)
	cfg.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		p.Data = time.Since(began)
		e, err := d.NewEngine(spec, opts)
		return firstStep{e, func() { p.Ready = time.Since(began) }, func(err error) {
			p.Step = time.Since(began)
			stepped <- err
		}}, err
	}
	go func() {
		_, err := train.LSTM(ctx, cfg)
		stepped <- err // after the step, which is heard first, unless there was an error before
	}()
	err = <-stepped
	return p, err
}

// firstStep is an engine whose first epoch is one step.
type firstStep struct {
	model.Engine
	ready func()
	done  func(error)
}

// Epoch takes the first step and never returns: the process ends when it hears of it.
func (e firstStep) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	e.ready()
	p := &plans[0]
	n := min(p.Batch, len(p.Train))
	p.Train, p.LearningRate, p.Eval = p.Train[:n], p.LearningRate[:1], nil
	if p.Weight != nil {
		p.Weight = p.Weight[:n]
	}
	_, err := e.Engine.Epoch(ctx, plans)
	e.done(err)
	select {}
}

// startRuns is how often Start runs the program; the median run counts.
const startRuns = 7

// Start runs a program (this one), given the arguments that make it call FirstStep on a file of the workload's windows
// and print the Phases, and returns the time of each phase and of the whole as the system sees it.
func Start(ctx context.Context, program string, arguments func(file string) []string, folder string, w Workload) ([]Row, error) {
	path := filepath.Join(folder, "start.npz")
	if err := WriteNPZ(path, w, w.Data(), zip.Store); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	var runs [6][]float64 // main, device, data, ready, step, whole
	for range startRuns {
		c := exec.CommandContext(ctx, program, arguments(path)...)
		var errout bytes.Buffer
		c.Stderr = &errout
		began := time.Now()
		out, err := c.Output()
		whole := time.Since(began)
		var p Phases
		if err == nil {
			err = json.Unmarshal(out, &p)
		}
		if err != nil {
			return nil, fmt.Errorf("bench: run %s until its first step: %w: %s", program, err, bytes.TrimSpace(errout.Bytes()))
		}
		for i, t := range []time.Duration{p.Main, p.Device - p.Main, p.Data - p.Device, p.Ready - p.Data, p.Step - p.Ready, whole} {
			runs[i] = append(runs[i], float64(t))
		}
	}
	var rows []Row
	for i, name := range []string{"load the program", "open the device", fmt.Sprintf("read %d windows", w.Windows), "make the engine", "first step", "all, seen from outside"} {
		rows = append(rows, Row{Group: "start", Name: name, Wall: time.Duration(median(runs[i]))})
	}
	return rows, nil
}
