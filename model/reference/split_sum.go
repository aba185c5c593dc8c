package reference

// SplitSum is split_sum.comp: the sum over s of part[s][size].
func SplitSum(part []float64, size int) []float64 { return ColumnSum(part, size) }
