package reference

import "vklstm/model"

// LSTMStepForwardHalf is lstm_step_forward_half.comp: LSTMStepForward whose product is taken of h and the recurrent kernel rounded
// to float16. A masked row carries h as it is.
func LSTMStepForwardHalf(z []float64, mask []bool, kernel, hPrev, cPrev []float64, mode HalfRounding) (gates, h, c []float64) {
	H := len(hPrev) / len(mask)
	gates, h, c = LSTMStepForward(model.Tanh, z, mask, halves(kernel, 1, mode), halves(hPrev, 1, mode), cPrev)
	for r, valid := range mask {
		if !valid {
			copy(h[r*H:(r+1)*H], hPrev[r*H:(r+1)*H])
		}
	}
	return gates, h, c
}
