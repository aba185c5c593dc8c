package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// quantiles is the length of augment.Tables.Quantile.
const quantiles = 1 << 15

// Augment is augment.comp: in training, noise, bounds and feature dropout on the windows that are varied in this
// epoch; always, missing cells become 0, and the mask is taken of what is left.
type Augment struct {
	X                u32 // x[K][T][R][F], bits of float32, NaN = missing; in place
	OrderWindow      u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	Options          u32 // options[K][32]
	Scaling          f32 // scaling[K][4][F]: offset, factor, low, high
	Quantile         f32 // augment.Tables.Quantile
	Cursor           u32 // cursor[1]
	Mask             u32 // mask[K][T][R], 1 = valid
	Present          u32 // present[K][R], 1 where a row has a window
	K, R, B, T, F, S int
	Row0             int // first of the R rows in B
	Train            bool
	Masked           bool // else all steps of a window are valid
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Augment) Record(rec *gpu.Recording) {
	within("augment", k.Row0, k.R, k.B)
	work(rec, 0, k.K*k.R*k.T*(2*k.F+1))
	rec.Dispatch("augment", gpu.Threads(k.K*k.R*k.T), gpu.Push(k.K, k.R, k.B, k.T, k.F, k.Row0, word(k.Train), word(k.Masked)),
		gpu.ReadWrite(k.X, k.K, k.T, k.R, k.F), gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.Options, k.K, words.Options),
		gpu.Read(k.Scaling, k.K, 4, k.F), gpu.Read(k.Quantile, quantiles), gpu.Read(k.Cursor, 1),
		gpu.Write(k.Mask, k.K, k.T, k.R), gpu.Write(k.Present, k.K, k.R))
}
