package keras

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// ensembleForm says in errors which Functional models are read.
const ensembleForm = "one Input, Sequentials of one form that each read it, and the Average of them all"

// functional is the configuration of a Functional model.
type functional struct {
	Layers []struct {
		object
		Name    string          `json:"name"`
		Inbound json.RawMessage `json:"inbound_nodes"`
	} `json:"layers"`
	Inputs  json.RawMessage `json:"input_layers"`
	Outputs json.RawMessage `json:"output_layers"`
}

// parseFunctional turns the configuration of a Functional model, one layer after the other or an ensemble, into a Spec, as
// parseModel.
func parseFunctional(config json.RawMessage) (spec model.Spec, members []string, t training, err error) {
	var body functional
	if err := json.Unmarshal(config, &body); err != nil {
		return spec, nil, t, bad("model_config lists no layers: %v", jsonReason(err))
	}
	for _, l := range body.Layers {
		if l.Class == "Sequential" || l.Class == "Average" {
			return parseEnsemble(body)
		}
	}
	spec, t, err = parseChain(body)
	return spec, nil, t, err
}

// parseChain turns a Functional model whose layers each read the one before into a Spec.
func parseChain(body functional) (model.Spec, training, error) {
	refuse := func(format string, args ...any) (model.Spec, training, error) {
		return model.Spec{}, training{}, unsupported("the model is Functional, and %s; supported is one layer after the other, or as an ensemble %s",
			fmt.Sprintf(format, args...), ensembleForm)
	}
	var layers []object
	before := ""
	mask := "" // the last of the operations that Keras 3.15 and later write for the mask of a Masking beside it
	for _, l := range body.Layers {
		from, ok := inbound(l.Inbound)
		if of, isMask := masks(l.Class, l.Inbound); isMask && (l.Class == "NotEqual" && len(layers) == 1 && of == before || l.Class == "Any" && of == mask) {
			mask = l.Name
			continue
		}
		switch {
		case l.Class == "InputLayer" && before != "":
			return refuse("has two inputs, or one after other layers, %q", l.Name)
		case l.Class != "InputLayer" && before == "":
			return refuse("begins with %q (%s)", l.Name, l.Class)
		case l.Class != "InputLayer" && (!ok || len(from) != 1 || from[0] != before):
			return refuse("%q (%s) does not read %q alone", l.Name, l.Class, before)
		}
		layers, before = append(layers, l.object), l.Name
	}
	if outputs, ok := references(body.Outputs, 3); !ok || len(outputs) != 1 || outputs[0] != before {
		return refuse("its output is %q", outputs)
	}
	if mask != "" && (len(layers) < 2 || layers[1].Class != "Masking") {
		return refuse("makes a mask %q, and has no Masking", mask)
	}
	return parseLayers(layers, nil)
}

// masks returns what an operation reads that makes a mask: NotEqual of a tensor and a number, or Any of what that says.
func masks(class string, inbound json.RawMessage) (of string, ok bool) {
	var nodes []struct {
		Args []json.RawMessage `json:"args"`
	}
	if class != "NotEqual" && class != "Any" || json.Unmarshal(inbound, &nodes) != nil || len(nodes) != 1 || len(nodes[0].Args) == 0 {
		return "", false
	}
	from, ok := references(nodes[0].Args[0], 3)
	if !ok || len(from) != 1 {
		return "", false
	}
	return from[0], true
}

