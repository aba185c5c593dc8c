package kernel

import "vklstm/gpu"

// Matmul is matmul.comp: C = op(A)·op(B), plus bias, plus what C held, for Models models. All matrices lie row by row
// without gaps; offsets are those of the first model, strides lead from model to model, both in elements. A stride of
// 0 gives all models the same matrix.
type Matmul struct {
	A          f32 // [M][Inner], with TransposeA [Inner][M]
	B          f32 // [Inner][N], with TransposeB [N][Inner]
	C          f32 // [M][N]
	BiasVector f32 // [N]; used with Bias only, and may be left out without

	M, N, Inner, Models    int
	TransposeA, TransposeB bool
	Accumulate             bool // add to C
	Bias                   bool // add BiasVector to each row

	OffsetA, StrideA, OffsetB, StrideB, OffsetC, StrideC, OffsetBias, StrideBias int
}

// matmulTile is the number of rows and columns of C that a workgroup computes.
const matmulTile = 32

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Matmul) Record(rec *gpu.Recording) {
	bias := gpu.Read(k.B) // something must be bound
	if k.Bias {
		bias = gpu.Read(k.BiasVector, span(k.OffsetBias, k.Models, k.StrideBias, k.N))
	}
	tiles := (k.M + matmulTile - 1) / matmulTile * ((k.N + matmulTile - 1) / matmulTile)
	rec.DispatchWith([]uint32{word(k.TransposeA), word(k.TransposeB), word(k.Accumulate), word(k.Bias)},
		"matmul", gpu.Groups(k.Models*tiles),
		gpu.Push(k.M, k.N, k.Inner, k.Models, k.OffsetA, k.StrideA, k.OffsetB, k.StrideB, k.OffsetC, k.StrideC, k.OffsetBias, k.StrideBias),
		gpu.Read(k.A, span(k.OffsetA, k.Models, k.StrideA, k.M*k.Inner)),
		gpu.Read(k.B, span(k.OffsetB, k.Models, k.StrideB, k.Inner*k.N)),
		bias, gpu.ReadWrite(k.C, span(k.OffsetC, k.Models, k.StrideC, k.M*k.N)))
}
