package enginetest

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/model/reference"
)

// testdata holds what testdata/steps.py made of real Keras: the way of networks through 30 steps of Adam.
//
//go:embed testdata/*.npz
var testdata embed.FS

// stepped are its networks.
var stepped = map[string]network{
	"relu_stack":            {"lstm 6 relu, lstm 9 relu, lstm 6 relu, dense 7 relu, dense 5 relu", nil, 3},
	"bidirectional_softmax": {"bidirectional 7, bidirectional 5", nil, 6},
	"batchnorm_dense":       {"lstm 8, dense 6 relu, batchnorm 0.9", nil, 4},
	"masked_stack":          {"lstm 6, lstm 5, dense 4 relu", masking, 4},
	"masked_batchnorm":      {"lstm 6, batchnorm 0.8, lstm 5 backwards", maskingOf(-1), 2},
}

// Steps follows Keras through 30 steps of Adam: the reference to 1e-9, and the engines that new makes within the bounds that follow from
// float32's rounding, as subtest name.
func Steps(t *testing.T, name string, new New, tol Tolerances) {
	s := suite{new: new, tol: tol}
	t.Run(name, func(t *testing.T) {
		for file, n := range stepped {
			t.Run(file, func(t *testing.T) {
				c, after, losses := keras(t, file, n)
				followed(t, c, after, losses)
				s.compare(t, c)
			})
		}
	})
}

// keras reads a network's way: what is trained, and to which parameters and losses of steps it leads.
func keras(t *testing.T, name string, n network) (c scenario, after, losses []float64) {
	t.Helper()
	content, err := testdata.ReadFile("testdata/" + name + ".npz")
	if err != nil {
		t.Fatal(err)
	}
	f, err := npz.New(name, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	read := func(key string) ([]float64, []int) {
		v, shape, err := f.Float64(key)
		if err != nil {
			t.Fatal(err)
		}
		return v, shape
	}
	x, shape := read("x")
	y, _ := read("y")
	rate, _ := read("rate")
	batch, _ := read("batch")
	losses, _ = read("loss")
	spec := n.spec(t, shape[1], shape[2])
	layout := spec.Layout()
	places := slices.Concat(spec.LayerVariables()...)
	flat := func(prefix string) []float64 {
		all := make([]float64, layout.Size)
		for i, p := range places {
			at := slices.IndexFunc(f.Names(), func(key string) bool { return strings.HasPrefix(key, fmt.Sprintf("%s/%d ", prefix, i)) })
			if at < 0 {
				t.Fatalf("%s has no variable %d", name, i)
			}
			v, shape := read(f.Names()[at])
			if !slices.Equal(shape, layout.Variables[p].Shape) {
				t.Fatalf("%s: %s has shape %v, want %v", name, f.Names()[at], shape, layout.Variables[p].Shape)
			}
			copy(all[layout.Variables[p].Offset:], v)
		}
		return all
	}
	o := model.Options{Loss: n.loss(), Optimizer: model.DefaultAdam()}
	start := model.NewState(layout.Size)
	start.Params = narrow(flat("before"))
	c = scenario{Spec: spec, Options: []model.Options{o}, Windows: model.Windows{X: narrow(x), Y: narrow(y)}, Start: []*model.State{start}}
	steps := len(y) / int(batch[0])
	for e := range len(losses) / steps {
		p := model.Plan{Epoch: e, Train: count(len(y)), Batch: int(batch[0])}
		p.LearningRate = slices.Repeat([]float64{rate[0]}, steps)
		c.Epochs = append(c.Epochs, []model.Plan{p})
	}
	return c, flat("after"), losses
}

// followed fails the test unless the reference comes where Keras did.
func followed(t *testing.T, c scenario, after, losses []float64) {
	t.Helper()
	e, err := reference.New(c.Spec, c.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(c.Windows); err != nil {
		t.Fatal(err)
	}
	if err := e.SetState(0, c.Start[0]); err != nil {
		t.Fatal(err)
	}
	step := 0
	for _, plans := range c.Epochs {
		o, err := e.Epoch64(t.Context(), plans)
		if err != nil {
			t.Fatal(err)
		}
		for rows := range slices.Chunk(o[0].Loss, plans[0].Batch) {
			sum := 0.0
			for _, l := range rows {
				sum += l
			}
			if d := math.Abs(sum/float64(len(rows)) - losses[step]); !(d <= 1e-9) {
				t.Errorf("loss of step %d is %v, Keras's %v", step, sum/float64(len(rows)), losses[step])
			}
			step++
		}
	}
	largest := 0.0
	for _, v := range after {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range e.State64(0).Params {
		if d := math.Abs(v - after[i]); !(d <= 1e-9*largest) {
			t.Errorf("parameter %d is %v after %d steps, Keras's %v", i, v, step, after[i])
			return
		}
	}
}

func narrow(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}
