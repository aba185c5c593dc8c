package reference

import "math"

// ResidentDirectionBackward is resident_direction_backward.comp: backpropagation through all steps of one direction of an LSTM layer, with
// the factors and pairs that ResidentDirectionForward returned. dh[R][H] is the gradient by h after the last step that the direction
// takes, flow[T][R][H] that by the output of each step, nil: none,
// which is no part of masked steps unless toMasked is set; all else is as there. It returns dz[T][R][4H], 0 in masked steps.
func ResidentDirectionBackward(r *Rounding, factors, pairs []float64, mask [][]bool, kernel, dh, flow []float64, reverse, toMasked bool) []float64 {
	T, R, z4 := len(mask), len(mask[0]), len(factors)/len(mask)/len(mask[0])
	H, n := z4/4, Network{Rounding: r}
	dz, carry := make([]float64, len(factors)), make([]float64, R*H)
	dh = append([]float64(nil), dh...)
	for s := T - 1; s >= 0; s-- {
		t := s
		if reverse {
			t = T - 1 - s
		}
		out, factor := slot(dz, t, R*z4), slot(factors, t, R*z4)
		next := append([]float64(nil), dh...)
		for row, valid := range mask[t] {
			for u := range H {
				at := row*H + u
				if !valid {
					if toMasked {
						next[at] += flow[t*R*H+at]
						r.store(next[at : at+1])
					}
					continue
				}
				if flow != nil {
					dh[at] += flow[t*R*H+at]
					r.store(dh[at : at+1])
				}
				next[at] = 0
				pair := pairs[(t*R*H+at)*2:]
				dc := dh[at]*pair[0] + carry[at]
				if r != nil {
					dc += r.any() * unit * (2*math.Abs(dh[at]*pair[0]) + math.Abs(dc))
				}
				for gate := range 4 {
					by := dc
					if gate == 3 {
						by = dh[at]
					}
					out[row*z4+gate*H+u] = factor[row*z4+gate*H+u] * by
				}
				carry[at] = dc * pair[1]
				r.store(carry[at : at+1])
			}
		}
		r.store(out)
		n.matMulAdd(false, true, R, H, z4, out, kernel, next)
		dh = next
	}
	return dz
}
