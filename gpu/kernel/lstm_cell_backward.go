package kernel

import "vklstm/gpu"

// LSTMCellBackward is lstm_cell_backward.comp: one LSTM step of backpropagation through time. A masked step has dz = 0
// and passes DHidden and DCell on; elsewhere DHidden is left 0, for the matmul dz·recurrent_kernelᵀ to add to.
type LSTMCellBackward struct {
	Gates      f32 // gates[K][T][R][4H], blocks i|f|c|o: at Step activations before, dz after
	Mask       u32 // mask[K][T][R], 1 = valid
	Cell       f32 // c[K][T+1][R][H]
	DHidden    f32 // dh[K][R][H], in place
	DCell      f32 // dc[K][R][H], in place
	K, R, T, H int
	Step       int // in [0,T)
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k LSTMCellBackward) Record(rec *gpu.Recording) {
	within("lstm_cell_backward", k.Step, 1, k.T)
	work(rec, 24*k.K*k.R*k.H, k.K*k.R*(2*4*k.H+2*k.H+4*k.H+1)) // the factors of four gates, one tanh
	rec.Dispatch("lstm_cell_backward", gpu.Threads(k.K*k.R*k.H), gpu.Push(k.K, k.R, k.T, k.H, k.Step),
		gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H), gpu.Read(k.Mask, k.K, k.T, k.R),
		gpu.Read(k.Cell, k.K, k.T+1, k.R, k.H),
		gpu.ReadWrite(k.DHidden, k.K, k.R, k.H), gpu.ReadWrite(k.DCell, k.K, k.R, k.H))
}
