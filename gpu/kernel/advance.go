package kernel

import "vklstm/gpu"

// Advance is advance.comp: on to the epoch's next step.
type Advance struct {
	Cursor u32 // cursor[1], counted up
}

// Record appends the dispatch to rec.
func (k Advance) Record(rec *gpu.Recording) {
	rec.Dispatch("advance", gpu.Threads(1), gpu.PushData{}, gpu.ReadWrite(k.Cursor, 1))
}
