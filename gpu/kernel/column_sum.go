package kernel

import "vklstm/gpu"

// ColumnSum is column_sum.comp: the sum of each column of A, the gradient of a bias.
type ColumnSum struct {
	A                    f32 // OffsetA + model·StrideA + [Rows][N]
	Out                  f32 // OutOffset + model·OutStride + [N]
	Parts                f32 // where many rows may leave partial sums, so that they fill a device: ColumnPartials elements; may be left out
	K, Rows, N           int
	Accumulate           bool // add to Out
	OffsetA, StrideA     int  // elements
	OutOffset, OutStride int
}

// columnSumBlock is the number of columns that a workgroup adds up, columnSumLanes that of rows it takes at a time.
const (
	columnSumBlock = 32
	columnSumLanes = 4
)

// planColumns cuts the rows into splits parts of span.
func planColumns(k, rows, n int) (splits, span int) {
	splits = min(max(1, rows/leastSpan), ceil(fillThreads/(columnSumBlock*columnSumLanes), k*ceil(n, columnSumBlock)))
	span = ceil(ceil(rows, splits), columnSumLanes) * columnSumLanes
	return ceil(rows, span), span
}

// ColumnPartials is the number of elements that Parts must have for sums of this size.
func ColumnPartials(k, rows, n int) int {
	if splits, _ := planColumns(k, rows, n); splits > 1 {
		return k * splits * n
	}
	return 0
}

// Record appends the dispatch to rec, or two where the sum is cut. It panics if a buffer is smaller than its shape.
func (k ColumnSum) Record(rec *gpu.Recording) {
	splits, length := planColumns(k.K, k.Rows, k.N)
	if k.Parts == (f32{}) {
		splits, length = 1, k.Rows
	}
	out, offset, stride, accumulate := k.Out, k.OutOffset, k.OutStride, k.Accumulate
	if splits > 1 {
		out, offset, stride, accumulate = k.Parts, 0, k.N, false
	}
	work(rec, k.K*k.Rows*k.N, k.K*k.N*(k.Rows+splits))
	rec.DispatchWith([]uint32{word(accumulate)}, "column_sum", gpu.Groups(k.K*splits*ceil(k.N, columnSumBlock)),
		gpu.Push(k.K, k.Rows, k.N, k.OffsetA, k.StrideA, offset, stride, splits, length),
		gpu.Read(k.A, span(k.OffsetA, k.K, k.StrideA, k.Rows*k.N)), gpu.ReadWrite(out, span(offset, k.K*splits, stride, k.N)))
	if splits > 1 {
		SplitSum{
			Parts: k.Parts, Out: k.Out, K: k.K, Splits: splits, Size: k.N, Accumulate: k.Accumulate, OutOffset: k.OutOffset, OutStride: k.OutStride,
		}.Record(rec)
	}
}
