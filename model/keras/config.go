package keras

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"vklstm/model"
)

// object is a Keras object as JSON: a class and its settings.
type object struct {
	Class  string          `json:"class_name"`
	Config json.RawMessage `json:"config"`
}

// settings are an object's settings by name.
type settings map[string]json.RawMessage

// get decodes setting name into v, a pointer, and leaves v alone when the setting is missing or null.
func (s settings) get(name string, v any) error {
	raw, ok := s[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return bad("model_config: setting %q is %.60s", name, raw)
	}
	return nil
}

// set says whether a setting is there and other than null, false and 0.
func (s settings) set(name string) bool {
	raw := string(s[name])
	return raw != "" && raw != "null" && raw != "false" && raw != "0" && raw != "0.0"
}

// parseModel turns model_config into a Spec, with what it says of training. Of an ensemble it returns the members' names too.
func parseModel(text string) (spec model.Spec, members []string, t training, err error) {
	var top object
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		return spec, nil, t, bad("model_config is no JSON that Keras writes: %v", jsonReason(err))
	}
	switch top.Class {
	case "Sequential":
		spec, t, err = parseSequential(top.Config, nil)
		return spec, nil, t, err
	case "Functional", "Model":
		return parseFunctional(top.Config)
	}
	return spec, nil, t, unsupported("the model is of class %q; supported is Sequential, Functional with one layer after the other, or as an ensemble %s", top.Class, ensembleForm)
}

// parseSequential turns a Sequential's configuration into a Spec, with what it says of training. shape is that of what it
// reads, where it does not say so itself.
func parseSequential(config, shape json.RawMessage) (model.Spec, training, error) {
	var body struct {
		Layers []object        `json:"layers"`
		Shape  json.RawMessage `json:"build_input_shape"`
	}
	if err := json.Unmarshal(config, &body); err != nil {
		// The first Keras 2 had a bare list.
		if err := json.Unmarshal(config, &body.Layers); err != nil {
			return model.Spec{}, training{}, bad("model_config lists no layers: %v", jsonReason(err))
		}
	}
	if len(body.Shape) > 0 {
		shape = body.Shape
	}
	return parseLayers(body.Layers, shape)
}

// parseLayers turns the layers of a Sequential into a Spec. shape is that of its input, if it is known besides.
func parseLayers(layers []object, shape json.RawMessage) (model.Spec, training, error) {
	var spec model.Spec
	p := parser{shape: shape}
	for i, l := range layers {
		if err := p.layer(i, l); err != nil {
			return spec, training{}, err
		}
	}
	spec.Layers = p.layers
	if err := p.checkSequences(spec); err != nil {
		return spec, training{}, err
	}
	if err := p.inputShape(&spec); err != nil {
		return spec, training{}, err
	}
	seen := map[string]bool{}
	for _, l := range spec.Layers {
		if l.Name == "" {
			return spec, training{}, bad("model_config: a %s layer has no name", l.Kind)
		}
		if seen[l.Name] {
			return spec, training{}, bad("model_config: two layers are named %q", l.Name)
		}
		seen[l.Name] = true
	}
	if _, err := spec.Chain(); err != nil {
		return spec, training{}, unsupported("%s", strings.TrimPrefix(err.Error(), "model: "))
	}
	return spec, p.training(), nil
}

// parser collects what the layers say.
type parser struct {
	layers    []model.Layer
	sequences []bool          // of each layer: it is an LSTM that returns its output at each step
	shape     json.RawMessage // of a batch: [null, T, F]
	ignored   []string
	penalties []penalty // of each kernel
}

// layer adds the i-th layer.
func (p *parser) layer(i int, o object) error {
	s := settings{}
	if len(o.Config) > 0 {
		if err := json.Unmarshal(o.Config, &s); err != nil {
			return bad("model_config: layer %d has no settings: %v", i+1, jsonReason(err))
		}
	}
	l := model.Layer{Kind: model.Kind(o.Class)}
	if err := s.get("name", &l.Name); err != nil {
		return err
	}
	if i == 0 {
		p.shape = inputShape(s, p.shape)
	}
	where := fmt.Sprintf("layer %q (%s)", l.Name, o.Class)
	sequences := false
	var err error
	switch o.Class {
	case "InputLayer":
		if i > 0 {
			return unsupported("%s stands after other layers; supported is one input", where)
		}
		return nil
	case "Masking":
		err = s.get("mask_value", &l.MaskValue)
	case "LSTM":
		var c cell
		c, err = p.lstm(where, s)
		if err == nil && c.zeros && (!c.sequences || c.backwards) {
			err = unsupported("%s has zero_output_for_mask=True; supported is False", where)
		}
		l.Units, l.Activation, l.GoBackwards, sequences = c.units, c.named(), c.backwards, c.sequences
	case "Bidirectional":
		var c cell
		c, l.Merge, err = p.bidirectional(where, s)
		l.Kind, l.Bidirectional, l.Units, l.Activation, sequences = model.LSTM, true, c.units, c.named(), c.sequences
	case "Dropout":
		if _, ok := s["rate"]; !ok {
			return bad("model_config: %s has no rate", where)
		}
		err = s.get("rate", &l.Rate)
	case "BatchNormalization":
		l.Momentum, l.Epsilon = 0.99, 1e-3
		err = normalization(where, s, &l)
	case "Activation":
		return p.activation(where, s)
	case "Dense":
		if l.Activation, err = activation(where, s, "activation", model.Linear); err == nil {
			l.Units, err = units(where, s)
		}
		if err == nil {
			err = needsBias(where, s)
		}
	default:
		return unsupported("%s is no layer that this program runs; %s", where, model.Supported)
	}
	if err != nil {
		return err
	}
	p.trains(o.Class, where, s)
	p.layers, p.sequences = append(p.layers, l), append(p.sequences, sequences)
	return nil
}

