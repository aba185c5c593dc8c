package model

// ForwardFlop is the multiplications and additions of the matrix products for n windows forward, all steps valid.
// Activations are not counted.
func (c Chain) ForwardFlop(n int) float64 {
	steps := 0.0
	for _, r := range c.LSTMs {
		steps += float64(r.Directions()) * 4 * float64(r.Units) * float64(r.In+r.Units)
	}
	return 2 * float64(n) * (float64(c.T)*steps + float64(c.Out()*c.D) + float64(c.D))
}

// TrainFlop is the same for n windows forward and back. Nothing flows back into the input, so the first layer's input
// product has two parts (z and the kernel's gradient), every other one three.
func (c Chain) TrainFlop(n int) float64 {
	first := c.LSTMs[0]
	return 3*c.ForwardFlop(n) - 2*float64(n)*float64(c.T)*4*float64(first.Out())*float64(c.F)
}

// Chain returns the same sizes as a Chain.
func (d Dims) Chain() Chain {
	return Chain{T: d.T, F: d.F, LSTMs: []Recurrent{{In: d.F, Units: d.H}}, D: d.D}
}

// ForwardFlop is Chain.ForwardFlop.
func (d Dims) ForwardFlop(n int) float64 { return d.Chain().ForwardFlop(n) }

// TrainFlop is Chain.TrainFlop.
func (d Dims) TrainFlop(n int) float64 { return d.Chain().TrainFlop(n) }
