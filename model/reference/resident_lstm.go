package reference

import (
	"slices"

	"vklstm/model"
)

// Packed is one window as resident_lstm.comp gets it: its valid steps alone.
type Packed struct {
	X      []float64 // [n][F]
	Place  uint32    // in its batch, which dropout's draws go by
	Y      float64   // 0 or 1
	Weight float64   // in the loss
}

// Kept is what resident_lstm.comp leaves of one window of n steps for resident_weight.comp.
type Kept struct {
	Probability, Loss float64   // Loss times the weight
	Hidden            []float64 // [n][H], h before each step
	DZ                []float64 // [n][4H]
	Dropped           []float64 // [H], the last h after dropout
	Dense, DDense     []float64 // [D], after relu, and the gradient before it
	DLogit            float64
}

// ResidentLSTM is resident_lstm.comp for one window: the network forward on its steps one by one, the loss, and back to
// dz. inverseBatch is 1 over the number of windows in the step.
func (n Network) ResidentLSTM(params []float64, w Packed, loss model.Loss, draw Draw, inverseBatch float64) Kept {
	H, steps, used := n.LSTMs[0].Units, len(w.X)/n.F, []bool{true}
	kernel, recurrent, bias := n.variable(params, model.Kernel), n.variable(params, model.RecurrentKernel), n.variable(params, model.Bias)
	rate := 0.0
	if draw.Train {
		rate = n.Head[0].Rate
	}
	h, c := make([]float64, H), make([]float64, H)
	var k Kept
	var gates, cells [][]float64
	cells = append(cells, c)
	for t := range steps {
		k.Hidden = append(k.Hidden, h...)
		z := slices.Clone(bias)
		n.matMulAdd(false, false, 1, 4*H, n.F, w.X[t*n.F:(t+1)*n.F], kernel, z)
		n.matMulAdd(false, false, 1, 4*H, H, h, recurrent, z)
		gate, hNext, cNext := LSTMCellForward(model.Tanh, z, used, h, c)
		n.Rounding.cellForward(model.Tanh, used, c, gate, hNext, cNext)
		h, c = hNext, cNext
		gates, cells = append(gates, gate), append(cells, c)
	}

	k.Dropped = Dropout(h, 1, H, w.Place, draw.Time, 0, draw.Key, rate)
	dense, bias1 := n.variable(params, model.DenseKernel), n.variable(params, model.DenseBias)
	output, bias2 := n.variable(params, model.OutputKernel), n.variable(params, model.OutputBias)
	k.Dense = DenseForward(model.Relu, k.Dropped, dense, bias1)
	n.Rounding.dense(model.Relu, k.Dropped, dense, bias1, k.Dense)
	logit := DenseForward(model.Linear, k.Dense, output, bias2)
	n.Rounding.dense(model.Linear, k.Dense, output, bias2, logit)
	p := make([]float64, 1)
	p[0], k.Loss, k.DLogit = Loss(loss, logit[0], w.Y)
	n.Rounding.loss(loss, logit[0], w.Y, &k.Loss, &k.DLogit)
	n.Rounding.probability(logit, p)
	k.Probability = p[0]
	k.Loss *= w.Weight
	k.DLogit *= w.Weight * inverseBatch

	k.DDense = DenseBackward(model.Relu, 1, []float64{k.DLogit}, output, k.Dense)
	dDropped := DenseBackward(model.Linear, n.D(), k.DDense, dense, nil)
	n.Rounding.product(false, true, 1, H, n.D(), k.DDense, dense, dDropped)
	dh, dc := Dropout(dDropped, 1, H, w.Place, draw.Time, 0, draw.Key, rate), make([]float64, H)
	k.DZ = make([]float64, steps*4*H)
	for t := steps - 1; t >= 0; t-- {
		dz, dhOut, dcOut := LSTMCellBackward(model.Tanh, gates[t], cells[t], cells[t+1], used, dh, dc)
		n.Rounding.cellBackward(model.Tanh, used, gates[t], cells[t], cells[t+1], dh, dc, dz, dcOut)
		n.matMulAdd(false, true, 1, H, 4*H, dz, recurrent, dhOut)
		copy(k.DZ[t*4*H:], dz)
		dh, dc = dhOut, dcOut
	}
	return k
}
