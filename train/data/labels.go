package data

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vklstm/model/npz"
	"vklstm/train/internal/wording"
)

// maxClasses bounds the classes of a data set: more are no labels but measurements.
const maxClasses = 1000

// DefaultClasses are the names of n classes of which nothing is known: 0 … n−1.
func DefaultClasses(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// Names returns Classes, or of a data set made without them those of two classes.
func (d *Dataset) Names() []string {
	if d.Classes == nil {
		return DefaultClasses(2)
	}
	return d.Classes
}

// OwnNames returns names of classes, nil where they are no more than 0, 1, ….
func OwnNames(names []string) []string {
	if slices.Equal(names, DefaultClasses(len(names))) {
		return nil
	}
	return names
}

// checkLabels returns an error unless the labels can be one class per window: a number, a truth value or a text for each, or one-hot
// rows.
func (d *Dataset) checkLabels(key string, h npz.Header) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s %s", d.Path, key, fmt.Sprintf(format, args...))
	}
	text := h.Kind == 'U' || h.Kind == 'S' || h.Kind == 'O'
	oneHot := h.Number() && len(h.Shape) == 2 && h.Shape[1] > 1
	switch {
	case !h.Number() && !text:
		return bad(`is %s; save the labels as whole numbers, .astype("int32"), or as text, .astype(str)`, h.Type)
	case !(len(h.Shape) == 1 || len(h.Shape) == 2 && h.Shape[1] == 1 || oneHot):
		return bad("has shape %s; one label for each of the %d windows is needed, (%d,), or one-hot rows, (%d, classes)", h.ShapeText(), d.N, d.N, d.N)
	case h.Shape[0] != d.N:
		return bad("holds %d labels for %d windows; they must be as many", h.Shape[0], d.N)
	case oneHot && h.Shape[1] > maxClasses:
		return bad("has shape %s: %d classes; at most %d are supported", h.ShapeText(), h.Shape[1], maxClasses)
	}
	return nil
}

// readClasses reads Y and Classes from the array key. With positive, which may be empty, that one of two classes is class 1.
func (d *Dataset) readClasses(f *npz.File, key, positive string) error {
	h, err := f.Header(key)
	if err != nil {
		return err
	}
	if h.Number() && len(h.Shape) == 2 && h.Shape[1] > 1 {
		if err := d.readOneHot(f, key, h.Shape[1]); err != nil {
			return err
		}
	} else {
		labels, numbers, err := f.Labels(key, d.N)
		if err != nil {
			return err
		}
		if err := d.SetLabels(key, labels, numbers); err != nil {
			return err
		}
	}
	return d.setPositive(key, positive)
}

// readOneHot reads rows of which one element is 1 and the others are 0.
func (d *Dataset) readOneHot(f *npz.File, key string, classes int) error {
	v, _, err := f.Float64(key)
	if err != nil {
		return err
	}
	d.Classes, d.Y = DefaultClasses(classes), make([]float32, d.N)
	for i := range d.Y {
		row := v[i*classes : (i+1)*classes]
		at := slices.Index(row, 1)
		for c, x := range row {
			if at < 0 || x != 0 && c != at {
				return fmt.Errorf("%s: %s has shape (%d, %d) and in row %d no single 1 among zeros; labels are one-hot rows, or one number or text for each window", d.Path, key, d.N, classes, i)
			}
		}
		d.Y[i] = float32(at)
	}
	return nil
}