// parseEnsemble turns a Functional model into the Spec of its members, with what it says of training,
// and returns their names in the order in which they are averaged, which is that of their weights too.
func parseEnsemble(body functional) (spec model.Spec, members []string, t training, err error) {
	refuse := func(format string, args ...any) error {
		return unsupported("the model is Functional, and %s; supported is Sequential, or as an ensemble %s", fmt.Sprintf(format, args...), ensembleForm)
	}
	input, average := "", ""
	var shape json.RawMessage // of the input
	var averaged []string
	for _, l := range body.Layers {
		from, ok := inbound(l.Inbound)
		switch l.Class {
		case "InputLayer":
			if input != "" {
				return spec, nil, t, refuse("has two inputs, %q and %q", input, l.Name)
			}
			input = l.Name
			s := settings{}
			if json.Unmarshal(l.Config, &s) == nil {
				shape = inputShape(s, nil)
			}
		case "Sequential":
			if !ok || len(from) != 1 || from[0] != input || input == "" {
				return spec, nil, t, refuse("%q does not read its input alone", l.Name)
			}
			one, more, err := parseSequential(l.Config, shape)
			if err != nil {
				return spec, nil, t, fmt.Errorf("member %q: %w", l.Name, err)
			}
			if len(members) == 0 {
				spec = one
			}
			if !sameForm(spec, one) {
				return spec, nil, t, refuse("%q differs in its layers from %q", l.Name, members[0])
			}
			if len(members) == MaxMembers {
				return spec, nil, t, refuse("has more than %d members", MaxMembers)
			}
			if len(members) == 0 {
				t.l2 = more.l2
			} else if more.l2 != t.l2 {
				more.ignored = append(more.ignored, fmt.Sprintf("its L2 penalty of %v is not %v as that of %q, and not kept", more.l2, t.l2, members[0]))
			}
			for _, what := range more.ignored {
				t.ignored = append(t.ignored, fmt.Sprintf("member %q: %s", l.Name, what))
			}
			members = append(members, l.Name)
		case "Average":
			if average != "" || !ok {
				return spec, nil, t, refuse("has more than one Average")
			}
			average, averaged = l.Name, from
		default:
			return spec, nil, t, refuse("has a layer %q (%s)", l.Name, l.Class)
		}
	}
	outputs, ok := references(body.Outputs, 3)
	switch {
	case len(members) == 0 || average == "":
		return spec, nil, t, refuse("holds no Average of Sequentials")
	case !slices.Equal(averaged, members):
		return spec, nil, t, refuse("%q averages %q", average, averaged)
	case !ok || len(outputs) != 1 || outputs[0] != average:
		return spec, nil, t, refuse("its output is %q", outputs)
	}
	return spec, members, t, nil
}

// sameForm reports whether two networks differ in the names of their layers alone, and in what only training uses.
func sameForm(a, b model.Spec) bool {
	plain := func(s model.Spec) model.Spec {
		s.Layers = slices.Clone(s.Layers)
		for i := range s.Layers {
			s.Layers[i].Name, s.Layers[i].Rate = "", 0
		}
		return s
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// inbound returns the names of the layers that a layer reads, in order: those of its only node. Keras 2 writes
// [[["name", 0, 0, {}], …]], Keras 3 [{"args": …}] with objects that hold ["name", 0, 0].
func inbound(raw json.RawMessage) ([]string, bool) {
	var nodes []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &nodes) != nil || len(nodes) != 1 {
		return nil, false
	}
	var node struct {
		Args json.RawMessage `json:"args"`
	}
	if json.Unmarshal(nodes[0], &node) == nil {
		return references(node.Args, 3)
	}
	return references(nodes[0], 3)
}

// references returns the names in a tensor ["name", 0, 0], with or without call settings after, or in a list of such,
// or of lists or objects around them, `depth` levels deep.
func references(raw json.RawMessage, levels int) ([]string, bool) {
	var tensor struct {
		Class  string `json:"class_name"`
		Config struct {
			History json.RawMessage `json:"keras_history"`
		} `json:"config"`
	}
	if json.Unmarshal(raw, &tensor) == nil && tensor.Class == "__keras_tensor__" {
		raw = tensor.Config.History
	}
	var list []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil || len(list) == 0 || levels == 0 {
		return nil, false
	}
	var name string
	if json.Unmarshal(list[0], &name) == nil {
		return []string{name}, len(list) == 3 || len(list) == 4
	}
	var names []string
	for _, l := range list {
		more, ok := references(l, levels-1)
		if !ok {
			return nil, false
		}
		names = append(names, more...)
	}
	return names, true
}

// ensembleArrays returns the arrays of model_weights of each member, one per variable.
func ensembleArrays(root *hdf5.Object, spec model.Spec, members []string) ([][]*hdf5.Object, error) {
	weights, err := root.Child("model_weights")
	if err != nil {
		return nil, err
	}
	n := len(spec.Layout().Variables)
	var all [][]*hdf5.Object
	for _, name := range members {
		group, err := weights.Child(name)
		if err != nil {
			return nil, err
		}
		arrays, err := named(group)
		if err != nil {
			return nil, err
		}
		if len(arrays) != n {
			return nil, bad("member %q has %d arrays; its configuration needs %d", name, len(arrays), n)
		}
		all = append(all, arrays) // of a model in a model first all that are trained, as in the Layout
	}
	return all, nil
}

// readMembers sets Params and Others from the arrays of each member.
func (f *File) readMembers(all [][]*hdf5.Object) error {
	for k, arrays := range all {
		what := ""
		if len(all) > 1 {
			what = fmt.Sprintf("member %d: ", k+1)
		}
		params, err := readVariables(f.Spec.Layout().Variables, arrays, what)
		if err != nil {
			return err
		}
		if k == 0 {
			f.Params = params
		} else {
			f.Others = append(f.Others, params)
		}
	}
	return nil
}
