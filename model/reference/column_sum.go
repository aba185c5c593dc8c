package reference

// ColumnSum is column_sum.comp: the sum over the rows of a[rows][n], the gradient of a bias.
func ColumnSum(a []float64, n int) []float64 {
	sum := make([]float64, n)
	for i, v := range a {
		sum[i%n] += v
	}
	return sum
}
