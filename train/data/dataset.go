package data

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/train/metrics"
)

// Dataset is N windows of T steps of F features, with their labels.
type Dataset struct {
	Path     string    // of the file, for messages
	X        []float32 // [N][T][F] as measured; NaN = missing; no infinities, no subnormal numbers
	Y        []float32 // [N], the number of each window's class; nil where it was not asked for
	Classes  []string  // names of the classes, in the order of their numbers; of two, the second is the one to be found
	Weight   []float32 // [N], how much each window counts in training, from the file's array "sample_weight"; nil: all alike
	Group    []string  // [N], the recording or person of each window; nil: not known
	GroupKey string    // name of the array that Group came from, "" if from none
	N, T, F  int

	// Shorter says that some window ends before step T, as the file's array "lengths" has it. All values after its end are missing,
	// which Masking leaves out.
	Shorter bool

	// Divisor [F] is what ScaleFile divides features by, all above 0: the file's array "scale_div", nil where it has none
	// of such a shape.
	Divisor []float64

	divisorProblem error // why Divisor is nil although the file has an array of its name: told when ScaleFile asks for it

	groupNumbers bool // the groups are numbers
	ragged       bool // the windows came as an object array, each of its own length
}

// Keys are the names of the arrays to read.
type Keys struct {
	X     string // "": X
	Y     string // "": y
	Group string // "": the first of GroupKeys that the file has with one element per window, none if there is none

	Positive string // of two classes the name of the one that is to be found; "": the second
}

// GroupKeys are the names under which LoadNPZ looks for groups, in this order.
var GroupKeys = []string{"video_names", "subject", "group", "video_ids"}

// Sizes beyond these are refused: windows are numbered by int32, and model.Spec has the other limit.
const (
	maxWindows = math.MaxInt32
	maxSize    = 1 << 24
)

// LoadNPZ reads labelled windows from an .npz file: X of shape (N, T, F) and any numeric type, or an object array of such arrays (Tᵢ, F); y of shape (N,) or
// (N, 1), whole numbers, bool, text or an object array of these, or one-hot rows (N, C); groups of shape (N,) or (N, 1), text, numbers or an object
// array of these; sample_weight (N,) and lengths (N,), the steps of each window, where they are there. Float64 and integers are rounded to float32, numbers below float32's normal range (2⁻¹²⁶) to 0,
// which is how TensorFlow on a CPU and most GPUs see them. The error is a sentence that begins with the path and
// says what to do; it wraps fs.ErrNotExist when there is no such file.
func LoadNPZ(path string, k Keys) (*Dataset, error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return loadFrom(f, path, k)
}

// loadFrom is LoadNPZ from an open file.
func loadFrom(f *npz.File, path string, k Keys) (*Dataset, error) {
	if k.Y == "" {
		k.Y = "y"
	}
	d := &Dataset{Path: path}
	a, err := d.find(f, k)
	if err != nil {
		return nil, err
	}
	if a.sequences != nil {
		d.X = d.padded(a.sequences, d.T)
	} else if d.X, _, err = f.Float32(a.x); err != nil {
		return nil, err
	}
	lengths, err := d.readLengths(f, a)
	if err != nil {
		return nil, err
	}
	d.end(d.X, lengths)
	missing, err := d.clean(a.x, d.X, 0)
	if err == nil && missing == len(d.X) {
		err = fmt.Errorf("%s: %s holds nothing but NaN (missing values); check how it was made", d.Path, a.x)
	}
	if err == nil {
		err = d.readLabels(f, a, k.Positive)
	}
	if err == nil && a.weight != "" {
		err = d.readWeight(f)
	}
	if err == nil && a.divisor != "" {
		err = d.readDivisor(f)
	}
	return d, err
}

// divisorKey is the array of what to divide features by.
const divisorKey = "scale_div"

// arrays are the names of those arrays of a file that are to be read; "": there is none, or it was not asked for.
type arrays struct {
	x, y, group, divisor, weight, lengths string

	sequences [][]float32 // what x holds, where it is an object array of windows that differ in length
}

