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
		return parseEnsemble(top.Config)
	}
	return spec, nil, t, unsupported("the model is of class %q; supported is Sequential, or as an ensemble %s", top.Class, ensembleForm)
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

// supported says in errors which models are read.
const supported = "Sequential with Masking(0.0), LSTM or Bidirectional(LSTM), one or several, Dropout, Dense(relu), Dense(1, sigmoid)"

// parseLayers turns the layers of a Sequential into a Spec. shape is that of its input, if it is known besides.
func parseLayers(layers []object, shape json.RawMessage) (model.Spec, training, error) {
	var spec model.Spec
	p := parser{shape: shape}
	for i, l := range layers {
		if err := p.layer(i, l); err != nil {
			return spec, training{}, err
		}
	}
	if err := p.checkSequences(); err != nil {
		return spec, training{}, err
	}
	spec.Layers = p.withDropout()
	if len(spec.Layers) == 0 || spec.Layers[0].Kind != model.Masking {
		return spec, training{}, unsupported("the model has no Masking layer in front; build it as %s", supported)
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
		mask := 0.0
		if err = s.get("mask_value", &mask); err == nil && mask != 0 {
			err = unsupported("%s has mask_value %v; supported is 0.0", where, mask)
		}
	case "LSTM":
		var c cell
		c, err = p.lstm(where, s, false)
		if err == nil && c.zeros && !c.sequences {
			err = unsupported("%s has zero_output_for_mask=True; supported is False", where)
		}
		l.Units, sequences = c.units, c.sequences
	case "Bidirectional":
		var c cell
		c, err = p.bidirectional(where, s)
		l.Kind, l.Bidirectional, l.Units, sequences = model.LSTM, true, c.units, c.sequences
	case "Dropout":
		if _, ok := s["rate"]; !ok {
			return bad("model_config: %s has no rate", where)
		}
		err = s.get("rate", &l.Rate)
	case "Dense":
		if l.Activation, err = activation(where, s, "activation", "linear"); err == nil {
			l.Units, err = units(where, s)
		}
		if err == nil {
			err = needsBias(where, s)
		}
	default:
		return unsupported("%s is no layer that this program runs; supported is %s", where, supported)
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
	sequences bool // return_sequences
	zeros     bool // zero_output_for_mask
}

// lstm checks that an LSTM layer computes what this program's does, backwards where that is asked for.
func (p *parser) lstm(where string, s settings, backwards bool) (cell, error) {
	var c cell
	for _, a := range [][2]string{{"activation", "tanh"}, {"recurrent_activation", "sigmoid"}} {
		name, want := a[0], a[1]
		if got, err := activation(where, s, name, want); err != nil {
			return c, err
		} else if got != want {
			return c, unsupported("%s has %s %q; supported is %q", where, name, got, want)
		}
	}
	for _, name := range []string{"go_backwards", "return_state", "stateful", "time_major"} {
		on, want := false, backwards && name == "go_backwards"
		if err := s.get(name, &on); err != nil {
			return c, err
		}
		if on != want {
			return c, unsupported("%s has %s=%s; supported is %s", where, name, truth(on), truth(want))
		}
	}
	if err := s.get("return_sequences", &c.sequences); err != nil {
		return c, err
	}
	if err := s.get("zero_output_for_mask", &c.zeros); err != nil {
		return c, err
	}
	if err := needsBias(where, s); err != nil {
		return c, err
	}
	var err error
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

// bidirectional checks that a Bidirectional layer is two LSTMs of the same size, one in each direction, whose outputs
// are concatenated. Keras 2 names the forward one alone, and makes the backward one like it. Their
// zero_output_for_mask does not count: Keras sets it to return_sequences, and what an LSTM after gets in a masked step
// it does not use.
func (p *parser) bidirectional(where string, s settings) (cell, error) {
	mode := "null"
	if raw, ok := s["merge_mode"]; !ok {
		mode = "concat"
	} else if json.Unmarshal(raw, &mode) != nil {
		mode = string(raw)
	}
	if mode != "concat" {
		return cell{}, unsupported("%s has merge_mode %q; supported is \"concat\"", where, mode)
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
			return cell{}, bad("model_config: %s has no settings", of)
		}
		if o.Class != "LSTM" {
			return cell{}, unsupported("%s is of class %q; supported is LSTM", of, o.Class)
		}
		c, err := p.lstm(of, inner, d.name == "backward")
		if err != nil {
			return cell{}, err
		}
		p.trains(o.Class, of, inner)
		both = append(both, c)
	}
	forward, backward := both[0], both[len(both)-1]
	if forward.units != backward.units || forward.sequences != backward.sequences {
		return cell{}, unsupported("%s has a backward layer that differs from the forward one; supported is the same units and return_sequences", where)
	}
	return forward, nil
}

// checkSequences checks that the LSTMs hand on what the layers after them take: all but the last their output at each
// step, the last its last one.
func (p *parser) checkSequences() error {
	for i, l := range p.layers {
		if l.Kind != model.LSTM {
			continue
		}
		want := i+1 < len(p.layers) && p.layers[i+1].Kind == model.LSTM
		if got := p.sequences[i]; got != want {
			return unsupported("layer %q has return_sequences=%s; supported is True in front of an LSTM, else False", l.Name, truth(got))
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
func activation(where string, s settings, name, missing string) (string, error) {
	raw, ok := s[name]
	if !ok {
		return missing, nil
	}
	var a string
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

// withDropout returns the layers with a Dropout of rate 0 after the last LSTM if a Dense layer stands there.
func (p *parser) withDropout() []model.Layer {
	var out []model.Layer
	for i, l := range p.layers {
		if i > 0 && p.layers[i-1].Kind == model.LSTM && l.Kind == model.Dense {
			out = append(out, model.Layer{Kind: model.Dropout, Name: p.free("dropout")})
		}
		out = append(out, l)
	}
	return out
}

// free returns a name that no layer has.
func (p *parser) free(name string) string {
	for try, i := name, 1; ; try, i = fmt.Sprintf("%s_%d", name, i), i+1 {
		taken := false
		for _, l := range p.layers {
			taken = taken || l.Name == try
		}
		if !taken {
			return try
		}
	}
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
