package kernel

import "vklstm/gpu"

// ColumnSum is column_sum.comp: the sum of each column of A, the gradient of a bias.
type ColumnSum struct {
	A                    f32 // OffsetA + model·StrideA + [Rows][N]
	Out                  f32 // OutOffset + model·OutStride + [N]
	K, Rows, N           int
	Accumulate           bool // add to Out
	OffsetA, StrideA     int  // elements
	OutOffset, OutStride int
}

// columnSumBlock is the number of columns that a workgroup adds up.
const columnSumBlock = 16

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ColumnSum) Record(rec *gpu.Recording) {
	rec.DispatchWith([]uint32{word(k.Accumulate)}, "column_sum", gpu.Groups(k.K*((k.N+columnSumBlock-1)/columnSumBlock)),
		gpu.Push(k.K, k.Rows, k.N, k.OffsetA, k.StrideA, k.OutOffset, k.OutStride),
		gpu.Read(k.A, span(k.OffsetA, k.K, k.StrideA, k.Rows*k.N)), gpu.ReadWrite(k.Out, span(k.OutOffset, k.K, k.OutStride, k.N)))
}
