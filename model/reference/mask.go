package reference

// Mask is mask.comp: it returns, for each step of f features in x, whether the step is used: true when any feature is
// neither ±0 nor NaN. x is [n][T][F], the result [n][T].
func Mask[E float32 | float64](x []E, f int) []bool {
	mask := make([]bool, len(x)/f)
	for i, v := range x {
		if v != 0 && v == v {
			mask[i/f] = true
		}
	}
	return mask
}
