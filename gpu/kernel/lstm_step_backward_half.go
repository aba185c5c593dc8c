package kernel

import "vklstm/gpu"

// LSTMStepBackwardHalf is lstm_step_backward_half.comp: LSTMStepBackward with Half, on cooperative matrices.
// LSTMStepBackward.Record takes it where UsesMatrices says so.
type LSTMStepBackwardHalf LSTMStepBackward

// Record appends the dispatch to rec. It panics if the device has no such matrices, or a buffer is smaller than its shape.
func (k LSTMStepBackwardHalf) Record(rec *gpu.Recording) {
	within("lstm_step_backward_half", k.Step, 1, k.T)
	groups := func(rows, columns int) int { return k.K * ceil(k.R, rows) * ceil(k.H, columns) }
	p, ok := planHalf(rec.Limits(), groups)
	if !ok || k.P%4 != 0 || k.KernelOffset%4 != 0 {
		panic("kernel: lstm_step_backward_half: a shape or a device that it is not for")
	}
	LSTMStepBackward(k).work(rec)
	rec.DispatchWith(p.constants(), "lstm_step_backward_half", gpu.Groups(groups(p.rows(), p.columns())),
		LSTMStepBackward(k).push(), LSTMStepBackward(k).buffers(k.Scale)...)
}
