package kernel

import "vklstm/gpu"

// LSTMCellForward is lstm_cell_forward.comp: one LSTM step after the matmuls. A masked step carries h and c forward,
// and its gates become 0.
type LSTMCellForward struct {
	Gates      f32 // gates[K][T][R][4H], blocks i|f|c|o: at Step pre-activations before, activations after
	Mask       u32 // mask[K][T][R], 1 = valid
	Hidden     f32 // h[K][T+1][R][H]: slot Step is read, slot Step+1 written
	Cell       f32 // c[K][T+1][R][H], as Hidden
	K, R, T, H int
	Step       int // in [0,T)
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k LSTMCellForward) Record(rec *gpu.Recording) {
	within("lstm_cell_forward", k.Step, 1, k.T)
	work(rec, 9*k.K*k.R*k.H, k.K*k.R*(2*4*k.H+4*k.H+1)) // three sigmoids, two tanh, three products, one sum
	rec.Dispatch("lstm_cell_forward", gpu.Threads(k.K*k.R*k.H), gpu.Push(k.K, k.R, k.T, k.H, k.Step),
		gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H), gpu.Read(k.Mask, k.K, k.T, k.R),
		gpu.ReadWrite(k.Hidden, k.K, k.T+1, k.R, k.H), gpu.ReadWrite(k.Cell, k.K, k.T+1, k.R, k.H))
}
