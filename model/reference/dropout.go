package reference

import "vklstm/model/philox"

// Dropout is dropout.comp: it returns x[R][H] with each unit dropped with probability rate and the others multiplied
// by 1/(1 − rate), which Keras rounds to float32. Row r draws as batch row row0 + r; time is the optimizer step from
// 0, key that of the run's seed. The same function on gradients is its own backward.
func Dropout(x []float64, h int, row0, time uint32, key [2]uint32, rate float64) []float64 {
	out := make([]float64, len(x))
	threshold, scale := philox.Below(rate), float64(float32(1/(1-rate)))
	for i, v := range x {
		r, u := uint32(i/h), uint32(i%h)
		word := philox.Draw([4]uint32{u / 4, row0 + r, time, philox.DropoutMask}, key)[u%4]
		if word>>8 >= threshold {
			out[i] = v * scale
		}
	}
	return out
}
