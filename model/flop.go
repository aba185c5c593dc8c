package model

// ForwardFlop is the multiplications and additions of the matrix products for n windows forward, all steps valid.
// Activations are not counted.
func (d Dims) ForwardFlop(n int) float64 {
	b, t, f, h, dense := float64(n), float64(d.T), float64(d.F), float64(d.H), float64(d.D)
	return 2 * b * (t*4*h*(f+h) + h*dense + dense)
}

// TrainFlop is the same for n windows forward and back. Nothing flows back into the input, so the input's product has
// two parts (z and the kernel's gradient), every other one three.
func (d Dims) TrainFlop(n int) float64 {
	return 3*d.ForwardFlop(n) - 2*float64(n)*float64(d.T)*4*float64(d.H)*float64(d.F)
}