// find is the one place that asks what a file holds: it looks up the arrays that k names, sets N, T and F, and checks
// that all shapes fit. Labels are looked for where k.Y is not empty; without k.Group the first of GroupKeys is taken
// that fits.
func (d *Dataset) find(f *npz.File, k Keys) (a arrays, err error) {
	var y, x npz.Header
	if k.Y != "" {
		if y, err = header(f, d.Path, k.Y, "--y-key"); err != nil {
			return a, err
		}
	}
	if k.X == "" {
		k.X = "X"
	}
	if x, err = header(f, d.Path, k.X, "--x-key"); err == nil {
		if x.Kind == 'O' {
			if a.sequences, d.F, err = f.Sequences(k.X); err == nil {
				x.Shape = []int{len(a.sequences), d.longest(a.sequences), d.F}
			}
		}
		if err == nil {
			err = d.setShape(k.X, x)
		}
	}
	if err == nil && k.Y != "" {
		err = d.checkLabels(k.Y, y)
	}
	if err == nil && k.Group != "" {
		_, err = header(f, d.Path, k.Group, "--group-key")
	}
	if err != nil {
		return a, err
	}
	// A file may hold other things under the names that follow, such as one number, or the list of all videos.
	fits := func(name string, want func(npz.Header) bool) bool {
		if err != nil || !f.Has(name) {
			return false
		}
		var h npz.Header
		h, err = f.Header(name)
		return err == nil && want(h)
	}
	a.x, a.y, a.group = k.X, k.Y, k.Group
	if k.Group == "" {
		if i := slices.IndexFunc(GroupKeys, func(name string) bool {
			return fits(name, func(h npz.Header) bool { return h.Column(d.N) })
		}); i >= 0 {
			a.group = GroupKeys[i]
		}
	}
	perWindow := func(name string) string {
		if !fits(name, npz.Header.Number) {
			return ""
		}
		if h, e := f.Header(name); e == nil && !h.Column(d.N) && err == nil {
			err = fmt.Errorf("%s: %s has shape %s; it is one number for each of the %d windows: give it so, or save it under another name", d.Path, name, h.ShapeText(), d.N)
		}
		return name
	}
	if a.sequences == nil {
		a.lengths = perWindow(lengthsKey)
	}
	if fits(divisorKey, func(h npz.Header) bool { return h.Number() && len(h.Shape) == 1 && h.Shape[0] == d.F }) {
		a.divisor = divisorKey
	}
	if k.Y != "" {
		a.weight = perWindow(weightKey)
	}
	return a, err
}

// header returns the header of an array that must be there; flag chooses another.
func header(f *npz.File, path, key, flag string) (npz.Header, error) {
	if !f.Has(key) {
		return npz.Header{}, fmt.Errorf("%s: no array %q; the file holds %s; choose one with %s", path, key, f.Contents(), flag)
	}
	return f.Header(key)
}

// setShape sets N, T and F to those of the windows.
func (d *Dataset) setShape(key string, h npz.Header) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s %s", d.Path, key, fmt.Sprintf(format, args...))
	}
	switch {
	case h.Kind != 'O' && !h.Number():
		return bad(`is %s, not numbers; save it with .astype("float32"), or choose another array with --x-key`, h.Type)
	case len(h.Shape) != 3:
		return bad("has shape %s; windows need 3 dimensions, (N, T, F): save it with .reshape(N, T, F), or choose another array with --x-key", h.ShapeText())
	case slices.Contains(h.Shape, 0):
		return bad("has shape %s, so it holds no values; at least one window of one step and one feature is needed", h.ShapeText())
	case h.Shape[0] > maxWindows || h.Shape[1] > maxSize || h.Shape[2] > maxSize:
		return bad("has shape %s; at most %d windows of %d steps and %d features are supported", h.ShapeText(), maxWindows, maxSize, maxSize)
	}
	d.N, d.T, d.F = h.Shape[0], h.Shape[1], h.Shape[2]
	return nil
}

// clean makes subnormal numbers of x, the windows from first on, 0, and returns how many values are missing. The error
// names the first infinity.
func (d *Dataset) clean(key string, x []float32, first int) (missing int, err error) {
	for i, v := range x {
		switch math.Float32bits(v) & 0x7f800000 {
		case 0: // 0, -0 or subnormal
			x[i] = 0
		case 0x7f800000:
			if v == v {
				t := i / d.F
				return 0, fmt.Errorf("%s: %s holds %v in window %d, step %d, feature %d; save missing values as NaN, and mend the rest",
					d.Path, key, v, first+t/d.T, t%d.T, i%d.F)
			}
			missing++
		}
	}
	return missing, nil
}

// lengthsKey is the array of how many steps each window has.
const lengthsKey = "lengths"

// readLengths returns how many steps each window has, nil where a names no array of it, and sets Shorter.
func (d *Dataset) readLengths(f *npz.File, a arrays) ([]int, error) {
	if a.lengths == "" {
		return nil, nil
	}
	steps, _, err := f.Float64(a.lengths)
	if err != nil {
		return nil, err
	}
	lengths := make([]int, len(steps))
	for i, v := range steps {
		if v != math.Trunc(v) || v < 1 || v > float64(d.T) {
			return nil, fmt.Errorf("%s: %s holds %v at [%d]; it is how many steps the window has, a whole number from 1 to %d", d.Path, a.lengths, v, i, d.T)
		}
		lengths[i] = int(v)
		d.Shorter = d.Shorter || lengths[i] < d.T
	}
	return lengths, nil
}

