package reference

// Mask is mask.comp of a network that masks steps of the value 0: see MaskOf.
func Mask[E float32 | float64](x []E, f int) []bool { return MaskOf(x, f, 0) }

// MaskOf is mask.comp: it returns, for each step of f features in x, whether the step is used: true when any feature is neither value
// nor NaN. x is [n][T][F], the result [n][T].
func MaskOf[E float32 | float64](x []E, f int, value E) []bool {
	mask := make([]bool, len(x)/f)
	for i, v := range x {
		if v != value && v == v {
			mask[i/f] = true
		}
	}
	return mask
}
