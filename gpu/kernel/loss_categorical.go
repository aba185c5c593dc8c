package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// LossCategorical is loss_categorical.comp: each row's probabilities, its weighted loss, and the gradient of the step's loss by its logits.
type LossCategorical struct {
	Logit         f32 // logit[K][R][C]
	OrderWindow   u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	OrderWeight   f32 // order_weight[S][K][B]
	Label         f32 // label[N] of every window that OrderWindow names, 0 … C − 1
	Options       u32 // options[K][32]
	Schedule      u32 // schedule[S][K][4]
	Cursor        u32 // cursor[1]
	Alphas        f32 // alphas[K][C], of the focal loss
	Probability   f32 // out_probability[S][K][B][C], written at the cursor's step and the rows of this pass
	Loss          f32 // out_loss[S][K][B], weight · loss, as Probability
	DLogit        f32 // dlogit[K][R][C]
	K, R, B, C, S int
	Row0          int // first of the R rows in B
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k LossCategorical) Record(rec *gpu.Recording) {
	within("loss_categorical", k.Row0, k.R, k.B)
	work(rec, 0, k.K*k.R*(3*k.C+4))
	rec.Dispatch("loss_categorical", gpu.Threads(k.K*k.R), gpu.Push(k.K, k.R, k.B, k.C, k.Row0),
		gpu.Read(k.Logit, k.K, k.R, k.C), gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.OrderWeight, k.S, k.K, k.B),
		gpu.Read(k.Label), gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1),
		gpu.Read(k.Alphas, k.K, k.C), gpu.ReadWrite(k.Probability, k.S, k.K, k.B, k.C), gpu.Write(k.Loss, k.S, k.K, k.B),
		gpu.ReadWrite(k.DLogit, k.K, k.R, k.C))
}
