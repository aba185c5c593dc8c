package portable

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Sgemm starts goroutines of its own for a result of 4 tiles of 64 × 64 or more, which costs more than the products
// of a block take. So results are handed to it in parts of at most 64 × 192.
const (
	partRows    = 64
	partColumns = 192
)

// multiply adds a[m][k]·b[k][n] to c[m][n]. lda, ldb and ldc are the distances between rows.
func multiply(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	part(m, n, func(i, j, rows, columns int) {
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, rows, columns, k, 1, a[i*lda:], lda, b[j:], ldb, 1, c[i*ldc+j:], ldc)
	})
}

// multiplyTransposed adds a[m][k]·bᵀ to c[m][n], b[n][k]. gonum's inner product takes b's first elements one by one up
// to an address divisible by 16, which decides the order of its sum: b must lie in memory of floats, whose address is
// divisible by 16, or a run would not repeat itself.
func multiplyTransposed(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	part(m, n, func(i, j, rows, columns int) {
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.Trans, rows, columns, k, 1, a[i*lda:], lda, b[j*ldb:], ldb, 1, c[i*ldc+j:], ldc)
	})
}

// gradientRows is how many rows of both operands addGradient takes at a time: few enough to stay in the first cache.
const gradientRows = 16

// addGradient adds aᵀ·b to c[m][n], a[rows][m] and b[rows][n], all contiguous: the gradient of a kernel from its input a
// and the gradient b of its output.
func addGradient(rows, m, n int, a, b, c []float32) {
	for first := 0; first < rows; first += gradientRows {
		last := min(first+gradientRows, rows)
		for i := range m {
			row := c[i*n : (i+1)*n]
			for r := first; r < last; r++ {
				gonum.Implementation{}.Saxpy(n, a[r*m+i], b[r*n:(r+1)*n], 1, row, 1)
			}
		}
	}
}

// part calls f for parts of an m × n matrix: the first row and column, and how many.
func part(m, n int, f func(i, j, rows, columns int)) {
	for i := 0; i < m; i += partRows {
		columns := n
		if n > partColumns { // even parts, in whole vectors
			parts := (n + partColumns - 1) / partColumns
			columns = min(partColumns, ((n+parts-1)/parts+15)/16*16)
		}
		for j := 0; j < n; j += columns {
			f(i, j, min(partRows, m-i), min(columns, n-j))
		}
	}
}

// floats returns n zeros at an address divisible by 16.
func floats(n int) []float32 {
	a := make([]float32, n+4) // one more than can be skipped, so that n = 0 has an address too
	skip := 0
	for uintptr(unsafe.Pointer(&a[skip]))%16 != 0 {
		skip++
	}
	return a[skip : skip+n : skip+n]
}
