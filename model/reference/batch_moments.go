package reference

// keep is what Keras adds to the number of used rows before it divides by it.
const keep = 1e-7

// Moments are the mean and the variance of each of W columns.
type Moments struct{ Mean, Variance []float64 }

// BatchMoments is batch_moments.comp: the moments of x[R][W] over the rows that used[R] names, the variance without Bessel's
// correction. nil uses all rows. With used given, Keras divides by their number + 1e-7.
func BatchMoments(x []float64, width int, used []bool) Moments {
	m, n := Moments{make([]float64, width), make([]float64, width)}, rowsUsed(x, width, used)
	for i, v := range x {
		if used == nil || used[i/width] {
			m.Mean[i%width] += v / n
		}
	}
	for i, v := range x {
		if used == nil || used[i/width] {
			d := v - m.Mean[i%width]
			m.Variance[i%width] += d * d / n
		}
	}
	return m
}

// rowsUsed returns what sums over the used rows are divided by.
func rowsUsed(x []float64, width int, used []bool) float64 {
	if used == nil {
		return float64(len(x) / width)
	}
	n := keep
	for _, u := range used {
		if u {
			n++
		}
	}
	return n
}
