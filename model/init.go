package model

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"vklstm/model/philox"
)

// Init returns the State that training starts from, as Keras initialises the layers: Glorot uniform kernels
// (Glorot and Bengio 2010, equation 16: ±√(6/(fan_in + fan_out)), where an LSTM kernel's fan_out is 4H), an
// orthogonal recurrent kernel, zero biases, 1 in the forget block of the LSTM's bias, and of a BatchNormalization gamma and
// moving variance 1, beta and moving mean 0. The numbers are a pure
// function of the seed; they are not Keras's, whose generator is another.
func (s Spec) Init(seed uint64) *State {
	l := s.Layout()
	c, _ := s.Chain()
	st := NewState(l.Size)
	for _, stage := range c.Stages() {
		switch stage.Kind {
		case Dense:
			glorot(l.Variables[stage.First].Of(st.Params), stage.In+stage.Out, seed, uint32(stage.First))
		case BatchNormalization:
			ones(l.Variables[stage.First].Of(st.Params))
			ones(l.Variables[stage.Moving+1].Of(st.Params))
		}
	}
	for _, r := range c.LSTMs {
		for i := r.First; i < r.First+3*r.Directions(); i += 3 {
			kernel, recurrent, bias := l.Variables[i], l.Variables[i+1], l.Variables[i+2]
			glorot(kernel.Of(st.Params), kernel.Shape[0]+kernel.Shape[1], seed, uint32(i))
			orthogonal(recurrent.Of(st.Params), r.Units, seed, uint32(i+1))
			ones(bias.Of(st.Params)[r.Units : 2*r.Units])
		}
	}
	return st
}

func ones(w []float32) {
	for i := range w {
		w[i] = 1
	}
}

// glorot fills w with uniform numbers in ±√(6/fans).
func glorot(w []float32, fans int, seed uint64, item uint32) {
	limit := math.Sqrt(6 / float64(fans))
	for i := range w {
		w[i] = float32(limit * (2*uniform(seed, item, uint32(i)) - 1))
	}
}

// orthogonal fills w[H][4H] with one matrix whose rows are orthonormal: Q·sign(diag R) of the QR decomposition of
// a normal 4H × H matrix, transposed (Saxe, McClelland and Ganguli 2014, arXiv 1312.6120, as Keras does it). Its
// four H × H blocks are not orthogonal by themselves.
func orthogonal(w []float32, h int, seed uint64, item uint32) {
	a := mat.NewDense(4*h, h, nil)
	for i := range 4 * h {
		for j := range h {
			// u is never 0 or 1, so the quantile is finite.
			u := uniform(seed, item, uint32(i*h+j))
			a.Set(i, j, math.Sqrt2*math.Erfinv(2*u-1))
		}
	}
	var qr mat.QR
	qr.Factorize(a)
	var q, r mat.Dense
	qr.QTo(&q)
	qr.RTo(&r)
	for j := range h {
		sign := 1.0
		if r.At(j, j) < 0 {
			sign = -1
		}
		for i := range 4 * h {
			w[j*4*h+i] = float32(sign * q.At(i, j))
		}
	}
}

// uniform returns the i-th number of variable item: uniform in (0,1), a multiple of 2⁻⁵³ plus half of one.
func uniform(seed uint64, item, i uint32) float64 {
	r := philox.Draw([4]uint32{i, item, 0, philox.Init}, philox.Key(seed))
	return (float64((uint64(r[0])<<32|uint64(r[1]))>>12) + 0.5) * 0x1p-52
}
