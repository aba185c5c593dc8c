package kernel

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/shaders/words"
)

// Dropout is dropout.comp: it drops units and scales the others; on gradients it is its own backward. It may take a part of the
// columns of its input, its output or both: H units, of which the first is number Unit0 of the W that are drawn for. Without Below
// it copies.
type Dropout struct {
	In                 f32 // InOffset + model·InStride + (step·R + row)·InPitch + [H]
	Options            u32 // options[K][32]
	Schedule           u32 // schedule[S][K][4]
	Cursor             u32 // cursor[1]
	Out                f32 // OutOffset + ((model·T + step)·R + row)·OutPitch + [H]
	K, T, R, H, W, S   int // T: time steps, 1 where a window has one vector
	Row0               int // batch row of the first row
	Unit0              int
	InOffset, InStride int // elements
	InPitch            int // at least H
	OutOffset          int
	OutPitch           int     // at least H
	Below              uint32  // a unit is dropped when its word>>8 is below: philox.Below(rate)
	Scale              float32 // of what is kept: 1/(1 − rate); without Below 1
	Layer              int     // how many Dropout layers come before it, by which it draws
	Reverse            bool    // the input's time steps are taken from the last to the first
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Dropout) Record(rec *gpu.Recording) {
	if k.InPitch < k.H || k.OutPitch < k.H || k.Unit0+k.H > k.W {
		panic(fmt.Sprintf("kernel: dropout: rows of %d and %d elements for units %d to %d of %d", k.InPitch, k.OutPitch, k.Unit0, k.Unit0+k.H, k.W))
	}
	rows := k.T * k.R
	whole := func(pitch int) int { return (rows-1)*pitch + k.H }
	work(rec, k.K*rows*k.H, 2*k.K*rows*k.H)
	rec.Dispatch("dropout", gpu.Threads(k.K*rows*k.H),
		gpu.Push(k.K, k.T, k.R, k.H, k.W, k.Row0, k.Unit0, k.InOffset, k.InStride, k.InPitch, k.OutOffset, k.OutPitch,
			k.Below, k.Layer, word(k.Reverse), k.Scale),
		gpu.Read(k.In, span(k.InOffset, k.K, k.InStride, whole(k.InPitch))), gpu.Read(k.Options, k.K, words.Options),
		gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1), gpu.Write(k.Out, span(k.OutOffset, k.K, rows*k.OutPitch, whole(k.OutPitch))))
}
