package kernel

import "vklstm/gpu"

// Dropout is dropout.comp: it drops units and scales the others; on gradients it is its own backward.
type Dropout struct {
	In                 f32 // InOffset + model·InStride + [R][H]
	Options            u32 // options[K][32]
	Schedule           u32 // schedule[S][K][4]
	Cursor             u32 // cursor[1]
	Out                f32 // out[K][R][H]
	K, R, H, S         int
	Row0               int // batch row of the first row
	InOffset, InStride int // elements
	Train              bool
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Dropout) Record(rec *gpu.Recording) {
	work(rec, k.K*k.R*k.H, 2*k.K*k.R*k.H)
	rec.Dispatch("dropout", gpu.Threads(k.K*k.R*k.H),
		gpu.Push(k.K, k.R, k.H, k.Row0, k.InOffset, k.InStride, word(k.Train)),
		gpu.Read(k.In, span(k.InOffset, k.K, k.InStride, k.R*k.H)), gpu.Read(k.Options, k.K, optionWords),
		gpu.Read(k.Schedule, k.S, k.K, scheduleWords), gpu.Read(k.Cursor, 1), gpu.Write(k.Out, k.K, k.R, k.H))
}
