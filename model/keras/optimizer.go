package keras

import (
	"fmt"
	"math"
	"slices"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// compiled sets what a file says of training: its layers, its compile configuration, and the state of Adam from the
// optimizer's arrays in the file's order. The network predicts without them, so what is wrong with them is a sentence in Ignored, no error.
func (f *File) compiled(t training, c compile, slots func() ([]*hdf5.Object, error)) {
	f.Loss, f.LossName, f.LearningRate, f.Rule = c.loss, c.lossName, c.rate, c.rule
	f.Rule.L2, f.Ignored = t.l2, t.ignored
	if f.Loss.Kind == "" && f.LossName != "" {
		f.Ignored = append(f.Ignored, fmt.Sprintf("the loss %.40q is none of ours, or has other settings, and is not kept", f.LossName))
	}
	switch {
	case c.optimizer == "":
		return
	case c.optimizer != "adam" && c.optimizer != "adamw":
		f.Ignored = append(f.Ignored, fmt.Sprintf("the optimizer %.40q and its state are not kept", c.optimizer))
		return
	case c.rule.Kind == "":
		f.Ignored = append(f.Ignored, "the optimizer's settings are none of ours (amsgrad, clipvalue, a moving average, gradients of several steps, a decay) and are not kept")
	case c.rate == 0:
		f.Ignored = append(f.Ignored, "the learning rate follows a schedule, which is not kept")
	}
	list, err := slots()
	if err == nil && len(list) > 0 {
		err = f.adam(list)
	}
	if err != nil {
		f.Ignored = append(f.Ignored, fmt.Sprintf("the optimizer's state is not kept: %v", err))
	}
}

// adam reads the state of Adam: the iteration, in Keras 3 the learning rate, then m and v.
func (f *File) adam(slots []*hdf5.Object) error {
	step, err := slots[0].Int()
	if err != nil {
		return err
	}
	if step < 0 || step > math.MaxInt32 {
		return bad("iteration %d", step)
	}
	slots = slots[1:]
	if len(slots) > 0 {
		shape, err := slots[0].Shape()
		if err != nil {
			return err
		}
		if len(shape) == 0 {
			rate, err := slots[0].Floats()
			if err != nil {
				return err
			}
			if len(rate) == 1 && rate[0] > 0 && !notFinite(rate[0]) {
				f.LearningRate = float64(rate[0])
			}
			slots = slots[1:]
		}
	}
	l := f.Spec.Layout()
	trained := l.Variables[:l.Trained]
	m, v, ok := moments(trained, slots)
	if !ok {
		return bad("%d arrays that are not m and v of %d variables", len(slots), len(trained))
	}
	o := &Optimizer{Step: int(step)}
	if o.M, err = readVariables(trained, m, "m of "); err != nil {
		return err
	}
	if o.V, err = readVariables(trained, v, "v of "); err != nil {
		return err
	}
	moving := make([]float32, l.Size-len(o.M)) // have no moments
	o.M, o.V = append(o.M, moving...), append(o.V, moving...)
	f.Optimizer = o
	return nil
}

// moments tells m from v. Keras 3 and the later Keras 2 keep the two of a variable side by side, older ones all m
// before all v. Only one of these can fit the shapes: the third array is recurrent_kernel's m, of two dimensions, or
// lstm/bias's, of one.
func moments(variables []model.Variable, slots []*hdf5.Object) (m, v []*hdf5.Object, ok bool) {
	n := len(variables)
	if len(slots) != 2*n { // frozen layers, or AMSGrad
		return nil, nil, false
	}
	pick := func(start, stride int) []*hdf5.Object {
		var list []*hdf5.Object
		for i, want := range variables {
			o := slots[start+i*stride]
			if shape, err := o.Shape(); err != nil || !slices.Equal(shape, want.Shape) {
				return nil
			}
			list = append(list, o)
		}
		return list
	}
	if m, v = pick(0, 2), pick(1, 2); m == nil || v == nil {
		m, v = pick(0, 1), pick(n, 1)
	}
	return m, v, m != nil && v != nil
}
