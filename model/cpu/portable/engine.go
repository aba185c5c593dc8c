package portable

import (
	"fmt"
	"runtime"
	"slices"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/cpu/internal/host"
	"vklstm/model/philox"
)

// Engine implements model.Engine on the CPU.
type Engine struct {
	model.StepCount
	dims    model.Chain
	opts    []model.Options
	layout  model.Layout
	tables  augment.Tables
	drop    []dropout // of each model; time is set by the step
	states  []*model.State
	grads   [][]float32 // [k][P], of the step at hand
	data    host.Data
	workers []*worker
}

var _ model.Engine = (*Engine)(nil)

// worker is what one thread has for itself; each part is made when first used.
type worker struct {
	train  *block           // for training steps
	single *block           // for predicting one row
	infer  *block           // for predicting and evaluating blocks of rows
	inputs []*augment.Input // of each model
	grad   []float32        // [P], of the block at hand
}

// New returns an engine for len(opts) models of spec side by side, all with zero parameters: SetState gives each its
// own. It uses the given number of threads, 0 meaning all cores; results do not depend on it. The error says which layer
// or size of spec is not supported, which option is out of range, or that a window is too large to be time-warped.
func New(spec model.Spec, opts []model.Options, threads int) (*Engine, error) {
	d, threads, err := host.Begin(spec, opts, threads)
	if err != nil {
		return nil, err
	}
	if err := host.Fits(d, blockRows); err != nil {
		return nil, err
	}
	e := &Engine{dims: d, opts: slices.Clone(opts), data: host.Data{T: d.T, F: d.F}, layout: spec.Layout()}
	if e.tables, err = host.Tables(d, opts); err != nil {
		return nil, err
	}
	for _, o := range opts {
		e.drop = append(e.drop, dropout{key: philox.Key(o.Seed), threshold: philox.Below(spec.Rate()), scale: float32(1 / (1 - spec.Rate()))})
		e.states = append(e.states, &model.State{Params: floats(e.layout.Size), M: floats(e.layout.Size), V: floats(e.layout.Size)})
		e.grads = append(e.grads, floats(e.layout.Size))
	}
	for range threads {
		e.workers = append(e.workers, &worker{inputs: make([]*augment.Input, len(opts))})
	}
	return e, nil
}

// String implements model.Engine.
func (e *Engine) String() string {
	threads := "threads"
	if len(e.workers) == 1 {
		threads = "thread"
	}
	return fmt.Sprintf("CPU (%s, pure Go: built without cgo, much slower than with it) · %d %s · blocks of %d windows (%s, float32)",
		runtime.GOARCH, len(e.workers), threads, blockRows, host.Units(e.dims))
}

// Models implements model.Engine.
func (e *Engine) Models() int { return len(e.opts) }

// Load implements model.Engine. The windows are read where they are, not copied. The error wraps model.ErrShape when
// there are not T·F values for each label; the windows loaded before then stay.
func (e *Engine) Load(w model.Windows) error { return e.data.Put(w) }

// State implements model.Engine; it returns no error.
func (e *Engine) State(k int) (*model.State, error) { return e.states[k].Clone(), nil }

// SetState implements model.Engine.
func (e *Engine) SetState(k int, s *model.State) error {
	if err := s.Check(e.layout.Size); err != nil {
		return fmt.Errorf("cpu: model %d: %w", k, err)
	}
	own := e.states[k] // keeps its memory, which multiplyTransposed relies on
	copy(own.Params, s.Params)
	copy(own.M, s.M)
	copy(own.V, s.V)
	own.Step = s.Step
	return nil
}

// Close implements model.Engine. It lets go of the windows and the working memory, and returns no error.
func (e *Engine) Close() error {
	e.data.Forget()
	for _, w := range e.workers {
		*w = worker{inputs: make([]*augment.Input, len(e.opts))}
	}
	return nil
}

// input returns the worker's input for model k.
func (e *Engine) input(w *worker, k int) *augment.Input {
	if w.inputs[k] == nil {
		w.inputs[k] = augment.NewInput(e.dims.T, e.dims.F, e.opts[k], e.tables)
	}
	return w.inputs[k]
}
