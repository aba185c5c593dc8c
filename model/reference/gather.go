package reference

import (
	"math"

	"vklstm/model"
)

// Gather is gather.comp for one window: the scaled cells of raw[T][F], (raw − offset)·factor. A missing cell is NaN,
// and so is every cell of a masked step, which raw alone decides. Where the window is moved, Move comes before.
func Gather(raw []float64, f int, s model.Scaling) []float64 {
	return scale(measured(raw, f), f, s)
}

// measured returns the cells of raw[T][F], NaN in masked steps.
func measured(raw []float64, f int) []float64 {
	mask, x := Mask(raw, f), append([]float64(nil), raw...)
	for i := range x {
		if !mask[i/f] {
			x[i] = math.NaN()
		}
	}
	return x
}

// scale scales the cells of x[T][F], in place.
func scale(x []float64, f int, s model.Scaling) []float64 {
	s = s.Fill(f)
	for i, v := range x {
		x[i] = (v - float64(s.Offset[i%f])) * float64(s.Factor[i%f])
	}
	return x
}
