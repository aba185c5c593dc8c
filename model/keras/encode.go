package keras

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// version is the keras_version that is written: the one whose reading of the file was tested. Keras 2 takes a file
// without it for one of Keras 1 and would rearrange the weights.
const version = "3.15.1"

// inputName is the name of the input layer, averageName that of an ensemble's last one.
const (
	inputName   = "input_layer"
	averageName = "average"
)

// MaxMembers bounds the members of an ensemble in one file, whose configuration HDF5 holds up to 64 KiB.
const MaxMembers = 64

// memberName is the name of member k of an ensemble, from 0.
func memberName(k int) string { return fmt.Sprintf("member_%d", k+1) }

// WriteH5 writes what Encode returns to w.
func WriteH5(w io.Writer, f *File) error {
	data, err := Encode(f)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("keras: write the model: %w", err)
	}
	return nil
}

// Encode returns f as an .h5 file that Keras 2 and Keras 3 open; the same f gives the same bytes. With a Loss the file is compiled: both go on training with Adam at LearningRate, with fresh moments.
// The error says what of f cannot be written: a network that Spec.Chain refuses, more than MaxMembers members,
// parameters that are not finite or not as many as the Spec's (it then wraps model.ErrShape), names or Extra values that
// HDF5 cannot hold (64 KiB each).
func Encode(f *File) ([]byte, error) {
	data, err := encode(f)
	if err != nil {
		return nil, fmt.Errorf("keras: write the model: %w", err)
	}
	return data, nil
}

func encode(f *File) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	layout := f.Spec.Layout()
	members := append([][]float32{f.Params}, f.Others...)
	config, err := modelConfig(f.Spec, len(members))
	if err != nil {
		return nil, err
	}
	root := &hdf5.Group{}
	stamp := func(g *hdf5.Group) {
		g.SetString("keras_version", version)
		g.SetString("backend", "tensorflow")
	}
	stamp(root)
	root.SetString("model_config", config)
	if f.Loss.Kind != "" {
		training, err := trainingConfig(f)
		if err != nil {
			return nil, err
		}
		root.SetString("training_config", training)
	}
	var extra []string
	for name := range f.Extra {
		if slices.Contains(ownAttributes, name) {
			return nil, fmt.Errorf("extra attribute %q is Keras's own", name)
		}
		extra = append(extra, name)
	}
	sort.Strings(extra)
	for _, name := range extra {
		root.SetString(name, f.Extra[name])
	}
	weights := root.Group("model_weights")
	stamp(weights)
	var names []string
	group := func(name string, variables []string) {
		names = append(names, name)
		weights.Group(name).SetStrings("weight_names", variables)
	}
	if len(members) == 1 {
		for _, l := range f.Spec.Layers {
			group(l.Name, writeLayer(weights.Group(l.Name), l, layout, f.Params))
		}
	} else {
		group(inputName, nil)
		for k, params := range members {
			variables := make([]string, len(layout.Variables)) // of a model in a model first all that are trained, as in the Layout
			for i, l := range f.Spec.Layers {
				for j, name := range writeLayer(weights.Group(memberName(k)), l, layout, params) {
					variables[f.Spec.LayerVariables()[i][j]] = name
				}
			}
			group(memberName(k), variables)
		}
		group(averageName, nil)
	}
	weights.SetStrings("layer_names", names)
	weights.Group("top_level_model_weights").SetStrings("weight_names", nil)
	return root.Encode()
}

// check returns an error that says what of f cannot be written.
func (f *File) check() error {
	if _, err := f.Spec.Chain(); err != nil {
		return err
	}
	layout := f.Spec.Layout()
	members := append([][]float32{f.Params}, f.Others...)
	for k, params := range members {
		where := ""
		if len(members) > 1 {
			where = fmt.Sprintf("member %d of the ensemble: ", k+1)
		}
		if len(params) != layout.Size {
			return fmt.Errorf("%s%d parameters for a network of %d: %w", where, len(params), layout.Size, model.ErrShape)
		}
		for _, v := range layout.Variables {
			if i := slices.IndexFunc(v.Of(params), notFinite); i >= 0 {
				return fmt.Errorf("%s%s holds %v at element %d; the training diverged, try a lower learning rate", where, v.Name, v.Of(params)[i], i)
			}
		}
	}
	if len(members) > MaxMembers {
		return fmt.Errorf("an ensemble of %d members; at most %d", len(members), MaxMembers)
	}
	return checkNames(f.Spec)
}

