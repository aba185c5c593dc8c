package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// Loss is loss.comp: each row's probability, its weighted loss, and the gradient of the step's loss by its logit.
type Loss struct {
	Logit       f32 // logit[K][R]
	OrderWindow u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	OrderWeight f32 // order_weight[S][K][B]
	Label       f32 // label[N] of every window that OrderWindow names, 0 or 1
	Options     u32 // options[K][32]
	Schedule    u32 // schedule[S][K][4]
	Cursor      u32 // cursor[1]
	Probability f32 // out_probability[S][K][B], written at the cursor's step and the rows of this pass
	Loss        f32 // out_loss[S][K][B], weight · loss, as Probability
	DLogit      f32 // dlogit[K][R]
	K, R, B, S  int
	Row0        int // first of the R rows in B
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Loss) Record(rec *gpu.Recording) {
	within("loss", k.Row0, k.R, k.B)
	work(rec, 0, k.K*k.R*7)
	rec.Dispatch("loss", gpu.Threads(k.K*k.R), gpu.Push(k.K, k.R, k.B, k.Row0),
		gpu.Read(k.Logit, k.K, k.R), gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.OrderWeight, k.S, k.K, k.B),
		gpu.Read(k.Label), gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1),
		gpu.Write(k.Probability, k.S, k.K, k.B), gpu.Write(k.Loss, k.S, k.K, k.B), gpu.Write(k.DLogit, k.K, k.R))
}
