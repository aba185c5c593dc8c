package keras

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// extraEnding is what a file has in a .keras archive that holds an Extra: Keras passes over it.
const extraEnding = ".json"

// archiveFiles are Keras's own in a .keras archive.
var archiveFiles = []string{"metadata.json", "config.json", "model.weights.h5"}

// EncodeKeras returns f as a .keras file, which Keras 3 and Keras 2 open, with the optimizer f.Rule (Keras's Adam where that
// has no kind) and its state where f has a Loss and an Optimizer: Keras 3 then goes on training with the same next step, or
// with f.ForKeras2 Keras 2, which does not count the learning rate among an optimizer's variables; the other one begins with
// fresh moments. An ensemble has no optimizer. The same f gives the same bytes. The error says what of f cannot be written, as that of Encode.
func EncodeKeras(f *File) ([]byte, error) {
	data, err := encodeKeras(f)
	if err != nil {
		return nil, fmt.Errorf("keras: write the model: %w", err)
	}
	return data, nil
}

func encodeKeras(f *File) ([]byte, error) {
	o := f.Rule
	if o.Kind == "" {
		o = model.DefaultAdam()
		o.L2 = f.Rule.L2
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	members := append([][]float32{f.Params}, f.Others...)
	input := []any{nil, f.Spec.Timesteps, f.Spec.Features}
	top := sequential3(f.Spec, "sequential", input, o.L2)
	if len(members) > 1 {
		top = functional3(f.Spec, len(members), input, o.L2)
	}
	root := &hdf5.Group{}
	root.Group("vars") // which Keras 2 wants, without any
	layout, paths, places := f.Spec.Layout(), weightPaths(f.Spec), slices.Concat(f.Spec.LayerVariables()...)
	for k, prefix := range memberPrefixes(len(members)) {
		for i, place := range places {
			v := layout.Variables[place]
			root.Array(prefix+paths[i], v.Shape, v.Of(members[k]))
		}
	}
	if f.Loss.Kind != "" {
		compile, err := compileConfig(f, o)
		if err != nil {
			return nil, err
		}
		top["compile_config"] = compile
		if s := f.Optimizer; s != nil && len(members) == 1 {
			if len(s.M) != layout.Size || len(s.V) != layout.Size {
				return nil, fmt.Errorf("moments of %d and %d elements for a network of %d: %w", len(s.M), len(s.V), layout.Size, model.ErrShape)
			}
			root.Int("optimizer/vars/0", int64(s.Step))
			next := 1
			if !f.ForKeras2 { // which does not count the learning rate among the variables
				root.Scalar("optimizer/vars/1", float32(f.rate()))
				next = 2
			}
			for i, v := range layout.Variables[:layout.Trained] {
				root.Array(fmt.Sprintf("optimizer/vars/%d", next+2*i), v.Shape, v.Of(s.M))
				root.Array(fmt.Sprintf("optimizer/vars/%d", next+1+2*i), v.Shape, v.Of(s.V))
			}
		}
	}
	config, err := marshal(top)
	if err != nil {
		return nil, err
	}
	weights, err := root.Encode()
	if err != nil {
		return nil, err
	}
	metadata, err := marshal(map[string]any{"keras_version": version})
	if err != nil {
		return nil, err
	}
	type file struct {
		name string
		data []byte
	}
	files := []file{{archiveFiles[0], []byte(metadata)}, {archiveFiles[1], []byte(config)}, {archiveFiles[2], weights}}
	room := maxExtra
	var extra []string
	for name := range f.Extra {
		if slices.Contains(archiveFiles, name+extraEnding) || strings.ContainsAny(name, `/\`) {
			return nil, fmt.Errorf("extra attribute %q cannot be a file of the archive", name)
		}
		if room -= len(f.Extra[name]); room < 0 {
			return nil, fmt.Errorf("extra attributes of more than %d bytes, which would not be read", maxExtra)
		}
		extra = append(extra, name)
	}
	sort.Strings(extra)
	for _, name := range extra {
		files = append(files, file{name + extraEnding, []byte(f.Extra[name])})
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// object3 is an object as Keras 3 writes it.
func object3(module, class string, config map[string]any) map[string]any {
	return map[string]any{"module": module, "class_name": class, "config": config, "registered_name": nil}
}

// sequential3 returns the network as a Keras 3 model. A member of an ensemble has no input of its own (nil), as in
// sequential.
func sequential3(s model.Spec, name string, input []any, l2 float64) map[string]any {
	config := map[string]any{"name": name, "trainable": true, "layers": layers3(s, input, l2)}
	m := object3("keras", "Sequential", config)
	if input != nil {
		config["build_input_shape"] = input
		m["build_config"] = map[string]any{"input_shape": input}
	}
	return m
}

// functional3 returns an ensemble as a Keras 3 model, in the form of modelConfig and with its nodes, which Keras 2 reads
// too. "Model" is what both versions find Functional by.
func functional3(s model.Spec, members int, input []any, l2 float64) map[string]any {
	node := func(m map[string]any, name string, from ...string) map[string]any {
		m["name"], m["inbound_nodes"] = name, inboundOf(from...)
		return m
	}
	layers := []any{node(object3("keras.layers", "InputLayer", map[string]any{"name": inputName, "batch_input_shape": input, "dtype": "float32"}), inputName)}
	var names []string
	for k := range members {
		names = append(names, memberName(k))
		layers = append(layers, node(sequential3(s, memberName(k), nil, l2), memberName(k), inputName))
	}
	layers = append(layers, node(object3("keras.layers", "Average", map[string]any{"name": averageName}), averageName, names...))
	return object3("keras", "Model", map[string]any{"name": "ensemble", "trainable": true, "layers": layers,
		"input_layers": [][]any{{inputName, 0, 0}}, "output_layers": [][]any{{averageName, 0, 0}}})
}

// memberPrefixes returns where model.weights.h5 has the layers of each member.
func memberPrefixes(members int) []string {
	if members == 1 {
		return []string{"layers/"}
	}
	var list []string
	for k := range members {
		list = append(list, "layers/"+counted("sequential", k)+"/layers/")
	}
	return list
}

// layers3 returns the layers of a Sequential in Keras 3's words.
func layers3(s model.Spec, input []any, l2 float64) []any {
	layer := func(class string, config map[string]any) map[string]any {
		return object3("keras.layers", class, config)
	}
	penalised := func(config map[string]any, names ...string) map[string]any {
		for _, name := range names {
			if l2 > 0 {
				config[name] = object3("keras.regularizers", "L2", map[string]any{"l2": float(l2)})
			}
		}
		return config
	}
	var list []any
	if input != nil { // both versions know batch_input_shape
		list = append(list, layer("InputLayer", map[string]any{"name": inputName, "batch_input_shape": input, "dtype": "float32"}))
	}
	for i, l := range s.Layers {
		c := map[string]any{"name": l.Name}
		switch l.Kind {
		case model.Masking:
			c["mask_value"] = float(l.MaskValue)
		case model.LSTM:
			c["units"], c["return_sequences"] = l.Units, s.ReturnsSequences(i)
			lstmSettings(l, c)
			penalised(c, "kernel_regularizer", "recurrent_regularizer")
			if l.Bidirectional {
				c["name"] = "lstm"
				list = append(list, layer("Bidirectional", map[string]any{"name": l.Name, "layer": layer("LSTM", c), "merge_mode": cmp.Or(l.Merge, model.Concat)}))
				continue
			}
		case model.BatchNormalization:
			c["momentum"], c["epsilon"] = float(l.Momentum), float(l.Epsilon)
		case model.Dropout:
			c["rate"] = float(l.Rate)
		case model.Dense:
			c["units"], c["activation"] = l.Units, l.Activation
			penalised(c, "kernel_regularizer")
		}
		list = append(list, layer(string(l.Kind), c))
	}
	return list
}

// weightPaths returns where a Sequential's group "layers" has each variable: groups are named by the layers' classes and counted,
// whatever the layers' names are.
func weightPaths(s model.Spec) []string {
	var paths []string
	count := map[string]int{}
	for _, l := range s.Layers {
		class, parts, n := "", []string{""}, 0
		switch {
		case l.Kind == model.LSTM && l.Bidirectional:
			class, parts, n = "bidirectional", []string{"forward_layer/cell/", "backward_layer/cell/"}, 3
		case l.Kind == model.LSTM:
			class, parts, n = "lstm", []string{"cell/"}, 3
		case l.Kind == model.Dense:
			class, n = "dense", 2
		case l.Kind == model.BatchNormalization:
			class, n = "batch_normalization", 4
		}
		group := counted(class, count[class])
		count[class]++
		for _, part := range parts {
			for i := range n {
				paths = append(paths, fmt.Sprintf("%s/%svars/%d", group, part, i))
			}
		}
	}
	return paths
}

// compileConfig returns compile_config: loss and optimizer.
func compileConfig(f *File, o model.Optimizer) (map[string]any, error) {
	if err := f.checkLoss(); err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Kind != model.Adam {
		return nil, fmt.Errorf("the optimizer is %s; only adam is written", o.Kind)
	}
	rate := f.rate()
	if !(rate > 0 && rate <= math.MaxFloat32) {
		return nil, fmt.Errorf("learning rate %v; it must be above 0", rate)
	}
	orNull := func(v float64) any {
		if v == 0 {
			return nil
		}
		return float(v)
	}
	class, name := "Adam", "adam"
	if o.WeightDecay > 0 {
		class, name = "AdamW", "adam_w"
	}
	optimizer := object3("keras.optimizers", class, map[string]any{
		"name": name, "learning_rate": float(rate), "weight_decay": orNull(o.WeightDecay), "clipnorm": orNull(o.ClipNorm),
		"global_clipnorm": orNull(o.GlobalClipNorm), "beta_1": float(o.Beta1), "beta_2": float(o.Beta2), "epsilon": float(o.Epsilon),
		"amsgrad": false,
	})
	loss, config := lossConfig(f.Loss)
	var whole any = loss
	if config != nil {
		whole = object3("keras.losses", loss, config)
	}
	return map[string]any{"optimizer": optimizer, "loss": whole, "loss_weights": nil, "metrics": []string{"accuracy"},
		"weighted_metrics": nil, "run_eagerly": false, "steps_per_execution": 1, "jit_compile": false}, nil
}

// rate is the learning rate that is written.
func (f *File) rate() float64 {
	if f.LearningRate == 0 {
		return 0.001
	}
	return f.LearningRate
}
