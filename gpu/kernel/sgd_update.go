package kernel

import "vklstm/gpu"

// SGDUpdate is sgd_update.comp: one step p −= p·decay + α·clip·g, with the L2 penalty in g.
type SGDUpdate struct{ Update }

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k SGDUpdate) Record(rec *gpu.Recording) {
	work(rec, 4*k.K*k.P, 3*k.K*k.P)
	k.record(rec, "sgd_update")
}
