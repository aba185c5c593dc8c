package reference

// MatMulHalf is matmul_half.comp: aᵀ·b of operands rounded to float16, b times scale, of which the sum is freed. a is k×m, b is
// k×n.
func MatMulHalf(m, n, k int, a, b []float64, scale float64, mode HalfRounding) []float64 {
	return MatMul(true, false, m, n, k, halves(a, 1, mode), halves(b, scale, mode))
}

// halves rounds values to float16 times scale.
func halves(values []float64, scale float64, mode HalfRounding) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = RoundHalf(v*scale, mode) / scale
	}
	return out
}
