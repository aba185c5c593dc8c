package model

// ForwardFlop is the multiplications and additions of the matrix products for n windows forward, all steps valid.
// Activations are not counted.
func (c Chain) ForwardFlop(n int) float64 {
	steps, head := 0.0, 0.0
	for _, r := range c.LSTMs {
		steps += float64(r.Directions()) * 4 * float64(r.Units) * float64(r.In+r.Units)
	}
	for _, s := range c.Head {
		if s.Kind == Dense {
			head += float64(s.In) * float64(s.Out)
		}
	}
	return 2 * float64(n) * (float64(c.T)*steps + head)
}

// TrainFlop is the same for n windows forward and back. Nothing flows back into the input, so the first layer's input
// product has two parts (z and the kernel's gradient), every other one three.
func (c Chain) TrainFlop(n int) float64 {
	first := c.LSTMs[0]
	return 3*c.ForwardFlop(n) - 2*float64(n)*float64(c.T)*4*float64(first.Directions()*first.Units)*float64(c.F)
}

// Chain returns the same sizes as a Chain.
func (d Dims) Chain() Chain {
	return Chain{T: d.T, F: d.F, LSTMs: []Recurrent{{In: d.F, Units: d.H}}, Classes: 1,
		Head: []Stage{{Kind: Dropout, In: d.H, Out: d.H}, {Kind: Dense, In: d.H, Out: d.D}, {Kind: Dense, In: d.D, Out: 1}}}
}

// ForwardFlop is Chain.ForwardFlop.
func (d Dims) ForwardFlop(n int) float64 { return d.Chain().ForwardFlop(n) }

// TrainFlop is Chain.TrainFlop.
func (d Dims) TrainFlop(n int) float64 { return d.Chain().TrainFlop(n) }
