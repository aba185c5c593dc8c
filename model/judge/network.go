package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/keras"
	"vklstm/model/reference"
)

// network is a case of a model file: Keras saved NAME.h5, NAME.keras and NAME_keras2.h5, or some of them, and computed NAME.npz,
// which holds x[N][T][F], y[N], probability[N][C], loss (the mean crossentropy), each trained variable and its gradient "d/…" in
// Keras's order, with dropout off and BatchNormalization by the batch's moments, and moving moments "before/…" and "after/…" it.
type network struct {
	name   string
	spec   model.Spec // without dropout
	chain  model.Chain
	layout model.Layout
	start  []float64 // parameters, flat
	arrays map[string]Array
	loss   model.Loss
}

// networkKind is the Kind of such a case.
const networkKind = "network"

// networks reads a manifest that names networks, NAME → {classes, …}, or returns none where it names something else.
func networks(fsys fs.FS, manifest []byte) ([]*Case, error) {
	var entries map[string]struct {
		Classes int      `json:"classes"`
		Layers  []string `json:"layers"`
	}
	if err := json.Unmarshal(manifest, &entries); err != nil {
		return nil, nil
	}
	names, err := keysOf(manifest)
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, name := range names {
		if entries[name].Classes == 0 {
			return nil, nil
		}
		c := &Case{Name: name, Kind: networkKind, About: strings.Join(entries[name].Layers, ", ")}
		c.read = func() (map[string]Array, error) {
			if !fs.ValidPath(name) || strings.Contains(name, "/") {
				return nil, fmt.Errorf("judge: case name %q is not a file name", name)
			}
			n, err := readNetwork(fsys, name)
			if err != nil {
				return nil, fmt.Errorf("judge: case %s: %w", name, err)
			}
			c.network = n
			return n.arrays, nil
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// readNetwork reads the files of a network, which must all hold the same one.
func readNetwork(fsys fs.FS, name string) (*network, error) {
	n := &network{name: name}
	var err error
	var order []string
	if n.arrays, order, err = readNPZ(fsys, name+".npz"); err != nil {
		return nil, err
	}
	for _, ending := range []string{".h5", ".keras", "_keras2.h5"} {
		data, err := fs.ReadFile(fsys, name+ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f, err := keras.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", name, ending, err)
		}
		if n.start == nil {
			n.spec, n.layout = f.Spec, f.Spec.Layout()
			if n.start, err = startOf(n.arrays, order, n.layout); err != nil {
				return nil, err
			}
		}
		if len(f.Params) != len(n.start) {
			return nil, fmt.Errorf("%s%s holds %d parameters, and another file %d", name, ending, len(f.Params), len(n.start))
		}
		for i, p := range f.Params {
			if p != float32(n.start[i]) {
				return nil, fmt.Errorf("%s%s: parameter %d is %v, in the npz %v", name, ending, i, p, n.start[i])
			}
		}
	}
	if n.start == nil {
		return nil, fmt.Errorf("there is no %s.h5, %s.keras or %s_keras2.h5", name, name, name)
	}
	n.spec.Layers = slices.Clone(n.spec.Layers)
	for i := range n.spec.Layers {
		n.spec.Layers[i].Rate = 0
	}
	if n.chain, err = n.spec.Chain(); err != nil {
		return nil, err
	}
	n.loss = model.Loss{Kind: model.BinaryCrossentropy}
	if n.chain.Classes > 1 {
		n.loss.Kind = model.CategoricalCrossentropy
	}
	rows := len(n.arrays["y"].Data)
	for name, size := range map[string]int{"x": rows * n.chain.T * n.chain.F, "probability": rows * n.chain.Classes, "loss": 1} {
		if len(n.arrays[name].Data) != size || rows == 0 {
			return nil, fmt.Errorf("array %q has %d elements; %d are needed", name, len(n.arrays[name].Data), size)
		}
	}
	return n, nil
}

// startOf returns the parameters, flat in Layout order, and renames the arrays of variables as the layout has them: Keras counts
// layers of one session on, so that names differ from those in the files, but their order does not.
func startOf(arrays map[string]Array, order []string, l model.Layout) ([]float64, error) {
	next := map[string]int{"": 0, "d/": 0, "before/": l.Trained, "after/": l.Trained}
	start := make([]float64, l.Size)
	for _, key := range order {
		if slices.Contains([]string{"x", "y", "probability", "loss"}, key) {
			continue
		}
		prefix := ""
		for _, p := range []string{"d/", "before/", "after/"} {
			if strings.HasPrefix(key, p) {
				prefix = p
			}
		}
		i := next[prefix]
		if i >= len(l.Variables) || !slices.Equal(arrays[key].Shape, l.Variables[i].Shape) {
			return nil, fmt.Errorf("array %q has shape %v, which is none of the network's next variable", key, arrays[key].Shape)
		}
		next[prefix]++
		v := l.Variables[i]
		if prefix == "" || prefix == "before/" {
			copy(start[v.Offset:], arrays[key].Data)
		}
		a := arrays[key]
		delete(arrays, key)
		arrays[prefix+v.Name] = a
	}
	for prefix, end := range map[string]int{"": l.Trained, "d/": l.Trained, "before/": len(l.Variables), "after/": len(l.Variables)} {
		if next[prefix] != end {
			return nil, fmt.Errorf("the npz has not all of the arrays %q…, of each variable", prefix)
		}
	}
	return start, nil
}

func (n *network) wanted() (*Numbers, map[string][]int, error) {
	var o Numbers
	shapes := map[string][]int{}
	take := func(name, key string) {
		o.Put(name, n.arrays[key].Data...)
		shapes[name] = n.arrays[key].Shape
	}
	take("probability", "probability")
	take("loss", "loss")
	for _, v := range n.layout.Variables[:n.layout.Trained] {
		take("d/"+v.Name, "d/"+v.Name)
	}
	for _, v := range n.layout.Variables[n.layout.Trained:] {
		take("after/"+v.Name, "after/"+v.Name)
	}
	return &o, shapes, nil
}

// options are those of a step that moves the moving moments alone.
func (n *network) options() model.Options {
	return model.Options{Loss: n.loss, Optimizer: model.Optimizer{Kind: model.SGD}}
}

func (n *network) runReference(r *reference.Rounding) (*Numbers, error) {
	net, err := reference.NewNetwork(n.spec)
	if err != nil {
		return nil, err
	}
	net.Rounding = r
	x, s := slices.Clone(n.arrays["x"].Data), reference.NewState(n.layout.Size)
	s.Params = slices.Clone(n.start)
	r.Float32(x)
	r.Float32(s.Params)
	b := reference.Batch{X: x, Y: n.arrays["y"].Data}
	for step := range slices.Chunk(narrow(x), n.chain.F) {
		b.Mask = append(b.Mask, !n.chain.Masked || augment.Valid(step, n.chain.MaskValue))
	}
	var o Numbers
	o.Put("probability", net.Forward(s.Params, b.X, b.Mask, reference.Draw{}).Probability...)
	g := net.Step(s, n.options(), b, reference.Draw{Train: true}, 0)
	n.put(&o, g.Mean, g.Grad, s.Params)
	return &o, nil
}

func (n *network) runEngine(f Factory) (*Numbers, error) {
	e, err := f(n.spec, []model.Options{n.options()})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	x, y := narrow(n.arrays["x"].Data), narrow(n.arrays["y"].Data)
	if err := e.Load(model.Windows{X: x, Y: y}); err != nil {
		return nil, err
	}
	start := model.NewState(n.layout.Size)
	start.Params = narrow(n.start)
	if err := e.SetState(0, start); err != nil {
		return nil, err
	}
	var o Numbers
	p, err := e.Predict(context.Background(), 0, x)
	if err != nil {
		return nil, err
	}
	o.Put("probability", Wide(p)...)
	plan := model.Plan{Train: Between(0, len(y)), Batch: len(y), LearningRate: []float64{0}}
	grad, out, err := e.Gradient(0, plan)
	if err != nil {
		return nil, err
	}
	if _, err := e.Epoch(context.Background(), []model.Plan{plan}); err != nil {
		return nil, err
	}
	s, err := e.State(0)
	if err != nil {
		return nil, err
	}
	if len(grad) != n.layout.Size || len(s.Params) != n.layout.Size || len(out.Loss) != len(y) {
		return nil, fmt.Errorf("judge: case %s: the engine returned %d gradients, %d parameters and %d losses", n.name, len(grad), len(s.Params), len(out.Loss))
	}
	n.put(&o, sum(out.Loss)/float64(len(y)), Wide(grad), Wide(s.Params))
	return &o, nil
}

// put puts what a step brought.
func (n *network) put(o *Numbers, loss float64, grad, params []float64) {
	o.Put("loss", loss)
	for i, v := range n.layout.Variables {
		part, name := grad, "d/"+v.Name
		if i >= n.layout.Trained {
			part, name = params, "after/"+v.Name
		}
		o.Put(name, part[v.Offset:v.Offset+v.Size()]...)
	}
}