// writeLayer adds a layer's arrays to its group and returns their names there.
func writeLayer(g *hdf5.Group, l model.Layer, layout model.Layout, params []float32) []string {
	var names []string
	for _, v := range layout.Variables {
		variable, ok := strings.CutPrefix(v.Name, l.Name+"/")
		if !ok {
			continue
		}
		name := l.Name + "/" + variable
		if l.Kind == model.LSTM {
			direction, last := path.Split(variable) // "forward_lstm/" or "backward_lstm/", or nothing
			name = l.Name + "/" + direction + "lstm_cell/" + last
		}
		g.Array(name, v.Shape, v.Of(params))
		names = append(names, name)
	}
	return names
}

// layerName is what TensorFlow takes for the name of a scope, without slashes, which HDF5 takes for its own.
var layerName = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9_.-]*$`)

// checkNames returns an error unless the layers' names can be names in both Keras versions and in the file.
func checkNames(s model.Spec) error {
	seen := map[string]bool{inputName: true, "top_level_model_weights": true, ".": true, "..": true}
	for _, l := range s.Layers {
		if seen[l.Name] || !layerName.MatchString(l.Name) {
			return fmt.Errorf("a %s layer cannot be named %q; give each layer a name of its own, of the letters A to Z, digits, '_', '.' and '-'", l.Kind, l.Name)
		}
		seen[l.Name] = true
	}
	return nil
}

// float is a number that keeps its decimal point in JSON: Keras 3 refuses a learning rate of 1, and takes 1.0.
type float float64

// MarshalJSON returns x, which must be finite, so that it is a float to Python as well.
func (x float) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(x), 'g', -1, 64)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// layerOut is a layer in the words that Keras 2 and Keras 3 share.
type layerOut struct {
	Class  string         `json:"class_name"`
	Config map[string]any `json:"config"`
}

// modelConfig returns the JSON of model_config. Settings that are left out have the same defaults in both Keras
// versions, and they are the ones that this program computes with. Several members become a model of models: one input,
// each member a Sequential that reads it, and the Average of what they return.
func modelConfig(s model.Spec, members int) (string, error) {
	input := map[string]any{"name": inputName, "batch_input_shape": []any{nil, s.Timesteps, s.Features}, "dtype": "float32"}
	if members == 1 {
		return marshal(sequential(s, "sequential", input))
	}
	type node struct {
		layerOut
		Name    string  `json:"name"`
		Inbound [][]any `json:"inbound_nodes"`
	}
	layers := []node{{layerOut{"InputLayer", input}, inputName, [][]any{}}}
	var names []string
	for k := range members {
		names = append(names, memberName(k))
		layers = append(layers, node{sequential(renamed(s, k), memberName(k), nil), memberName(k), inboundOf(inputName)})
	}
	layers = append(layers, node{layerOut{"Average", map[string]any{"name": averageName}}, averageName, inboundOf(names...)})
	return marshal(layerOut{"Functional", map[string]any{
		"name": "ensemble", "layers": layers, "input_layers": [][]any{{inputName, 0, 0}}, "output_layers": [][]any{{averageName, 0, 0}},
	}})
}

// inboundOf returns the node of a layer that reads the outputs of others, in the form that both versions read; the input
// reads none.
func inboundOf(names ...string) [][]any {
	if len(names) == 0 {
		return [][]any{}
	}
	var list []any
	for _, n := range names {
		list = append(list, []any{n, 0, 0, struct{}{}})
	}
	return [][]any{list}
}

// renamed returns the network with layers named as member k's: Keras 2 saves the optimizer's arrays by the layers' names
// alone.
func renamed(s model.Spec, k int) model.Spec {
	if k == 0 {
		return s
	}
	s.Layers = slices.Clone(s.Layers)
	for i := range s.Layers {
		s.Layers[i].Name += "_" + memberName(k)
	}
	return s
}

// sequential returns the network as a Keras layer, with the settings of its input. A member of an ensemble has none
// (nil): Keras 2 and Keras 3 count the calls of a model with an input of its own differently.
func sequential(s model.Spec, name string, input map[string]any) layerOut {
	var layers []layerOut
	if input != nil {
		layers = append(layers, layerOut{"InputLayer", input})
	}
	for i, l := range s.Layers {
		class, c := string(l.Kind), map[string]any{"name": l.Name}
		switch l.Kind {
		case model.Masking:
			c["mask_value"] = float(l.MaskValue)
		case model.LSTM:
			c["units"] = l.Units
			if s.ReturnsSequences(i) {
				c["return_sequences"] = true
			}
			lstmSettings(l, c)
			if l.Bidirectional {
				c["name"] = "lstm"
				// Keras 3 looks for a layer inside another one by its module.
				inner := map[string]any{"module": "keras.layers", "registered_name": nil, "class_name": "LSTM", "config": c}
				class, c = "Bidirectional", map[string]any{"name": l.Name, "layer": inner, "merge_mode": cmp.Or(l.Merge, model.Concat)}
			}
		case model.Dropout:
			c["rate"] = float(l.Rate)
		case model.BatchNormalization:
			c["momentum"], c["epsilon"] = float(l.Momentum), float(l.Epsilon)
		case model.Dense:
			c["units"], c["activation"] = l.Units, l.Activation
		}
		layers = append(layers, layerOut{class, c})
	}
	return layerOut{"Sequential", map[string]any{"name": name, "layers": layers}}
}

// lstmSettings adds the settings of an LSTM that are none of its defaults.
func lstmSettings(l model.Layer, c map[string]any) {
	if l.Activation == model.Relu {
		c["activation"] = l.Activation
	}
	if l.GoBackwards {
		c["go_backwards"] = true
	}
}

// lossConfig returns a loss's class with its settings, or its name alone where those are the defaults.
func lossConfig(l model.Loss) (string, map[string]any) {
	config := map[string]any{"name": l.Kind, "from_logits": false, "label_smoothing": float(l.LabelSmoothing), "axis": -1}
	switch l.Kind {
	case model.BinaryFocal:
		config["apply_class_balancing"], config["alpha"], config["gamma"] = true, float(l.Alpha), float(l.Gamma)
		return "BinaryFocalCrossentropy", config
	case model.CategoricalFocal:
		config["alpha"], config["gamma"] = float(l.Alpha), float(l.Gamma)
		if l.ClassAlpha != nil {
			var list []float
			for _, a := range l.ClassAlpha {
				list = append(list, float(a))
			}
			config["alpha"] = list
		}
		return "CategoricalFocalCrossentropy", config
	case model.CategoricalCrossentropy:
		if l.LabelSmoothing == 0 { // and labels are numbers of classes
			return "sparse_categorical_crossentropy", nil
		}
		return "CategoricalCrossentropy", config
	}
	if l.LabelSmoothing == 0 {
		return string(l.Kind), nil
	}
	return "BinaryCrossentropy", config
}

// checkLoss returns an error unless the loss is one of the network.
func (f *File) checkLoss() error {
	c, err := f.Spec.Chain()
	if err != nil {
		return err
	}
	return f.Loss.Check(c.Classes)
}

// trainingConfig returns the JSON of training_config. It has the keys without which one of the versions fails.
func trainingConfig(f *File) (string, error) {
	if err := f.checkLoss(); err != nil {
		return "", err
	}
	rate := f.rate()
	if !(rate > 0 && rate <= math.MaxFloat32) {
		return "", fmt.Errorf("learning rate %v; it must be above 0", rate)
	}
	loss, settings := lossConfig(f.Loss) // without "reduction", whose default has another name in each version
	var whole any = loss
	if settings != nil {
		whole = layerOut{loss, settings}
	}
	return marshal(map[string]any{
		"loss": whole, "loss_weights": nil, "metrics": []string{"accuracy"}, "weighted_metrics": nil,
		"optimizer_config": layerOut{"Adam", map[string]any{"learning_rate": float(rate)}},
	})
}

// marshal returns v as JSON; map keys are sorted, so that the same model gives the same bytes.
func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
