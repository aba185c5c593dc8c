package model_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"vklstm/model"
)

func TestLayout(t *testing.T) {
	l := model.Classifier(60, 6, 64, 0.3, 32).Layout()
	if l.Size != 20289 {
		t.Errorf("%d parameters, want 20,289", l.Size)
	}
	want := []string{"lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"}
	sizes := []int{6 * 256, 64 * 256, 256, 64 * 32, 32, 32, 1}
	flat := make([]float32, l.Size)
	for i := range flat {
		flat[i] = float32(i)
	}
	at := 0
	for i, v := range l.Variables {
		w := v.Of(flat)
		if v.Name != want[i] || v.Size() != sizes[i] || v.Offset != at || len(w) != sizes[i] || cap(w) != sizes[i] || w[0] != float32(at) {
			t.Errorf("variable %d is %+v; want %s of %d at %d", i, v, want[i], sizes[i], at)
		}
		at += sizes[i]
	}
	if len(l.Variables) != model.NumVariables || at != l.Size {
		t.Errorf("%d variables of %d elements", len(l.Variables), at)
	}
}

func TestState(t *testing.T) {
	s := model.NewState(3)
	s.Step = 4
	c := s.Clone()
	c.Params[0], c.M[1], c.V[2] = 1, 1, 1
	if s.Params[0]+s.M[1]+s.V[2] != 0 || c.Step != 4 {
		t.Error("a clone shares its arrays, or lost its step")
	}
	if err := s.Check(3); err != nil {
		t.Error(err)
	}
	for _, bad := range []*model.State{{}, {Params: make([]float32, 3), M: make([]float32, 3), V: make([]float32, 2)}} {
		if err := bad.Check(3); !errors.Is(err, model.ErrShape) {
			t.Errorf("error %v; want one that wraps ErrShape", err)
		}
	}
}