// longest returns the steps of the longest sequence of d.F features, and sets Shorter.
func (d *Dataset) longest(sequences [][]float32) int {
	size := func(a, b []float32) int { return len(a) - len(b) }
	long := len(slices.MaxFunc(sequences, size))
	d.ragged, d.Shorter = true, len(slices.MinFunc(sequences, size)) < long
	return long / d.F
}

// padded returns windows [N][t][F] of sequences, after each of which values are missing.
func (d *Dataset) padded(sequences [][]float32, t int) []float32 {
	x := make([]float32, 0, len(sequences)*t*d.F)
	for _, s := range sequences {
		x = append(x, s...)
		for range t*d.F - len(s) {
			x = append(x, missingValue)
		}
	}
	return x
}

// Extend has windows that differ in length by nature end before step t, where a network reads that many and they have fewer.
func (d *Dataset) Extend(t int) {
	if !d.ragged || t <= d.T {
		return
	}
	windows := slices.Collect(slices.Chunk(d.X, d.T*d.F))
	d.X, d.T, d.Shorter = d.padded(windows, t), t, true
}

// end makes what stands in x after each window's end missing; nil ends none.
func (d *Dataset) end(x []float32, lengths []int) {
	for i, n := range lengths {
		for j := n * d.F; j < d.T*d.F; j++ {
			x[i*d.T*d.F+j] = missingValue
		}
	}
}

// notMasked returns the error about windows that a network without Masking cannot tell from their padding.
func notMasked(path string, t int) error {
	return fmt.Errorf("%s: it holds windows of fewer than %d steps, and the network has no Masking to leave out what is missing; train one with Masking (without --no-masking), or bring all windows to %d steps", path, t, t)
}

// CheckMasking returns an error where windows differ in length and the network does not leave out what is after their end.
func (d *Dataset) CheckMasking(masked bool) error {
	if d.Shorter && !masked {
		return notMasked(d.Path, d.T)
	}
	return nil
}

// weightKey is the array of how much each window counts in training, under Keras's name.
const weightKey = "sample_weight"

// readLabels reads Y and Group, those of them that a names.
func (d *Dataset) readLabels(f *npz.File, a arrays, positive string) (err error) {
	if a.y != "" {
		if err := d.readClasses(f, a.y, positive); err != nil {
			return err
		}
	}
	if d.GroupKey = a.group; a.group != "" {
		d.Group, d.groupNumbers, err = f.Labels(a.group, d.N)
	}
	return err
}

// readWeight reads Weight.
func (d *Dataset) readWeight(f *npz.File) error {
	w, _, err := f.Float32(weightKey)
	if err != nil {
		return err
	}
	sum := 0.0
	for i, v := range w {
		if !(v >= 0) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%s: %s holds %v at [%d]; a weight is a number of at least 0", d.Path, weightKey, v, i)
		}
		sum += float64(v)
	}
	if sum == 0 {
		return fmt.Errorf("%s: %s holds nothing but 0, so no window counts; leave the array out, or give weights above 0", d.Path, weightKey)
	}
	d.Weight = w
	return nil
}

// readDivisor reads Divisor.
func (d *Dataset) readDivisor(f *npz.File) error {
	v, _, err := f.Float64(divisorKey)
	if err != nil {
		return err
	}
	for i, x := range v {
		if !(x > 0 && x <= math.MaxFloat32) {
			d.divisorProblem = fmt.Errorf("%s: %s holds %v at [%d]; what features are divided by is above 0: save it so, or choose %s or %s", d.Path, divisorKey, x, i, ScaleStandard, ScaleMinMax)
			return nil
		}
	}
	d.Divisor = v
	return nil
}

// WrongShape is the error about windows of t × f for a model that reads others.
func WrongShape(path string, t, f, wantT, wantF int) error {
	return fmt.Errorf("train: %s holds windows of %d steps × %d features, the model reads %d × %d; use the data it was trained on, or another --x-key: %w",
		path, t, f, wantT, wantF, model.ErrShape)
}

// Windows is what an engine is loaded with.
func (d *Dataset) Windows() model.Windows { return model.Windows{X: d.X, Y: d.Y} }

// Positives returns the number of listed windows of class 1.
func (d *Dataset) Positives(part []int32) int { return d.Counts(part)[1] }

// Counts returns the number of listed windows of each class.
func (d *Dataset) Counts(part []int32) []int {
	n := make([]int, max(len(d.Classes), 2))
	for _, i := range part {
		n[int(d.Y[i])]++
	}
	return n
}

// Missing reports whether any value is missing.
func (d *Dataset) Missing() bool {
	return slices.ContainsFunc(d.X, func(v float32) bool { return v != v })
}

// ErrTooSmall is wrapped by the errors of Check and SplitGroup about data that cannot be divided into parts.
var ErrTooSmall = errors.New("not enough data for training, validation and test")

