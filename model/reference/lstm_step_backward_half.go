package reference

import "vklstm/model"

// LSTMStepBackwardHalf is lstm_step_backward_half.comp: LSTMStepBackward whose product is taken of dz times scale and the recurrent
// kernel, rounded to float16; the sum is freed of scale.
func LSTMStepBackwardHalf(gates, cPrev, c []float64, mask []bool, dzNext, kernel, dh, dc []float64, scale float64, mode HalfRounding) (dz, dhOut, dcOut []float64) {
	if dzNext != nil {
		dzNext = halves(dzNext, scale, mode)
	}
	return LSTMStepBackward(model.Tanh, gates, cPrev, c, mask, dzNext, halves(kernel, 1, mode), dh, dc)
}
