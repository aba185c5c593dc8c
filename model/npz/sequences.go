package npz

import (
	"io"
	"slices"
)

// perArray is how many pickle operations one array of numbers may take; NumPy's take some 25.
const perArray = 64

// Sequences reads the named object array (N,) of arrays (Tᵢ, F) of numbers, each in C order, and returns F too. Values are those of
// Float32. The sequences share no memory.
func (f *File) Sequences(name string) (sequences [][]float32, width int, err error) {
	h, r, err := f.open(name)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	const how = `save it as an object array (N,) of arrays (steps, features): x = np.empty(len(list), object); x[:] = [np.asarray(w, "float32") for w in list]`
	if h.Kind != 'O' || len(h.Shape) != 1 || h.Shape[0] == 0 {
		return nil, 0, f.errorf(name, "is %s of shape %s; %s", h.Type, h.ShapeText(), how)
	}
	if err := f.checkSize(name); err != nil {
		return nil, 0, err
	}
	if err := f.checkPacked(name); err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, 0, f.damaged(name, err)
	}
	n := h.Shape[0]
	if uint64(n) > uint64(len(data)) {
		return nil, 0, f.errorf(name, "%w", errCut)
	}
	items, err := loadObjects(data, h.Shape, opsSlack+perArray*n)
	if err != nil {
		return nil, 0, f.errorf(name, "%w; %s", err, how)
	}
	rest := len(data) // of which arrays can be made: a pickle may name one again and again
	for i, item := range items {
		a, ok := item.(*array)
		switch {
		case !ok || a.items != nil:
			what := kindOf(item)
			if _, isLabel := labelOf(item); isLabel {
				what = "one value"
			} else if ok {
				what = "an array of objects"
			}
			return nil, 0, f.errorf(name, "holds %s at [%d], where an array of numbers is needed; %s", what, i, how)
		case len(a.shape) != 2 || slices.Contains(a.shape, 0):
			return nil, 0, f.errorf(name, "holds an array of shape %s at [%d]; each needs 2 dimensions, (steps, features), and a value at least", Header{Shape: a.shape}.ShapeText(), i)
		case i > 0 && a.shape[1] != width:
			return nil, 0, f.errorf(name, "holds %d features at [%d], and %d before; all windows need the same", a.shape[1], i, width)
		}
		if rest -= len(a.data); rest < 0 {
			return nil, 0, f.errorf(name, "%w", errLong)
		}
		width = a.shape[1]
		values, at := a.numbers()
		if at >= 0 {
			return nil, 0, f.errorf(name, "holds a value beyond float32's range at [%d]; scale it down", i)
		}
		sequences = append(sequences, values)
	}
	return sequences, width, nil
}

// numbers returns the values of an array of numbers, in C order, and the index of the first that is too large, or -1.
func (a *array) numbers() (values []float32, tooLarge int) {
	n, _ := product(a.shape) // build has compared it with the data
	values = make([]float32, n)
	if i := decode(values, slices.Clone(a.data), a.of); i >= 0 {
		return nil, i
	}
	if a.fortran {
		values = cOrder(values, a.shape)
	}
	return values, -1
}
