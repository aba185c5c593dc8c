package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// ownAttributes are Keras's: the root attributes that are not Extra.
var ownAttributes = []string{"model_config", "training_config", "keras_version", "backend"}

// decodeH5 reads Keras's .h5 format.
func decodeH5(data []byte) (*File, error) {
	root, err := open(data)
	if err != nil {
		return nil, err
	}
	text, err := root.Strings("model_config")
	if errors.Is(err, hdf5.ErrNotFound) || err == nil && len(text) != 1 {
		return nil, bad("it holds no model_config; save the whole model with model.save, not its weights alone")
	}
	if err != nil {
		return nil, err
	}
	f := &File{Extra: map[string]string{}}
	var members []string
	var t training
	if f.Spec, members, t, err = parseModel(text[0]); err != nil {
		return nil, err
	}
	attributes, err := root.ScalarStrings()
	if err != nil {
		return nil, err
	}
	for name, value := range attributes {
		if !slices.Contains(ownAttributes, name) {
			f.Extra[name] = value
		}
	}
	var arrays [][]*hdf5.Object
	if members != nil {
		arrays, err = ensembleArrays(root, f.Spec, members)
	} else {
		arrays = make([][]*hdf5.Object, 1)
		arrays[0], err = layerArrays(root, f.Spec)
	}
	if err != nil {
		return nil, err
	}
	if err := f.readMembers(arrays); err != nil {
		return nil, err
	}
	f.compiled(t, parseCompile([]byte(attributes["training_config"]), "optimizer_config", classesOf(f.Spec)), func() ([]*hdf5.Object, error) {
		if !root.Has("optimizer_weights") {
			return nil, nil
		}
		group, err := root.Child("optimizer_weights")
		if err != nil {
			return nil, err
		}
		return named(group)
	})
	return f, nil
}

// open opens an HDF5 file and says what to do when it is none.
func open(data []byte) (*hdf5.Object, error) {
	h, err := hdf5.Open(data)
	if errors.Is(err, hdf5.ErrNotHDF5) {
		return nil, bad("it is neither an HDF5 (.h5) nor a .keras file; save the model in Keras with model.save(\"model.h5\")")
	}
	if err != nil {
		return nil, err
	}
	return h.Root()
}

// maxNames bounds the length of layer_names and weight_names.
const maxNames = 1024

// names returns a list of names kept as one attribute, or as several with numbers when it is long.
func names(o *hdf5.Object, attribute string) ([]string, error) {
	list, err := o.Strings(attribute)
	if errors.Is(err, hdf5.ErrNotFound) {
		for i := 0; i < maxNames; i++ {
			more, e := o.Strings(fmt.Sprint(attribute, i))
			if errors.Is(e, hdf5.ErrNotFound) {
				break
			}
			if e != nil {
				return nil, e
			}
			list, err = append(list, more...), nil
		}
	}
	if err == nil && len(list) > maxNames {
		return nil, bad("%s has %d entries; at most %d", attribute, len(list), maxNames)
	}
	return list, err
}

// named returns the arrays of a group in the order of its weight_names.
func named(group *hdf5.Object) ([]*hdf5.Object, error) {
	list, err := names(group, "weight_names")
	if err != nil {
		return nil, err
	}
	arrays := make([]*hdf5.Object, len(list))
	for i, name := range list {
		if arrays[i], err = group.Child(name); err != nil {
			return nil, err
		}
	}
	return arrays, nil
}

// layerArrays returns the arrays of model_weights, one per variable. Keras goes by the order of the layers that have
// weights and by that of their weight_names, never by the names, and so does this.
func layerArrays(root *hdf5.Object, spec model.Spec) ([]*hdf5.Object, error) {
	weights, err := root.Child("model_weights")
	if err != nil {
		return nil, err
	}
	layers, err := names(weights, "layer_names")
	if err != nil {
		return nil, err
	}
	type group struct {
		name, variables string
		n               int
	}
	var want []group
	for _, l := range spec.Layers {
		switch {
		case l.Kind == model.LSTM && l.Bidirectional:
			want = append(want, group{l.Name, "kernel, recurrent_kernel, bias of each direction", 6})
		case l.Kind == model.LSTM:
			want = append(want, group{l.Name, "kernel, recurrent_kernel, bias", 3})
		case l.Kind == model.Dense:
			want = append(want, group{l.Name, "kernel, bias", 2})
		case l.Kind == model.BatchNormalization:
			want = append(want, group{l.Name, "gamma, beta, moving_mean, moving_variance", 4})
		}
	}
	var all []*hdf5.Object
	found := 0
	for _, name := range layers {
		group, err := weights.Child(name)
		if err != nil {
			return nil, err
		}
		arrays, err := named(group)
		if err != nil {
			return nil, err
		}
		if len(arrays) == 0 {
			continue
		}
		if found < len(want) && len(arrays) != want[found].n {
			w := want[found]
			return nil, bad("layer %q has %d arrays; its configuration needs %d: %s", w.name, len(arrays), w.n, w.variables)
		}
		found++
		all = append(all, arrays...)
	}
	if found != len(want) {
		return nil, bad("%d layers have weights; the configuration needs %d", found, len(want))
	}
	return arranged(spec, all), nil
}

