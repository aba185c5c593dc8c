package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/model/reference"
)

// clip is where Keras-style custom losses clip the probability.
const clip = 1e-7

// NotOurs returns why the case is not this program's semantics, or "" when it is. It goes by what the case holds, not
// by its name. A case whose arrays cannot be read is ours: checking it says what is wrong.
func (c *Case) NotOurs() string {
	if c.own != nil || c.Kind == networkKind {
		return ""
	}
	switch c.Kind {
	case "gradient":
	case "optimizer", "trajectory":
		if len(c.unknown) > 0 {
			slices.Sort(c.unknown)
			return fmt.Sprintf("not ours: the manifest gives %s, which this program does not know", strings.Join(c.unknown, ", "))
		}
		if !slices.Contains([]string{"adam", "adamw", "sgd"}, strings.ToLower(c.Optimizer)) {
			return fmt.Sprintf("not ours: unknown optimizer %s", c.Optimizer)
		}
		if err := c.options().Check(1, 1); err != nil {
			return fmt.Sprintf("not ours: %v", err)
		}
	default:
		return fmt.Sprintf("not ours: unknown kind %s", c.Kind)
	}
	switch c.Loss {
	case "bce", "keras_focal", "focal":
	case "bce_clipped":
		return "not ours: the loss is taken from a clipped probability; here it is taken from the logit"
	case "focal_scalar":
		return "not ours: the loss returns one number for the batch, so weights only act by their mean; here each row has its own"
	default:
		return fmt.Sprintf("not ours: unknown loss %s", c.Loss)
	}
	arrays, err := c.Arrays()
	if err != nil {
		return ""
	}
	for _, name := range []string{"x", "val_x"} {
		for _, v := range arrays[name].Data {
			if math.IsNaN(v) {
				return "not ours: x holds NaN, which Keras computes with; here it is a missing value"
			}
			if math.IsInf(v, 0) {
				return "not ours: x holds infinities, which are refused here"
			}
		}
	}
	if c.Loss == "focal" {
		limit := math.Log((1 - clip) / clip) // 16.118
		for _, z := range c.logits(arrays) {
			if math.Abs(z) > limit {
				return fmt.Sprintf("not ours: the loss clips the probability, which a logit of %.4g meets; here nothing is clipped", z)
			}
		}
	}
	return ""
}

// logits returns every logit whose loss the case holds, as far as they can be told from its arrays.
func (c *Case) logits(arrays map[string]Array) []float64 {
	var z []float64
	z = append(z, arrays["logit"].Data...)
	for _, name := range []string{"probability", "val_probability"} {
		if len(arrays["logit"].Data) == 0 {
			for _, p := range arrays[name].Data {
				z = append(z, math.Log(p/(1-p)))
			}
		}
	}
	return z
}

// options returns the case's loss and optimizer.
func (c *Case) options() model.Options {
	o := model.Options{Loss: model.Loss{Kind: model.BinaryCrossentropy}, Optimizer: c.adam}
	if c.Loss != "bce" {
		o.Loss = model.Loss{Kind: model.BinaryFocal, Alpha: c.Alpha, Gamma: c.Gamma}
	}
	if strings.ToLower(c.Optimizer) == "sgd" {
		o.Optimizer.Kind = model.SGD
	}
	return o
}

// problem is a case of Keras's with its arrays in the form that programs run it in.
type problem struct {
	*Case
	spec    model.Spec
	chain   model.Chain
	layout  model.Layout
	options model.Options
	start   []float64 // parameters, flat
	arrays  map[string]Array
}

