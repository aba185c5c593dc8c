package reference

import (
	"math"

	"vklstm/model"
)

// ResidentDirectionForward is resident_direction_forward.comp: one direction of an LSTM layer over all steps. z[T][R][4H] is the
// pre-activation as far as the input makes it, mask[T][R] says which steps are used, kernel[H][4H] is the recurrent kernel; with
// reverse, steps are taken from the last to the first. It returns what backpropagation multiplies with, factors[T][R][4H] and
// pairs[T][R][H][2] (o(1 − tanh²c), or where act is relu o where c > 0, and f; 0 in masked steps), and h[T+1][R][H], which after step t lies in slot t + 1, with
// reverse in slot t. r imitates float32's rounding; nil: exact.
func ResidentDirectionForward(r *Rounding, act model.Activation, z []float64, mask [][]bool, kernel []float64, reverse bool) (factors, pairs, h []float64) {
	T, R, z4 := len(mask), len(mask[0]), len(z)/len(mask)/len(mask[0])
	H, n := z4/4, Network{Rounding: r}
	factors, pairs, h = make([]float64, len(z)), make([]float64, T*R*2*H), make([]float64, (T+1)*R*H)
	hPrev, c := make([]float64, R*H), make([]float64, R*H)
	for s := range T {
		t, after := s, s+1
		if reverse {
			t, after = T-1-s, T-1-s
		}
		zt := append([]float64(nil), slot(z, t, R*z4)...)
		n.matMulAdd(false, false, R, z4, H, hPrev, kernel, zt)
		gates, hNext, cNext := LSTMCellForward(act, zt, mask[t], hPrev, c)
		r.cellForward(act, mask[t], c, gates, hNext, cNext)
		for row, valid := range mask[t] {
			for u := range H {
				if !valid {
					continue
				}
				at, gate := row*H+u, gates[row*z4:(row+1)*z4]
				i, f, g, o := gate[u], gate[H+u], gate[2*H+u], gate[3*H+u]
				tc, slopeG, slopeH := math.Max(0, cNext[at]), Slope(act, g), Slope(act, cNext[at])
				if act == model.Tanh {
					tc = math.Tanh(cNext[at])
				}
				if r != nil && act == model.Tanh {
					tc *= 1 + r.side(r.tanhs)*tanhError(cNext[at])
				}
				if act == model.Tanh {
					slopeH = Slope(act, tc)
				}
				out := slot(factors, t, R*z4)[row*z4 : (row+1)*z4]
				out[u], out[H+u], out[2*H+u], out[3*H+u] = g*i*(1-i), c[at]*f*(1-f), i*slopeG, tc*o*(1-o)
				pair := pairs[(t*R*H+at)*2:]
				pair[0], pair[1] = o*slopeH, f
				r.store(pair[:1])
			}
		}
		r.store(slot(factors, t, R*z4))
		copy(slot(h, after, R*H), hNext)
		hPrev, c = hNext, cNext
	}
	return factors, pairs, h
}