// inputShape returns the shape of a batch that a layer's settings give, else the one given.
func inputShape(s settings, shape json.RawMessage) json.RawMessage {
	for _, name := range []string{"batch_input_shape", "batch_shape"} {
		if raw, ok := s[name]; ok {
			shape = raw
		}
	}
	return shape
}

// cell is what an LSTM's settings say beside that it computes as this program's does.
type cell struct {
	units     int
	act       model.Activation
	backwards bool // go_backwards
	sequences bool // return_sequences
	zeros     bool // zero_output_for_mask
}

// named returns the activation as a Layer has it, tanh as "".
func (c cell) named() model.Activation {
	if c.act == model.Tanh {
		return ""
	}
	return c.act
}

// lstm checks that an LSTM layer computes what this program's does.
func (p *parser) lstm(where string, s settings) (cell, error) {
	var c cell
	var err error
	if c.act, err = activation(where, s, "activation", model.Tanh); err != nil {
		return c, err
	}
	if c.act != model.Tanh && c.act != model.Relu {
		return c, unsupported("%s has activation %q; supported are \"tanh\" and \"relu\"", where, c.act)
	}
	if gates, err := activation(where, s, "recurrent_activation", model.Sigmoid); err != nil {
		return c, err
	} else if gates != model.Sigmoid {
		return c, unsupported("%s has recurrent_activation %q; supported is \"sigmoid\"", where, gates)
	}
	for _, name := range []string{"return_state", "stateful", "time_major"} {
		on := false
		if err := s.get(name, &on); err != nil {
			return c, err
		}
		if on {
			return c, unsupported("%s has %s=True; supported is False", where, name)
		}
	}
	for name, to := range map[string]*bool{"go_backwards": &c.backwards, "return_sequences": &c.sequences, "zero_output_for_mask": &c.zeros} {
		if err := s.get(name, to); err != nil {
			return c, err
		}
	}
	if err := needsBias(where, s); err != nil {
		return c, err
	}
	c.units, err = units(where, s)
	return c, err
}

// truth writes a truth value as Python does.
func truth(on bool) string {
	if on {
		return "True"
	}
	return "False"
}

// bidirectional checks that a Bidirectional layer is two LSTMs of the same size, one in each direction, and returns how their
// outputs are merged. Keras 2 names the forward one alone, and makes the backward one like it. Their
// zero_output_for_mask does not count: Keras sets it to return_sequences, and what an LSTM after gets in a masked step
// it does not use.
func (p *parser) bidirectional(where string, s settings) (cell, model.Merge, error) {
	mode := model.Merge("null")
	if raw, ok := s["merge_mode"]; !ok {
		mode = model.Concat
	} else if json.Unmarshal(raw, &mode) != nil {
		mode = model.Merge(raw)
	}
	fail := func(err error) (cell, model.Merge, error) { return cell{}, "", err }
	switch mode {
	case model.Concat:
		mode = "" // as a Layer has it
	case model.Sum, model.Average, model.Product:
	default:
		return fail(unsupported("%s has merge_mode %q; supported are \"concat\", \"sum\", \"ave\" and \"mul\"", where, mode))
	}
	var both []cell
	for _, d := range []struct{ key, name string }{{"layer", "forward"}, {"backward_layer", "backward"}} {
		raw, ok := s[d.key]
		if backward := d.name == "backward"; backward && (!ok || string(raw) == "null") {
			break
		}
		var o object
		inner, of := settings{}, fmt.Sprintf("the %s layer of %s", d.name, where)
		if json.Unmarshal(raw, &o) != nil || json.Unmarshal(o.Config, &inner) != nil {
			return fail(bad("model_config: %s has no settings", of))
		}
		if o.Class != "LSTM" {
			return fail(unsupported("%s is of class %q; supported is LSTM", of, o.Class))
		}
		c, err := p.lstm(of, inner)
		if err != nil {
			return fail(err)
		}
		if c.backwards != (d.name == "backward") {
			return fail(unsupported("%s has go_backwards=%s; supported is %s", of, truth(c.backwards), truth(!c.backwards)))
		}
		p.trains(o.Class, of, inner)
		both = append(both, c)
	}
	forward, backward := both[0], both[len(both)-1]
	if forward.units != backward.units || forward.sequences != backward.sequences || forward.act != backward.act {
		return fail(unsupported("%s has a backward layer that differs from the forward one; supported is the same units, activation and return_sequences", where))
	}
	return forward, mode, nil
}

