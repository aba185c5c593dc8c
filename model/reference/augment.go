package reference

import (
	"math"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
)

// Window is gather.comp, time_warp.comp and augment.comp for one window: what package augment defines to the bit in
// float32, in float64 and by other means (interpolation at real times, a quantile computed instead of looked up, mathgl's
// quaternions), so that it judges that definition. raw[T][F] is as measured; the result is the network's input x[T][F] and mask[T].
func Window(o model.Options, f int, raw []float64, train bool, window, epoch uint32) (x []float64, mask []bool) {
	key := philox.Key(o.Seed)
	x = measured(raw, f)
	if r := philox.Draw([4]uint32{0, window, epoch, philox.Move}, key); train && r[0]>>8 < philox.Below(o.Augment.MoveProb) {
		x = Move(x, f, o.Augment, r)
	}
	x = scale(x, f, o.Scaling)
	r := philox.Draw([4]uint32{0, window, epoch, philox.Augment}, key)
	if train && r[0]>>8 < philox.Below(o.Augment.Prob) {
		if o.Augment.Warp > 0 {
			x = TimeWarp(x, f, Points(o.Augment.Warp, len(raw)/f, r[1]))
		}
		vary(x, f, o, window, epoch, key)
	}
	mask = make([]bool, len(x)/f)
	for i, v := range x {
		if v == v {
			mask[i/f] = true
		} else {
			x[i] = 0
		}
	}
	return x, mask
}

// Points returns how many points a time warp makes of T: ⌊T·w⌋, where the random word sets w uniform in 1 ± warp. It
// rounds to float32 as the shader does, since the floor jumps.
func Points(warp float64, T int, word uint32) int {
	w := 1 + float32(float32(warp)*(2*philox.Uniform(word)-1))
	return int(float32(T) * w)
}

// vary adds noise to the valid cells of x, keeps them within the scaling's bounds, and makes a share of them missing.
func vary(x []float64, f int, o model.Options, window, epoch uint32, key [2]uint32) {
	s := o.Scaling.Fill(f)
	for i := range x {
		cell := uint32(i)
		if o.Augment.Noise > 0 {
			word := philox.Draw([4]uint32{cell / 4, window, epoch, philox.Noise}, key)[cell%4]
			z := math.Sqrt2 * math.Erfinv((float64(word>>16%augment.Quantiles)+0.5)/augment.Quantiles)
			if word>>31 != 0 {
				z = -z
			}
			x[i] += o.Augment.Noise * z
			x[i] = math.Max(float64(s.Low[i%f]), math.Min(float64(s.High[i%f]), x[i])) // NaN stays NaN
		}
		if philox.Draw([4]uint32{cell / 4, window, epoch, philox.FeatureDrop}, key)[cell%4]>>8 < philox.Below(o.Augment.Drop) {
			x[i] = math.NaN()
		}
	}
}