// problem checks the shapes of the case's arrays. The error says what is missing.
func (c *Case) problem() (*problem, error) {
	arrays, err := c.Arrays()
	if err != nil {
		return nil, err
	}
	p := &problem{Case: c, options: c.options(), arrays: arrays}
	fail := func(format string, a ...any) (*problem, error) {
		return nil, fmt.Errorf("judge: case %s: %s", c.Name, fmt.Sprintf(format, a...))
	}
	size := func(name string, dim, rank int) int {
		if s := arrays[name].Shape; len(s) == rank {
			return s[dim]
		}
		return 0
	}
	rank := 3
	if c.Kind == "optimizer" {
		rank = 4
	}
	T, F := size("x", rank-2, rank), size("x", rank-1, rank)
	if len(c.Layers) == 0 {
		H, D := size("lstm/recurrent_kernel", 0, 2), size("dense/kernel", 1, 2)
		if T*F*H*D == 0 {
			return fail("it needs x[…][T][F], lstm/recurrent_kernel[H][4H] and dense/kernel[H][D], and has x%v, %v and %v",
				arrays["x"].Shape, arrays["lstm/recurrent_kernel"].Shape, arrays["dense/kernel"].Shape)
		}
		p.spec = model.Classifier(T, F, H, 0, D)
	} else {
		p.spec = c.stack(T, F)
	}
	if p.chain, err = p.spec.Chain(); err != nil {
		return fail("%v", err)
	}
	p.layout = p.spec.Layout()
	if p.arrays, err = part(arrays, p.layout); err != nil {
		return fail("%v", err)
	}
	arrays = p.arrays

	rows := len(arrays["x"].Data) / (T * F)
	need := map[string]int{"y": rows}
	prefixes := []string{""}
	switch c.Kind {
	case "gradient":
		for _, n := range []string{"logit", "probability", "loss_rows"} {
			need[n] = rows
		}
		need["loss"] = 1
		if c.Weighted {
			need["sample_weight"] = rows
		}
		prefixes = append(prefixes, "d/")
	case "optimizer":
		need["learning_rate"] = size("x", 0, 4)
		for k := range size("x", 0, 4) {
			step := fmt.Sprintf("step%d/", k+1)
			need[step+"loss"] = 1
			prefixes = append(prefixes, step, step+"d/", step+"m/", step+"v/")
		}
	case "trajectory":
		if c.Epochs < 1 || c.Batch < 1 {
			return fail("%d epochs of batches of %d; the manifest must give both", c.Epochs, c.Batch)
		}
		val := len(arrays["val_x"].Data) / (T * F)
		need["val_x"], need["val_y"] = val*T*F, val
		need["probability"], need["val_probability"] = c.Epochs*rows, c.Epochs*val
		if _, ok := arrays["learning_rate"]; ok {
			need["learning_rate"] = c.Epochs * ((rows + c.Batch - 1) / c.Batch)
		}
		prefixes = append(prefixes, "final/")
		for name := range arrays {
			if strings.HasPrefix(name, "history/") {
				need[name] = c.Epochs
			}
		}
	}
	for _, prefix := range prefixes {
		for _, v := range p.layout.Variables {
			need[prefix+v.Name] = v.Size()
		}
	}
	for name, n := range need {
		a, ok := arrays[name]
		if !ok {
			return fail("array %q is missing", name)
		}
		if len(a.Data) != n {
			return fail("array %q has %d elements; %d are needed", name, len(a.Data), n)
		}
	}
	if rows == 0 {
		return fail("x holds no rows")
	}
	p.start = p.flat("")
	return p, nil
}

// stack returns the Spec of a case whose manifest lists its layers.
func (c *Case) stack(timesteps, features int) model.Spec {
	s := model.Classifier(timesteps, features, 1, 0, c.Shape["D"])
	layers := []model.Layer{s.Layers[0]}
	for _, l := range c.Layers {
		layers = append(layers, model.Layer{Kind: model.LSTM, Name: l.Name, Units: l.Units, Bidirectional: l.Bidirectional})
	}
	s.Layers = append(layers, s.Layers[2:]...)
	return s
}

// part returns the arrays with each PREFIX* as what it stands for: PREFIX+NAME of every variable, in Layout order. An
// array PREFIX*SUFFIX is parted too.
func part(arrays map[string]Array, l model.Layout) (map[string]Array, error) {
	out := map[string]Array{}
	for name, a := range arrays {
		prefix, suffix, ok := strings.Cut(name, "*")
		if !ok {
			out[name] = a
			continue
		}
		if len(a.Data) != l.Size {
			return nil, fmt.Errorf("array %q has %d elements; the network has %d parameters", name, len(a.Data), l.Size)
		}
		for _, v := range l.Variables {
			out[prefix+v.Name+suffix] = Array{Shape: v.Shape, Data: a.Data[v.Offset : v.Offset+v.Size()]}
		}
	}
	return out, nil
}

// rates returns the learning rate of each of an epoch's steps in a trajectory.
func (p *problem) rates(epoch, steps int) []float64 {
	if a, ok := p.arrays["learning_rate"]; ok {
		return a.Data[epoch*steps : (epoch+1)*steps]
	}
	return slices.Repeat([]float64{p.Rate}, steps)
}

// flat returns the arrays PREFIX+NAME of all variables, flat in Layout order.
func (p *problem) flat(prefix string) []float64 {
	var out []float64
	for _, v := range p.layout.Variables {
		out = append(out, p.arrays[prefix+v.Name].Data...)
	}
	return out
}

// state returns the state after step k of an optimizer case; k = 0: the start.
func (p *problem) state(k int) *reference.State {
	s := reference.NewState(p.layout.Size)
	s.Params, s.Step = slices.Clone(p.start), k
	if k > 0 {
		step := fmt.Sprintf("step%d/", k)
		s.Params, s.M, s.V = p.flat(step), p.flat(step+"m/"), p.flat(step+"v/")
	}
	return s
}

// weight returns the weight of every row of a trajectory by its label, nil without class weights. As in Keras, a
// label without a weight has 1.
func (p *problem) weight() []float64 {
	if len(p.ClassWeight) == 0 {
		return nil
	}
	w := make([]float64, len(p.arrays["y"].Data))
	for i, y := range p.arrays["y"].Data {
		w[i] = 1
		if v, ok := p.ClassWeight[fmt.Sprint(int(math.Round(y)))]; ok {
			w[i] = v
		}
	}
	return w
}
