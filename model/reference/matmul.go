package reference

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// MatMul is matmul.comp without bias: C = op(A)·op(B), m×n, where op(A) is m×k and op(B) is k×n. a holds A row by
// row, m×k, or k×m when transA; b holds B row by row, k×n, or n×k when transB. It panics when a or b is too short.
func MatMul(transA, transB bool, m, n, k int, a, b []float64) []float64 {
	c := make([]float64, m*n)
	matMulAdd(transA, transB, m, n, k, a, b, c)
	return c
}

// matMulAdd is MatMul that adds to c.
func matMulAdd(transA, transB bool, m, n, k int, a, b, c []float64) {
	general := func(trans bool, rows, cols int, data []float64) (blas.Transpose, blas64.General) {
		op := blas.NoTrans
		if trans {
			op, rows, cols = blas.Trans, cols, rows
		}
		return op, blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: data[:rows*cols]}
	}
	opA, A := general(transA, m, k, a)
	opB, B := general(transB, k, n, b)
	blas64.Gemm(opA, opB, 1, A, B, 1, blas64.General{Rows: m, Cols: n, Stride: n, Data: c[:m*n]})
}
