package kernel

import "vklstm/gpu"

// ActiveRows is active_rows.comp: for each model and step the rows whose step is valid, in order, and after them the others.
type ActiveRows struct {
	Mask    u32 // mask[K][T][R], 1 = valid
	Rows    u32 // rows[K][T][R]
	Count   u32 // count[K][T], valid rows
	K, R, T int
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ActiveRows) Record(rec *gpu.Recording) {
	rec.Dispatch("active_rows", gpu.Groups(k.K*k.T), gpu.Push(k.K*k.T, k.R),
		gpu.Read(k.Mask, k.K, k.T, k.R), gpu.Write(k.Rows, k.K, k.T, k.R), gpu.Write(k.Count, k.K, k.T))
}
