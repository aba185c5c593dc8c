package kernel

import "vklstm/gpu"

// SplitSum is split_sum.comp: the sum of the parts that a product over parts of its inner dimension left.
type SplitSum struct {
	Parts                f32 // part[K][Splits][Size]
	Out                  f32 // OutOffset + model·OutStride + [Size]
	K, Splits, Size      int
	Accumulate           bool // add to Out
	OutOffset, OutStride int  // elements
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k SplitSum) Record(rec *gpu.Recording) {
	work(rec, k.K*k.Splits*k.Size, k.K*k.Size*(k.Splits+1+int(word(k.Accumulate))))
	rec.DispatchWith([]uint32{word(k.Accumulate)}, "split_sum", gpu.Threads(k.K*k.Size),
		gpu.Push(k.K, k.Splits, k.Size, k.OutOffset, k.OutStride),
		gpu.Read(k.Parts, k.K, k.Splits, k.Size), gpu.ReadWrite(k.Out, span(k.OutOffset, k.K, k.OutStride, k.Size)))
}
