package reference

import "vklstm/model"

// LSTMStepBackward is lstm_step_backward.comp: one LSTM step of backpropagation through time. dzNext[R][4H] is what it gave
// for the step after, nil at the last one, kernel[H][4H] the recurrent kernel; all else is as for LSTMCellBackward.
func LSTMStepBackward(act model.Activation, gates, cPrev, c []float64, mask []bool, dzNext, kernel, dh, dc []float64) (dz, dhOut, dcOut []float64) {
	H := len(dh) / len(mask)
	whole := append([]float64(nil), dh...)
	if dzNext != nil {
		for i, v := range MatMul(false, true, len(mask), H, 4*H, dzNext, kernel) {
			whole[i] += v
		}
	}
	return LSTMCellBackward(act, gates, cPrev, c, mask, whole, dc)
}

// LSTMCellBackward is one LSTM step of backpropagation through time without its matmul. gates[R][4H] are those
// that LSTMCellForward returned, cPrev and c [R][H] the cell state before and after the step, dh and dc [R][H] the
// gradients by the states after it. It returns dz[R][4H], and the gradients by the states before the step as far as
// they are known here: dhOut[R][H] is 0, because dz·recurrent_kernelᵀ is still to be added, and dcOut[R][H]. A masked
// row has dz = 0 and passes dh and dc on.
func LSTMCellBackward(act model.Activation, gates, cPrev, c []float64, mask []bool, dh, dc []float64) (dz, dhOut, dcOut []float64) {
	H := len(dh) / len(mask)
	dz, dhOut, dcOut = make([]float64, len(gates)), make([]float64, len(dh)), make([]float64, len(dc))
	for r, valid := range mask {
		for u := range H {
			at, row := r*H+u, gates[r*4*H:(r+1)*4*H]
			if !valid {
				dhOut[at], dcOut[at] = dh[at], dc[at]
				continue
			}
			i, f, g, o := row[u], row[H+u], row[2*H+u], row[3*H+u]
			ac := Activate(act, c[at])
			dct := dc[at] + dh[at]*o*Slope(act, ac) // by c, both ways: directly and through h
			out := dz[r*4*H : (r+1)*4*H]
			out[u] = dct * g * i * (1 - i)
			out[H+u] = dct * cPrev[at] * f * (1 - f)
			out[2*H+u] = dct * i * Slope(act, g)
			out[3*H+u] = dh[at] * ac * o * (1 - o)
			dcOut[at] = dct * f
		}
	}
	return dz, dhOut, dcOut
}
