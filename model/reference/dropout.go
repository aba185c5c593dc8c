package reference

import "vklstm/model/philox"

// Dropout is dropout.comp: it returns x[T][R][H] with each value dropped with probability rate and the others multiplied by
// 1/(1 − rate), which Keras rounds to float32. Row r draws as batch row row0 + r; time is the optimizer step from 0, key that of
// the run's seed, stream the number of Dropout layers before this one. T is 1 where a window has one vector. The same function on
// gradients is its own backward.
func Dropout(x []float64, steps, h int, row0, time, stream uint32, key [2]uint32, rate float64) []float64 {
	out := make([]float64, len(x))
	threshold, scale := philox.Below(rate), float64(float32(1/(1-rate)))
	rows := len(x) / (steps * h)
	for i, v := range x {
		t, r, u := i/(rows*h), uint32(i/h%rows), i%h
		element := uint32(t*h + u)
		word := philox.Draw([4]uint32{element / 4, row0 + r, time, philox.DropoutMask | stream<<8}, key)[element%4]
		if word>>8 >= threshold {
			out[i] = v * scale
		}
	}
	return out
}
