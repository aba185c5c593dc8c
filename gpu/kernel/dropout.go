package kernel

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/shaders/words"
)

// Dropout is dropout.comp: it drops units and scales the others; on gradients it is its own backward. It may take a part of the
// columns of its input, its output or both: H units, of which the first is number Unit0 of those that are drawn for.
type Dropout struct {
	In                 f32 // InOffset + model·InStride + row·InPitch + [H]
	Options            u32 // options[K][32]
	Schedule           u32 // schedule[S][K][4]
	Cursor             u32 // cursor[1]
	Out                f32 // OutOffset + (model·R + row)·OutPitch + [H]
	K, R, H, S         int
	Row0               int // batch row of the first row
	Unit0              int
	InOffset, InStride int // elements
	InPitch            int // at least H
	OutOffset          int
	OutPitch           int // at least H
	Train              bool
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Dropout) Record(rec *gpu.Recording) {
	if k.InPitch < k.H || k.OutPitch < k.H {
		panic(fmt.Sprintf("kernel: dropout: rows of %d and %d elements for %d units", k.InPitch, k.OutPitch, k.H))
	}
	whole := func(pitch int) int { return (k.R-1)*pitch + k.H }
	work(rec, k.K*k.R*k.H, 2*k.K*k.R*k.H)
	rec.Dispatch("dropout", gpu.Threads(k.K*k.R*k.H),
		gpu.Push(k.K, k.R, k.H, k.Row0, k.Unit0, k.InOffset, k.InStride, k.InPitch, k.OutOffset, k.OutPitch, word(k.Train)),
		gpu.Read(k.In, span(k.InOffset, k.K, k.InStride, whole(k.InPitch))), gpu.Read(k.Options, k.K, words.Options),
		gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1), gpu.Write(k.Out, span(k.OutOffset, k.K, k.R*k.OutPitch, whole(k.OutPitch))))
}