// SetLabels sets Y and Classes to those of labels, one for each window: the classes are in the order of Python's sorted(set(y)), numbers
// by size and text by code points. Whole numbers that are all 0 or 1 are the two classes "0" and "1", also where one is missing.
func (d *Dataset) SetLabels(key string, labels []string, numbers bool) error {
	place := map[string]float32{}
	for _, v := range labels {
		place[v] = 0
	}
	if truth := onlyOf(place, "True", "False"); truth { // an object array's
		numbers = true
		place = map[string]float32{"0": 0, "1": 0}
		labels = slices.Clone(labels)
		for i, v := range labels {
			labels[i] = map[string]string{"True": "1", "False": "0"}[v]
		}
	}
	if len(place) > maxClasses {
		return fmt.Errorf("%s: %s holds %d different labels; at most %d classes are supported: these look like measurements", d.Path, key, len(place), maxClasses)
	}
	names := slices.Sorted(maps.Keys(place))
	if numbers {
		for i, v := range labels {
			if n, ok := numberOf(v); !ok || !n.IsInt() {
				return fmt.Errorf("%s: %s holds %s at [%d]; labels are whole numbers, one for each class, or text", d.Path, key, wording.Short(v), i)
			}
		}
		slices.SortStableFunc(names, compareNumbers)
		if onlyOf(place, "0", "1", "-0") {
			names = DefaultClasses(2)
			place["-0"] = 0
		}
	}
	for i, name := range names {
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("%s: %s holds an empty label; each window needs one", d.Path, key)
		}
		place[name] = float32(i)
	}
	d.Classes, d.Y = names, make([]float32, len(labels))
	for i, v := range labels {
		d.Y[i] = place[v]
	}
	return nil
}

// onlyOf reports whether there are keys, and none but those.
func onlyOf(m map[string]float32, keys ...string) bool {
	for k := range m {
		if !slices.Contains(keys, k) {
			return false
		}
	}
	return len(m) > 0
}

// Follow numbers two classes as a model does that tells the same two apart; others stay as they are.
func (d *Dataset) Follow(classes []string) {
	if len(classes) == 2 && len(d.Classes) == 2 && d.Classes[0] == classes[1] && d.Classes[1] == classes[0] {
		d.setPositive("", classes[1]) // which it knows
	}
}

// setPositive makes the class of that name class 1 of two.
func (d *Dataset) setPositive(key, positive string) error {
	switch {
	case positive == "":
		return nil
	case len(d.Classes) != 2:
		return fmt.Errorf("%s: --positive says which of two classes is to be found, and %s holds %d: %s", d.Path, key, len(d.Classes), list(d.Classes))
	case !slices.Contains(d.Classes, positive):
		return fmt.Errorf("%s: --positive %s: %s holds %s", d.Path, wording.Short(positive), key, list(d.Classes))
	case d.Classes[0] == positive:
		d.Classes = []string{d.Classes[1], positive}
		for i, v := range d.Y {
			d.Y[i] = 1 - v
		}
	}
	return nil
}

// list names classes in a message.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// UnknownLabel is the error about a label that a model of these classes does not know.
func (d *Dataset) UnknownLabel(name string, classes []string) error {
	return fmt.Errorf("%s: the labels hold %s, and the model tells apart %s; use data with the labels that it was trained on, or another --y-key", d.Path, wording.Short(name), list(classes))
}

// LabelsAs returns Y as numbers of classes, those of a model, which may be more than the data's own. Where the model's classes have no
// names but 0, 1, … and the data's are as many words, these are taken in their order, as Python's sorted has them. The error names a
// label that the model does not know.
func (d *Dataset) LabelsAs(classes []string) ([]float32, error) {
	if slices.Equal(d.Names(), classes) || slices.Equal(classes, DefaultClasses(len(classes))) && len(d.Names()) == len(classes) {
		return d.Y, nil
	}
	place := make([]float32, len(d.Classes))
	for i, name := range d.Classes {
		at := slices.Index(classes, name)
		if at < 0 {
			if !slices.Contains(d.Y, float32(i)) { // a name without a window
				continue
			}
			return nil, d.UnknownLabel(name, classes)
		}
		place[i] = float32(at)
	}
	y := make([]float32, len(d.Y))
	for i, v := range d.Y {
		y[i] = place[int(v)]
	}
	return y, nil
}