func TestDims(t *testing.T) {
	good := model.Classifier(60, 6, 64, 0.3, 32)
	if d, err := good.Dims(); err != nil || d != (model.Dims{T: 60, F: 6, H: 64, D: 32}) || good.Rate() != 0.3 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, tc := range []struct {
		change func(*model.Spec)
		want   string
	}{
		{func(s *model.Spec) { s.Timesteps = 0 }, "0 timesteps"},
		{func(s *model.Spec) { s.Features = -1 }, "-1 features"},
		{func(s *model.Spec) { s.Layers[1].Units = 1 << 25 }, "LSTM units"},
		{func(s *model.Spec) { s.Layers[3].Units = 0 }, "dense units"},
		{func(s *model.Spec) { s.Layers[4].Units = 2 }, "2 units and activation \"sigmoid\""},
		{func(s *model.Spec) { s.Layers[3].Activation = "tanh" }, "other layers after its LSTM"},
		{func(s *model.Spec) { s.Layers[4].Activation = "" }, "activation \"linear\""},
		{func(s *model.Spec) { s.Layers[2].Rate = 1 }, "has rate 1"},
		{func(s *model.Spec) { s.Layers[2].Rate = math.NaN() }, "has rate NaN"},
		{func(s *model.Spec) { s.Layers = s.Layers[:4] }, "stands at the end with 32 units and activation \"relu\""},
		{func(s *model.Spec) { s.Layers = s.Layers[:1] }, "there is no LSTM"},
		{func(s *model.Spec) { s.Layers = nil }, "there is no LSTM"},
		{func(s *model.Spec) { s.Layers = append(s.Layers, model.Layer{Kind: model.Dense, Name: "more"}) }, `"more", Dense, stands at the end with 0 units`},
		{func(s *model.Spec) { s.Layers[2].Kind = model.Dense }, `"dropout", Dense, has 0 dense units`},
		{func(s *model.Spec) { s.Layers[2].Kind = model.LSTM }, `"dropout", LSTM, has 0 LSTM units`},
		{func(s *model.Spec) { s.Layers[1].Kind = model.Dropout }, `"lstm", Dropout, stands before the first LSTM`},
		{func(s *model.Spec) { s.Layers[2].Bidirectional = true }, "bidirectional"},
		{func(s *model.Spec) { s.Layers[1].Bidirectional = true }, "one direction"},
		{func(s *model.Spec) { *s = model.Stack(60, 6, make([]int, 17), false, 0, 1) }, "at most 16"},
		{func(s *model.Spec) { s.Layers[1].Units = 1 << 15 }, "parameters"},
	} {
		s := model.Classifier(60, 6, 64, 0.3, 32)
		tc.change(&s)
		if _, err := s.Dims(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

func TestChain(t *testing.T) {
	s := model.Stack(5, 3, []int{4, 2}, true, 0.1, 7)
	s.Layers[2].Bidirectional = false
	c, err := s.Chain()
	if err != nil {
		t.Fatal(err)
	}
	want := model.Chain{T: 5, F: 3, Masked: true, Classes: 1,
		LSTMs: []model.Recurrent{
			{In: 3, Units: 4, Activation: model.Tanh, Bidirectional: true, Merge: model.Concat, First: 0},
			{In: 8, Units: 2, Activation: model.Tanh, First: 6}},
		Head: []model.Stage{
			{Kind: model.Dropout, In: 2, Out: 2, Rate: 0.1, Moving: 13},
			{Kind: model.Dense, Activation: model.Relu, In: 2, Out: 7, First: 9, Moving: 13},
			{Kind: model.Dense, Activation: model.Linear, In: 7, Out: 1, First: 11, Moving: 13}}}
	if !reflect.DeepEqual(c, want) || c.Out() != 2 || c.FirstOfHead() != 9 {
		t.Errorf("%+v, out %d, head %d", c, c.Out(), c.FirstOfHead())
	}
	shapes := map[string][]int{
		"bidirectional/forward_lstm/kernel": {3, 16}, "bidirectional/forward_lstm/recurrent_kernel": {4, 16}, "bidirectional/forward_lstm/bias": {16},
		"bidirectional/backward_lstm/kernel": {3, 16}, "bidirectional/backward_lstm/recurrent_kernel": {4, 16}, "bidirectional/backward_lstm/bias": {16},
		"bidirectional_1/kernel": {8, 8}, "bidirectional_1/recurrent_kernel": {2, 8}, "bidirectional_1/bias": {8},
		"dense/kernel": {2, 7}, "dense/bias": {7}, "dense_1/kernel": {7, 1}, "dense_1/bias": {1},
	}
	at := 0
	l := s.Layout()
	for _, v := range l.Variables {
		if !reflect.DeepEqual(v.Shape, shapes[v.Name]) || v.Offset != at {
			t.Errorf("%s has shape %v at %d; want %v at %d", v.Name, v.Shape, v.Offset, shapes[v.Name], at)
		}
		at += v.Size()
	}
	if len(l.Variables) != len(shapes) || l.Size != at {
		t.Errorf("%d variables of %d elements", len(l.Variables), l.Size)
	}
	// Two directions of 3 → 4, one of 8 → 2, for five steps, then 2 → 7 → 1; back, the input's own product is left out.
	if f, b := c.ForwardFlop(1), c.TrainFlop(1); f != 2*(5*(2*16*7+8*10)+14+7) || b != 3*f-2*5*2*16*3 {
		t.Errorf("%v forward, %v in training", f, b)
	}
}

func TestPlan(t *testing.T) {
	p := model.Plan{Train: make([]int32, 7), Batch: 3, LearningRate: make([]float64, 3)}
	if p.Steps() != 3 || (model.Plan{}).Steps() != 0 {
		t.Errorf("%d steps of 7 windows in threes", p.Steps())
	}
	p.Check(1)
	(model.Plan{Eval: []int32{0}}).Check(1)
	for _, change := range []func(*model.Plan){
		func(p *model.Plan) { p.Batch = 0 },
		func(p *model.Plan) { p.Weight = make([]float32, 6) },
		func(p *model.Plan) { p.LearningRate = p.LearningRate[:2] },
		func(p *model.Plan) { p.Train = []int32{0, 1, 0, 0, 0, 0, 0} },
		func(p *model.Plan) { p.Eval = []int32{-1} },
	} {
		q := p
		change(&q)
		if !panics(func() { q.Check(1) }) {
			t.Errorf("%+v does not panic", q)
		}
	}
}

func panics(f func()) (caught bool) {
	defer func() { caught = recover() != nil }()
	f()
	return false
}

func TestOptionsCheck(t *testing.T) {
	good := model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Augment: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1},
		Scaling: model.Scaling{Offset: []float32{1, 2}, Factor: []float32{1, 2}, Low: []float32{0, 0}, High: []float32{1, 1}}}
	if err := good.Check(2, 1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(*model.Options)
		shape  bool // the error wraps ErrShape
	}{
		{func(o *model.Options) { o.Loss.Kind = "hinge" }, false},
		{func(o *model.Options) { o.Loss.Alpha = 1.1 }, false},
		{func(o *model.Options) { o.Loss.Gamma = math.NaN() }, false},
		{func(o *model.Options) { o.Optimizer.Kind = "" }, false},
		{func(o *model.Options) { o.Scaling.Offset = []float32{1} }, true},
		{func(o *model.Options) { o.Scaling.Offset = nil }, true},
		{func(o *model.Options) { o.Scaling.High = nil }, true},
		{func(o *model.Options) { o.Scaling.Factor = []float32{1, float32(math.Inf(1))} }, false},
		{func(o *model.Options) { o.Augment.Prob = 1.5 }, false},
		{func(o *model.Options) { o.Augment.Warp = 0.95 }, false},
		{func(o *model.Options) { o.Augment.Noise = math.NaN() }, false},
		{func(o *model.Options) { o.Augment.Drop = -0.1 }, false},
		{func(o *model.Options) { o.Augment.MoveProb = 1.1 }, false},
		{func(o *model.Options) { o.Augment.Shift = 0.95 }, false},
		{func(o *model.Options) { o.Augment.Magnitude = 1 }, false},
		{func(o *model.Options) { o.Augment.Rotate = 181; o.Augment.Triplets = 1 }, false},
		{func(o *model.Options) { o.Augment.Rotate = math.NaN(); o.Augment.Triplets = 1 }, false},
		{func(o *model.Options) { o.Augment.Rotate = 30 }, false}, // of no triplet
		{func(o *model.Options) { o.Augment.Triplets = -1 }, false},
		{func(o *model.Options) { o.Augment.Rotate = 30; o.Augment.Triplets = 1 }, true}, // of two features
	} {
		o := good
		tc.change(&o)
		if err := o.Check(2, 1); err == nil || errors.Is(err, model.ErrShape) != tc.shape {
			t.Errorf("%+v: error %v; wraps ErrShape is wanted to be %v", o, err, tc.shape)
		}
	}
	six := model.Options{Loss: good.Loss, Optimizer: good.Optimizer, Augment: model.Augment{MoveProb: 1, Shift: 0.9, Magnitude: 0.9, Rotate: 180, Triplets: 2}}
	for f, fits := range map[int]bool{5: false, 6: true, 7: true} {
		if err := six.Check(f, 1); (err == nil) != fits {
			t.Errorf("two triplets of %d features: %v", f, err)
		}
	}
	s := model.Scaling{Offset: []float32{3, 4}, Factor: []float32{5, 6}}.Fill(2)
	if s.Offset[1] != 4 || s.Factor[0] != 5 || s.Low[1] != -math.MaxFloat32 || s.High[0] != math.MaxFloat32 {
		t.Errorf("filled to %+v", s)
	}
}
