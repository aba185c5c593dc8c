package vulkan

import (
	"slices"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
)

// stepBlock is the number of steps in the recording that long stretches are made of: a command buffer has a price of its own.
const stepBlock = 16

// stage is a network with the buffers of its pass and of its epochs, and what is recorded of them: what training, evaluation and
// prediction each have.
type stage struct {
	network
	pass
	lasting, epoch alloc // those of the pass, and those that are made anew when an epoch has more steps
	recordings     []*gpu.Recording
}

// open makes the pass of n on the engine's path.
func (st *stage) open(e *Engine, n network, train bool) error {
	st.network = n
	st.lasting.dev, st.epoch.dev = e.dev, e.dev
	st.pass = e.path.newPass(&st.network, &st.lasting, train)
	if err := st.lasting.err; err != nil {
		return err
	}
	rec := e.dev.NewRecording("start")
	defer rec.Free()
	if st.recordStart(rec); rec.Stats() == (gpu.Stats{}) {
		return nil
	}
	return rec.Run()
}

// lengthen makes room for epochs of that many steps. What was recorded is forgotten.
func (st *stage) lengthen(steps int) error {
	st.forget()
	st.epoch.free()
	st.batch = newBatch(&st.epoch, st.shape, st.chain.Classes, steps)
	st.epochBuffers(&st.epoch, steps)
	return st.epoch.err
}

// begin puts an epoch's order on the device.
func (st *stage) begin(o order) error {
	if err := st.arrange(o); err != nil {
		return err
	}
	return st.write(o)
}

// record makes a recording of parts, in order.
func (st *stage) record(name string, parts ...func(*gpu.Recording)) (*gpu.Recording, error) {
	rec := st.lasting.dev.NewRecording(name)
	st.recordings = append(st.recordings, rec)
	for _, part := range parts {
		part(rec)
	}
	return rec, rec.End()
}

// forget drops the recordings, because a buffer that they use goes away.
func (st *stage) forget() {
	for _, r := range st.recordings {
		r.Free()
	}
	st.recordings = nil
}

func (st *stage) free() {
	st.forget()
	st.epoch.free()
	st.lasting.free()
}

// workspace is what training epochs of one batch size share.
type workspace struct {
	stage
	input    *gpu.Recording // of the next ahead() steps; none where each step makes its own
	gradient *gpu.Recording // of one step
	step     *gpu.Recording // gradient, update, and on to the next step
	block    *gpu.Recording // stepBlock of them, where input is prepared ahead: such steps are short
	prepared int            // the step of this epoch up to which input was made ahead
	perStep  time.Duration  // device time of a step, 0: not yet known
}

// evaluation is what evaluations of one batch size share. Its batches are as large as memory likes, whatever training's are.
type evaluation struct {
	stage
	run    *gpu.Recording // forward of one batch, no dropout, no augmentation
	perRun time.Duration
}

// prepare returns a workspace for batches of up to b windows and epochs of up to s steps.
func (e *Engine) prepare(b, s int) (*workspace, error) {
	want, err := e.shapeFor(b)
	if err != nil {
		return nil, err
	}
	w := e.train
	if w == nil || w.shape != want {
		if w != nil {
			w.free()
		}
		w, e.train = &workspace{}, nil
		err = w.open(e, e.network(want), true)
	}
	if err == nil && s > w.batch.steps {
		err = w.lengthen(s)
	}
	if err != nil {
		w.free()
		e.train = nil
		return nil, err
	}
	e.train = w
	if len(w.recordings) == 0 {
		if err := w.recordAll(); err != nil {
			w.forget()
			return nil, err
		}
	}
	return w, nil
}

// recordAll makes the workspace's recordings.
func (w *workspace) recordAll() (err error) {
	if w.gradient, err = w.record("gradient", w.recordGradient); err != nil {
		return err
	}
	if w.step, err = w.record("step", w.recordStep); err != nil || w.ahead() == 0 {
		return err
	}
	if w.input, err = w.record("input", w.recordAhead); err != nil {
		return err
	}
	w.block, err = w.record("steps", slices.Repeat([]func(*gpu.Recording){w.recordStep}, stepBlock)...)
	return err
}

// prepareEval returns the evaluation of lists of up to n windows.
func (e *Engine) prepareEval(n int) (*evaluation, error) {
	want, err := e.path.planEvaluation(len(e.opts), n, e.evalLimit, e.trained())
	if err != nil {
		return nil, err
	}
	v := e.evals
	if v == nil || v.B < want.B {
		if v != nil {
			v.free()
		}
		v, e.evals = &evaluation{}, nil
		net := e.network(want)
		v.lasting.dev = e.dev
		net.cursor = v.lasting.words("evaluate.cursor", 1)
		err = v.open(e, net, false)
	}
	if s := ceil(n, v.B); err == nil && s > v.batch.steps {
		err = v.lengthen(s)
	}
	if err != nil {
		v.free()
		e.evals = nil
		return nil, err
	}
	e.evals = v
	if len(v.recordings) == 0 {
		if v.run, err = v.record("evaluate", v.recordEvaluation, kernel.Advance{Cursor: v.cursor}.Record); err != nil {
			v.forget()
			return nil, err
		}
	}
	return v, nil
}
