//go:build cgo

package cpu

// #include "kernels.h"
import "C"

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"vklstm/model"
	"vklstm/model/augment"
)

// rowsOfBlock returns how many rows a block has: 8, and 16 where the kernels that a step reads are so large that reading them
// is what takes the time (512 units: 1.3 times as fast). Results depend on it, because gradients are added block by
// block, so it depends on the network alone.
func rowsOfBlock(c model.Chain) int {
	const large = 2 << 20 // bytes, as much as a core's own cache holds
	for i, l := range c.LSTMs {
		rows := l.Units
		if i > 0 {
			rows += l.In
		}
		if 16*l.Units*rows > large {
			return 16
		}
	}
	return 8
}

// Engine implements model.Engine on the CPU.
type Engine struct {
	isa       *C.vk_isa
	spec      model.Spec
	dims      model.Chain
	opts      []model.Options
	tables    augment.Tables
	nets      []*net
	data      loadedWindows
	used      []int32 // [N], steps of each window that are not masked
	workers   []*worker
	augmented []float32 // windows of the current run that its epoch moves or varies

	done *atomic.Int64 // steps of the current epoch, counted by C
	of   atomic.Int64
}

var _ model.Engine = (*Engine)(nil)

// worker is what one thread has for itself.
type worker struct {
	scratch memory
	inputs  []*augment.Input // of each model, made when first used
}

// New returns an engine for len(opts) models of spec side by side, all with zero parameters: SetState gives each its
// own. It uses the given number of threads, 0 meaning all cores; results do not depend on it. The error says which layer
// or size of spec is not supported, which option is out of range, or that a window is too large to be time-warped.
func New(spec model.Spec, opts []model.Options, threads int, settings ...Setting) (model.Engine, error) {
	e, err := newEngine(spec, opts, threads, settings...)
	if err != nil {
		return nil, err
	}
	return e, nil
}

func newEngine(spec model.Spec, opts []model.Options, threads int, settings ...Setting) (*Engine, error) {
	var s set
	for _, f := range settings {
		f(&s)
	}
	isa, err := isaByName(s.isa)
	if err != nil {
		return nil, err
	}
	d, threads, err := begin(spec, opts, threads)
	if err != nil {
		return nil, err
	}
	if err := fits(d, rowsOfBlock(d)); err != nil {
		return nil, err
	}
	e := &Engine{isa: isa, spec: spec, dims: d, opts: slices.Clone(opts), data: loadedWindows{T: d.T, F: d.F}, done: new(atomic.Int64)}
	if e.tables, err = tablesOf(d, opts); err != nil {
		return nil, err
	}
	for _, o := range opts {
		n, err := newNet(isa, spec, d, o)
		if err != nil {
			e.free()
			return nil, err
		}
		e.nets = append(e.nets, n)
	}
	for range threads {
		e.workers = append(e.workers, &worker{inputs: make([]*augment.Input, len(opts))})
	}
	// Memory of C is freed by Close; an engine that nobody closed is freed when it is collected.
	runtime.SetFinalizer(e, (*Engine).free)
	return e, nil
}

// String implements model.Engine.
func (e *Engine) String() string {
	threads := "threads"
	if len(e.workers) == 1 {
		threads = "thread"
	}
	return fmt.Sprintf("CPU (%s, %s) · %d %s · blocks of %d windows (%s, float32)",
		runtime.GOARCH, C.GoString(e.isa.name), len(e.workers), threads, rowsOfBlock(e.dims), unitsOf(e.dims))
}

// Models implements model.Engine.
func (e *Engine) Models() int { return len(e.opts) }

// Load implements model.Engine. The windows are read where they are, not copied. The error wraps model.ErrShape when
// there are not T·F values for each label; the windows loaded before then stay.
func (e *Engine) Load(w model.Windows) error {
	if err := e.data.put(w); err != nil {
		return err
	}
	e.used = make([]int32, len(w.Y))
	for i := range e.used {
		e.used[i] = e.usedSteps(e.data.window(int32(i)))
	}
	return nil
}

// usedSteps returns how many steps of a window are not masked.
func (e *Engine) usedSteps(x []float32) int32 {
	n := int32(0)
	for ; len(x) > 0; x = x[e.dims.F:] {
		if !e.dims.Masked || augment.Valid(x[:e.dims.F], e.dims.MaskValue) {
			n++
		}
	}
	return n
}

// State implements model.Engine; it returns no error.
func (e *Engine) State(k int) (*model.State, error) {
	defer runtime.KeepAlive(e)
	return e.nets[k].state(), nil
}

// SetState implements model.Engine.
func (e *Engine) SetState(k int, s *model.State) error {
	defer runtime.KeepAlive(e)
	n := e.nets[k]
	if err := s.Check(n.layout.Size); err != nil {
		return fmt.Errorf("cpu: model %d: %w", k, err)
	}
	n.setState(s)
	return nil
}

// Close implements model.Engine. It frees the models, the windows and the working memory, and returns no error. The
// engine cannot be used afterwards.
func (e *Engine) Close() error {
	runtime.SetFinalizer(e, nil)
	e.free()
	return nil
}

func (e *Engine) free() {
	for _, n := range e.nets {
		n.free()
	}
	for _, w := range e.workers {
		w.scratch.free()
		w.scratch = nil
	}
	e.data.forget()
	e.nets, e.used, e.augmented = nil, nil, nil
}

// input returns the worker's input for model k.
func (e *Engine) input(w *worker, k int) *augment.Input {
	if w.inputs[k] == nil {
		w.inputs[k] = augment.NewInput(e.dims, e.opts[k], e.tables)
	}
	return w.inputs[k]
}

// need makes room in n workers for blocks of `rows` rows.
func (e *Engine) need(rows int, train bool, threads int) error {
	n := e.nets[0].scratch(rows, train)
	for _, w := range e.workers[:threads] {
		if len(w.scratch) >= n {
			continue
		}
		w.scratch.free()
		w.scratch = nil
		m, err := allocate(n)
		if err != nil {
			return err
		}
		w.scratch = m
	}
	return nil
}