// normalization sets a BatchNormalization's numbers, and checks that it is one over the last axis with gamma and beta.
func normalization(where string, s settings, l *model.Layer) error {
	for name, want := range map[string]bool{"center": true, "scale": true, "renorm": false} {
		on := want
		if err := s.get(name, &on); err != nil {
			return err
		}
		if on != want {
			return unsupported("%s has %s=%s; supported is %s", where, name, truth(on), truth(want))
		}
	}
	if s.set("virtual_batch_size") {
		return unsupported("%s has a virtual_batch_size; supported is None", where)
	}
	if raw, ok := s["axis"]; ok {
		var axis float64
		var axes []float64
		if json.Unmarshal(raw, &axis) != nil && json.Unmarshal(raw, &axes) == nil && len(axes) == 1 {
			axis = axes[0]
		}
		if axis != -1 && axis != 1 && axis != 2 {
			return unsupported("%s has axis %.60s; supported is -1", where, raw)
		}
	}
	if err := s.get("momentum", &l.Momentum); err != nil {
		return err
	}
	return s.get("epsilon", &l.Epsilon)
}

// activation takes an Activation layer as that of the Dense layer before it.
func (p *parser) activation(where string, s settings) error {
	a, err := activation(where, s, "activation", model.Linear)
	if err != nil {
		return err
	}
	if n := len(p.layers); n > 0 && p.layers[n-1].Kind == model.Dense && p.layers[n-1].Activation == model.Linear {
		p.layers[n-1].Activation = a
		return nil
	}
	return unsupported("%s does not stand after a Dense layer without activation; give the layer before it activation=%q", where, a)
}

// checkSequences checks that the LSTMs hand on what the layers after them take: all but the last their output at each
// step, the last its last one.
func (p *parser) checkSequences(spec model.Spec) error {
	for i, l := range spec.Layers {
		if l.Kind == model.LSTM && p.sequences[i] != spec.ReturnsSequences(i) {
			return unsupported("layer %q has return_sequences=%s; supported is True where another LSTM comes after it, else False", l.Name, truth(p.sequences[i]))
		}
	}
	return nil
}

// needsBias returns an error for a layer without bias.
func needsBias(where string, s settings) error {
	bias := true
	if err := s.get("use_bias", &bias); err != nil {
		return err
	}
	if !bias {
		return unsupported("%s has use_bias=False; supported is True", where)
	}
	return nil
}

func units(where string, s settings) (int, error) {
	n := 0.0
	if err := s.get("units", &n); err != nil {
		return 0, err
	}
	if n != math.Trunc(n) || n < 1 || n > 1<<24 {
		return 0, bad("model_config: %s has %v units", where, n)
	}
	return int(n), nil
}

// activation returns the name of an activation, given as a string or as an object.
func activation(where string, s settings, name string, missing model.Activation) (model.Activation, error) {
	raw, ok := s[name]
	if !ok {
		return missing, nil
	}
	var a model.Activation
	if json.Unmarshal(raw, &a) == nil && a != "" {
		return a, nil
	}
	if string(raw) == "null" {
		return "linear", nil
	}
	var o object
	if json.Unmarshal(raw, &o) == nil && o.Class == "function" && json.Unmarshal(o.Config, &a) == nil {
		return a, nil
	}
	return "", unsupported("%s has the %s %.60s, which is none of Keras's names", where, name, raw)
}

// inputShape sets T and F.
func (p *parser) inputShape(spec *model.Spec) error {
	var shape []*float64
	if len(p.shape) == 0 || json.Unmarshal(p.shape, &shape) != nil || len(shape) != 3 {
		return unsupported("the model's input has shape %.60s; build it with Input((timesteps, features))", orNone(p.shape))
	}
	for i, to := range []*int{&spec.Timesteps, &spec.Features} {
		d := shape[i+1]
		if d == nil {
			return unsupported("the model takes inputs of any size, shape %.60s; build it with Input((timesteps, features))", p.shape)
		}
		if *d != math.Trunc(*d) || *d < 1 || *d > 1<<24 {
			return bad("model_config: the model's input has shape %.60s", p.shape)
		}
		*to = int(*d)
	}
	return nil
}

func orNone(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "none"
	}
	return string(raw)
}
