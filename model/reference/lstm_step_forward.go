package reference

import "vklstm/model"

// LSTMStepForward is lstm_step_forward.comp: one LSTM step. z[R][4H] is the pre-activation as far as the input makes it,
// kernel[H][4H] the recurrent kernel; all else is as for LSTMCellForward.
func LSTMStepForward(act model.Activation, z []float64, mask []bool, kernel, hPrev, cPrev []float64) (gates, h, c []float64) {
	H := len(hPrev) / len(mask)
	product := MatMul(false, false, len(mask), 4*H, H, hPrev, kernel)
	for i, v := range z {
		product[i] += v
	}
	return LSTMCellForward(act, product, mask, hPrev, cPrev)
}

// LSTMCellForward is one LSTM step after the matmuls: c = f·cPrev + i·act(z_c), h = o·act(c). z[R][4H] is the pre-activation, blocks i|f|c|o; mask[R] says which rows use the step; hPrev and cPrev [R][H] are the states before it. It returns the
// activated gates[R][4H] and the states after the step, h and c [R][H]. A masked row keeps its states, and its gates
// are 0.
func LSTMCellForward(act model.Activation, z []float64, mask []bool, hPrev, cPrev []float64) (gates, h, c []float64) {
	H := len(hPrev) / len(mask)
	gates, h, c = make([]float64, len(z)), make([]float64, len(hPrev)), make([]float64, len(cPrev))
	for r, valid := range mask {
		for u := range H {
			at, row := r*H+u, z[r*4*H:(r+1)*4*H]
			if !valid {
				h[at], c[at] = hPrev[at], cPrev[at]
				continue
			}
			i, f := Sigmoid(row[u]), Sigmoid(row[H+u])
			g, o := Activate(act, row[2*H+u]), Sigmoid(row[3*H+u])
			c[at] = f*cPrev[at] + i*g
			h[at] = o * Activate(act, c[at])
			out := gates[r*4*H : (r+1)*4*H]
			out[u], out[H+u], out[2*H+u], out[3*H+u] = i, f, g, o
		}
	}
	return gates, h, c
}
