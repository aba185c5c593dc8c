package kernel

import "vklstm/gpu"

// LSTMStepForwardHalf is lstm_step_forward_half.comp: LSTMStepForward with Half, on cooperative matrices.
// LSTMStepForward.Record takes it where UsesMatrices says so.
type LSTMStepForwardHalf LSTMStepForward

// Record appends the dispatch to rec. It panics if the device has no such matrices, or a buffer is smaller than its shape.
func (k LSTMStepForwardHalf) Record(rec *gpu.Recording) {
	within("lstm_step_forward_half", k.Step, 1, k.T)
	groups := func(rows, columns int) int { return k.K * ceil(k.R, rows) * ceil(k.H, columns/4) }
	p, ok := planHalf(rec.Limits(), groups)
	if !ok || k.H%4 != 0 || k.P%4 != 0 || k.KernelOffset%4 != 0 {
		panic("kernel: lstm_step_forward_half: a shape or a device that it is not for")
	}
	LSTMStepForward(k).work(rec)
	rec.DispatchWith(p.constants(), "lstm_step_forward_half", gpu.Groups(groups(p.rows(), p.columns())),
		LSTMStepForward(k).push(), LSTMStepForward(k).buffers()...)
}