// arranged puts arrays that lie by layer into Layout order.
func arranged(spec model.Spec, arrays []*hdf5.Object) []*hdf5.Object {
	out := make([]*hdf5.Object, len(arrays))
	for i, place := range slices.Concat(spec.LayerVariables()...) {
		out[place] = arrays[i]
	}
	return out
}

// readVariables reads one array per variable of the layout, and puts what in front of the variable's name in errors.
// All shapes are compared before any array is read, so that nothing is allocated which the file does not hold.
func readVariables(variables []model.Variable, arrays []*hdf5.Object, what string) ([]float32, error) {
	for i, v := range variables {
		shape, err := arrays[i].Shape()
		if err != nil {
			return nil, err
		}
		if !slices.Equal(shape, v.Shape) {
			return nil, bad("%s%s has shape %v; by the configuration it should have %v", what, v.Name, shape, v.Shape)
		}
	}
	var flat []float32
	for i, v := range variables {
		a, err := arrays[i].Floats()
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(a, notFinite); at >= 0 {
			return nil, bad("%s%s holds %v at element %d of %d; the training that wrote it diverged", what, v.Name, a[at], at, len(a))
		}
		flat = append(flat, a...)
	}
	return flat, nil
}

func notFinite(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }

// maxExtra bounds File.Extra of a .keras file in bytes, all together: packed zeros may claim a thousand times their size.
const maxExtra = 1 << 20

// decodeKeras reads Keras's .keras format.
func decodeKeras(data []byte) (*File, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad("it is no whole .keras file: %v", err)
	}
	text, err := entry(z, "config.json", 4<<20)
	if err != nil {
		return nil, err
	}
	weights, err := entry(z, "model.weights.h5", min(MaxSize, 64<<20+8*int64(len(data))))
	if err != nil {
		return nil, err
	}
	f := &File{Extra: map[string]string{}}
	var members []string
	var t training
	if f.Spec, members, t, err = parseModel(string(text)); err != nil {
		return nil, err
	}
	room := int64(maxExtra)
	for _, e := range z.File {
		name, ok := strings.CutSuffix(e.Name, extraEnding)
		if !ok || slices.Contains(archiveFiles, e.Name) || len(f.Extra) >= maxNames {
			continue
		}
		content, err := entry(z, e.Name, room)
		if err != nil {
			return nil, err
		}
		room -= int64(len(content))
		f.Extra[name] = string(content)
	}
	root, err := open(weights)
	if err != nil {
		return nil, err
	}
	prefixes := memberPrefixes(1)
	if members != nil {
		prefixes = memberPrefixes(len(members))
	}
	var all [][]*hdf5.Object
	for _, prefix := range prefixes {
		arrays, err := variables(root, f.Spec, prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, arrays)
	}
	if err := f.readMembers(all); err != nil {
		return nil, err
	}
	var top struct {
		Compile json.RawMessage `json:"compile_config"`
	}
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, bad("config.json is no JSON that Keras writes: %v", jsonReason(err))
	}
	f.compiled(t, parseCompile(top.Compile, "optimizer", classesOf(f.Spec)), func() ([]*hdf5.Object, error) {
		vars, err := root.Child("optimizer/vars")
		if errors.Is(err, hdf5.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var slots []*hdf5.Object
		for i := 0; i < maxNames && vars.Has(fmt.Sprint(i)); i++ {
			a, err := vars.Child(fmt.Sprint(i))
			if err != nil {
				return nil, err
			}
			slots = append(slots, a)
		}
		return slots, nil
	})
	return f, nil
}

// classesOf returns the Chain's Classes of a Spec that has one.
func classesOf(spec model.Spec) int {
	c, _ := spec.Chain()
	return c.Classes
}

// counted is what Keras calls object n of a class, from 0.
func counted(class string, n int) string {
	if n == 0 {
		return class
	}
	return fmt.Sprintf("%s_%d", class, n)
}

// variables returns the arrays of a Sequential's layers in model.weights.h5, one per variable; prefix is the layers' group.
func variables(root *hdf5.Object, spec model.Spec, prefix string) ([]*hdf5.Object, error) {
	var arrays []*hdf5.Object
	for _, path := range weightPaths(spec) {
		a, err := root.Child(prefix + path)
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, a)
	}
	return arranged(spec, arrays), nil
}

// entry returns the content of a file in a zip, of at most limit bytes; of two with one name the last, as Python does.
func entry(z *zip.Reader, name string, limit int64) ([]byte, error) {
	for _, e := range slices.Backward(z.File) {
		if e.Name != name {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return nil, bad("%s: %v", name, err)
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err != nil {
			return nil, bad("%s: %v", name, err)
		}
		if int64(len(data)) > limit {
			return nil, bad("%s unpacks to more than %d bytes", name, limit)
		}
		return data, nil
	}
	return nil, bad("the archive holds no %s; save the whole model with model.save(\"model.keras\")", name)
}
