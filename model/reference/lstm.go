package reference

import "vklstm/model"

// Direction is one direction of one LSTM layer over all time steps, in the order in which it takes them: the backward one
// begins with the last.
type Direction struct {
	X     []float64 // [T][B][In]
	Gates []float64 // [T][B][4H], activated; 0 in masked steps
	H, C  []float64 // [T+1][B][H]; slot 0 is the start, all 0
	Units int       // H
}

// forwardDirection runs one direction of a layer on x[T][B][In], with the variables from first on; x and mask[T][B] are in
// the order in which time steps are taken.
func (n Network) forwardDirection(layer model.Recurrent, params, x []float64, mask [][]bool, first int) Direction {
	B, H, z4 := len(mask[0]), layer.Units, 4*layer.Units
	d := Direction{Units: H, X: x, Gates: make([]float64, n.T*B*z4), H: make([]float64, (n.T+1)*B*H), C: make([]float64, (n.T+1)*B*H)}

	// What needs no history, z = x·kernel + bias, is one product for all steps.
	z, bias := d.Gates, n.variable(params, first+model.Bias)
	for i := range z {
		z[i] = bias[i%z4]
	}
	n.matMulAdd(false, false, n.T*B, z4, layer.In, x, n.variable(params, first+model.Kernel), z)
	recurrent := n.operand(layer, n.variable(params, first+model.RecurrentKernel), 1)
	for t := range n.T {
		hPrev, cPrev, zt := slot(d.H, t, B*H), slot(d.C, t, B*H), slot(z, t, B*z4)
		n.matMulAdd(false, false, B, z4, H, n.operand(layer, hPrev, 1), recurrent, zt)
		gates, h, c := n.cellForward(layer.Activation, zt, mask[t], hPrev, cPrev)
		copy(zt, gates)
		copy(slot(d.H, t+1, B*H), h)
		copy(slot(d.C, t+1, B*H), c)
	}
	return d
}

// backwardDirection takes the gradient by the last h, dh[B][H], and by the h after each time step, dSeq[T][B][H] or nil, back
// through time. It writes the gradient by the layer's variables from first on to grad, and returns that by the input,
// [T][B][In]; mask and both sequences are in the direction's order.
func (n Network) backwardDirection(layer model.Recurrent, params, grad []float64, d Direction, mask [][]bool, dh, dSeq []float64, first int) []float64 {
	B, H, z4 := len(mask[0]), layer.Units, 4*layer.Units
	dc, dz := make([]float64, B*H), make([]float64, n.T*B*z4)
	scale := GradientScale(append(append([]float64(nil), dh...), dSeq...))
	recurrent := n.operand(layer, n.variable(params, first+model.RecurrentKernel), 1)
	for t := n.T - 1; t >= 0; t-- {
		if dSeq != nil {
			n.add(dh, slot(dSeq, t, B*H))
		}
		gates, cPrev, c := slot(d.Gates, t, B*z4), slot(d.C, t, B*H), slot(d.C, t+1, B*H)
		dzt, dhOut, dcOut := n.cellBackward(layer.Activation, gates, cPrev, c, mask[t], dh, dc)
		n.matMulAdd(false, true, B, H, z4, n.operand(layer, dzt, scale), recurrent, dhOut)
		copy(slot(dz, t, B*z4), dzt)
		dh, dc = dhOut, dcOut
	}
	// h before each step is slots 0 … T−1. Both kernels' gradients need no history either.
	n.matMulAdd(true, false, layer.In, z4, n.T*B, d.X, dz, n.variable(grad, first+model.Kernel))
	n.matMulAdd(true, false, H, z4, n.T*B, n.operand(layer, d.H[:n.T*B*H], 1), n.operand(layer, dz, scale), n.variable(grad, first+model.RecurrentKernel))
	n.columnSum(dz, n.variable(grad, first+model.Bias))

	dx := make([]float64, n.T*B*layer.In)
	n.matMulAdd(false, true, n.T*B, layer.In, z4, dz, n.variable(params, first+model.Kernel), dx)
	return dx
}
