package reference

import (
	"math"

	"vklstm/model"
)

// Gather is gather.comp for one window: the scaled cells of raw[T][F], (raw − offset)·factor. A missing cell is NaN,
// and so is every cell of a masked step, which raw alone decides.
func Gather(raw []float64, f int, s model.Scaling) []float64 {
	s = s.Fill(f)
	mask, x := Mask(raw, f), make([]float64, len(raw))
	for i, v := range raw {
		x[i] = (v - float64(s.Offset[i%f])) * float64(s.Factor[i%f])
		if !mask[i/f] {
			x[i] = math.NaN()
		}
	}
	return x
}
