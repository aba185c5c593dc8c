package bench

import (
	"fmt"
	"math"

	"vklstm/model"
)

// The masks of a Workload.
const (
	MaskNone  = "none"
	MaskRight = "right" // windows are T/2 to T steps long
	MaskHoles = "holes" // each step is masked with probability 1/4
)

// Workload is what is trained on.
type Workload struct {
	Batch    int
	Time     int // steps of a window
	Features int
	Units    int // of the LSTM
	Dense    int // units of the hidden dense layer
	Windows  int
	Mask     string
	Dropout  float64
}

// Check returns an error, one sentence, for the first part that makes no sense.
func (w Workload) Check() error {
	for _, v := range []struct {
		name string
		n    int
		max  int
	}{{"batch", w.Batch, 1 << 20}, {"time", w.Time, 1 << 16}, {"features", w.Features, 1 << 16}, {"units", w.Units, 4096},
		{"dense", w.Dense, 1 << 16}, {"windows", w.Windows, 1 << 24}} {
		if v.n < 1 || v.n > v.max {
			return fmt.Errorf("--%s %d: it must be at least 1 and at most %d", v.name, v.n, v.max)
		}
	}
	switch {
	case w.Mask != MaskNone && w.Mask != MaskRight && w.Mask != MaskHoles:
		return fmt.Errorf("--mask %q: it must be %s, %s or %s", w.Mask, MaskNone, MaskRight, MaskHoles)
	case !(w.Dropout >= 0 && w.Dropout < 1):
		return fmt.Errorf("--dropout %v: it must be at least 0 and below 1", w.Dropout)
	case int64(w.Windows)*int64(w.Time)*int64(w.Features) > 1<<31-1:
		return fmt.Errorf("%d windows of %d × %d are more than 2³¹ values; take fewer", w.Windows, w.Time, w.Features)
	}
	return nil
}

// Spec is the network.
func (w Workload) Spec() model.Spec {
	return model.Classifier(w.Time, w.Features, w.Units, w.Dropout, w.Dense)
}

// Data is what every peer starts from.
type Data struct {
	model.Windows           // values in (0.1, 1), masked steps 0; a quarter of the labels is 1
	Weight        []float32 // [N], half the inverse share of the window's class
	Start         *model.State
	Valid         float64 // share of the steps that are not masked
}

// Data draws the windows and the initial parameters as the peers' script does, with numpy's generator and seed 0.
func (w Workload) Data() Data {
	r := newPCG64(0)
	size := w.Time * w.Features
	d := Data{Windows: model.Windows{X: make([]float32, w.Windows*size), Y: make([]float32, w.Windows)}, Weight: make([]float32, w.Windows)}
	for i := range d.X {
		d.X[i] = float32(r.uniform(0.1, 1))
	}
	masked := 0
	hide := func(i, t int) {
		at := i*size + t*w.Features
		clear(d.X[at : at+w.Features])
		masked++
	}
	for i := range w.Windows {
		switch w.Mask {
		case MaskRight:
			for t := r.integer(w.Time/2, w.Time+1); t < w.Time; t++ {
				hide(i, t)
			}
		case MaskHoles:
			for t := range w.Time {
				if r.random() < 0.25 {
					hide(i, t)
				}
			}
		}
	}
	d.Valid = 1 - float64(masked)/float64(w.Windows*w.Time)
	positive := 0
	for i := range d.Y {
		if r.random() < 0.25 {
			d.Y[i] = 1
			positive++
		}
	}
	mean := float32(positive) / float32(w.Windows)
	for i, y := range d.Y {
		d.Weight[i] = 0.5 / (1 - mean)
		if y > 0 {
			d.Weight[i] = 0.5 / mean
		}
	}
	spec := w.Spec()
	layout := spec.Layout()
	d.Start = model.NewState(layout.Size)
	for i, v := range layout.Variables {
		p := v.Of(d.Start.Params)
		switch i {
		case model.Kernel, model.RecurrentKernel, model.DenseKernel, model.OutputKernel:
			limit := float32(math.Sqrt(6 / float64(v.Shape[0]+v.Shape[1])))
			for j := range p {
				p[j] = float32(r.uniform(-1, 1)) * limit
			}
		case model.Bias:
			for u := range w.Units {
				p[w.Units+u] = 1
			}
		}
	}
	return d
}

// ForwardFlop is model.Dims.ForwardFlop of the workload.
func (w Workload) ForwardFlop(n int) float64 { return w.dims().ForwardFlop(n) }

// TrainFlop is model.Dims.TrainFlop of the workload.
func (w Workload) TrainFlop(n int) float64 { return w.dims().TrainFlop(n) }

func (w Workload) dims() model.Dims {
	return model.Dims{T: w.Time, F: w.Features, H: w.Units, D: w.Dense}
}