// Division says of parts how they came about.
type Division struct {
	NoValidation bool // the validation part may be empty
	Given        bool // no seed drew them, so that no other seed would help
	Masking      Masking
}

// Check returns an error when the parts cannot be trained on and judged: one is empty, or the training part lacks
// a class or has no step that is not masked. It returns warnings, one sentence each, about what can be done but should be known: a
// class that is missing in validation or test, and groups that lie in two parts.
//
// The zero Division stands for parts that a seed drew, a validation part among them.
func (d *Dataset) Check(p Parts, how Division) (warnings []string, err error) {
	parts := []struct {
		name string
		list []int32
	}{{"training", p.Train}, {"validation", p.Val}, {"test", p.Test}}
	if how.NoValidation {
		parts = slices.Delete(parts, 1, 2)
	}
	for _, part := range parts {
		if len(part.list) == 0 {
			return nil, fmt.Errorf("%s: %d windows leave the %s part empty; a random split needs at least %d windows, a split by groups at least 3 groups: %w",
				d.Path, d.N, part.name, minWindows, ErrTooSmall)
		}
	}
	if err := d.CheckMasking(!how.Masking.Off); err != nil {
		return nil, err
	}
	all := d.Counts(metrics.All(d.N))
	for i, part := range parts {
		missing := []int{}
		for c, n := range d.Counts(part.list) {
			if n == 0 {
				missing = append(missing, c)
			}
		}
		if len(missing) == 0 {
			continue
		}
		name := func(c int) string { return d.className(c) }
		there := slices.IndexFunc(all, func(n int) bool { return n > 0 })
		switch {
		case len(all)-len(missing) == 1 && slices.Max(all) == d.N:
			return nil, fmt.Errorf("%s: y is %s in all %d windows; training needs at least one window of each class: %w", d.Path, name(there), d.N, ErrTooSmall)
		case i == 0 && len(all) == 2:
			return nil, fmt.Errorf("%s: the training part holds %d windows, all with y = %s; at least one with y = %s is needed there, and the file has %d: add windows%s: %w",
				d.Path, len(part.list), name(1-missing[0]), name(missing[0]), all[missing[0]], map[bool]string{false: " or change --seed"}[how.Given], ErrTooSmall)
		case i == 0:
			return nil, fmt.Errorf("%s: the training part holds no window with y = %s; at least one of each class is needed there, and the file has %d: add windows%s: %w",
				d.Path, name(missing[0]), all[missing[0]], map[bool]string{false: " or change --seed"}[how.Given], ErrTooSmall)
		case len(all) == 2:
			warnings = append(warnings, fmt.Sprintf("%s: the %s part holds %d windows, all with y = %s: AUC is undefined there, and the other scores say little; more windows%s would help",
				d.Path, part.name, len(part.list), name(1-missing[0]), map[bool]string{false: " or another --seed"}[how.Given]))
		default:
			warnings = append(warnings, fmt.Sprintf("%s: the %s part holds no window with y = %s: AUC is undefined there, and the scores leave that class out; more windows%s would help",
				d.Path, part.name, name(missing[0]), map[bool]string{false: " or another --seed"}[how.Given]))
		}
	}
	if !d.anyValid(p.Train, how.Masking) {
		return nil, fmt.Errorf("%s: every step of the training part is masked (all features %v or NaN); there is nothing to learn from", d.Path, how.Masking.Value)
	}
	if n, example := d.shared(p); n > 0 && d.GroupKey != "" {
		warnings = append(warnings, fmt.Sprintf("%s: windows of one %s lie in several parts (%d of them, %s for one), so the scores are better than they will be on new ones; use --split group",
			d.Path, d.GroupKey, n, example))
	}
	return warnings, nil
}

// anyValid reports whether a listed window has a step that is not masked.
func (d *Dataset) anyValid(part []int32, masking Masking) bool {
	for _, i := range part {
		for step := int(i) * d.T; step < (int(i)+1)*d.T; step++ {
			if masking.valid(d.X[step*d.F : (step+1)*d.F]) {
				return true
			}
		}
	}
	return false
}

// className is a class's name in a message.
func (d *Dataset) className(c int) string {
	if c < len(d.Classes) {
		return d.Classes[c]
	}
	return fmt.Sprint(c)
}

// shared returns the number of groups with windows in more than one part, and one of them.
func (d *Dataset) shared(p Parts) (n int, example string) {
	if d.Group == nil {
		return 0, ""
	}
	in := map[string]uint8{}
	for i, list := range [][]int32{p.Train, p.Val, p.Test} {
		for _, w := range list {
			in[d.Group[w]] |= 1 << i
		}
	}
	for g, parts := range in {
		if parts&(parts-1) == 0 {
			continue
		}
		if n++; n == 1 || strings.Compare(g, example) < 0 {
			example = g
		}
	}
	return n, fmt.Sprintf("%q", example)
}
