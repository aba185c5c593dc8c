package crossval

import (
	"archive/zip"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/files"
	"vklstm/train/metrics"
)

// TestCompare compares a series that finds one more of ten falls of every person with one that does not: persons differ
// by far more than that, but not in the difference.
func TestCompare(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	d := &data.Dataset{Path: "paper.npz", T: 1, F: 1, GroupKey: "subject"}
	var better, worse []float32
	for g := range 30 {
		found := 2 + int(7*random.Float64())
		for i := range 20 {
			y, p := float32(i%2), float32(0.1)
			if y == 1 && i/2 < found {
				p = 0.9
			}
			d.Y, d.Group = append(d.Y, y), append(d.Group, strings.Repeat("p", g+1))
			worse = append(worse, p)
			if y == 1 && i/2 == found {
				p = 0.8
			}
			better = append(better, p)
		}
	}
	d.N = len(d.Y)
	path := filepath.Join(t.TempDir(), "oof.npz")
	write := func(arrays ...npz.Array) {
		t.Helper()
		if err := files.Write(path, func(w io.Writer) error { return npz.Write(w, zip.Store, arrays...) }); err != nil {
			t.Fatal(err)
		}
	}
	n := []int{d.N}
	y, group := npz.Array{Name: "y", Shape: n, Data: d.Y}, npz.Array{Name: "group", Shape: n, Data: d.Group}
	write(npz.Array{Name: "probability", Shape: []int{2, d.N}, Data: append(append([]float32{}, worse...), worse...)}, y, group)
	b, err := LoadBase(path, d)
	if err != nil {
		t.Fatal(err)
	}
	o := &Outcome{Dataset: d, Series: []Series{seriesOf(better, Folds{})}}
	c := o.Compare(b)
	if len(b.Series) != 2 || !near(float64(c.Mean.Recall), 0.1) || !near(float64(c.Interval.Low.Recall), 0.1) || !near(float64(c.Interval.High.Recall), 0.1) {
		t.Errorf("difference %+v, interval %+v; recall's is 0.1 in every resample", c.Mean, c.Interval)
	}
	if own := metrics.Bootstrap(d.Y, nil, o.predicted(), nil, 200); own.High.Recall-own.Low.Recall < 0.02 {
		t.Errorf("recall itself lies in %v to %v; the test needs persons that differ", own.Low.Recall, own.High.Recall)
	}
	if low, high := float64(c.Interval.Low.F1), float64(c.Interval.High.F1); !(0 < low && low < float64(c.Mean.F1) && float64(c.Mean.F1) < high) {
		t.Errorf("F1's difference %v lies in %v to %v", c.Mean.F1, low, high)
	}
	text := c.table(metrics.Scores{Recall: 0.75})
	if !strings.Contains(text, "Against oof.npz") || !strings.Contains(text, "+0.1000 to +0.1000") {
		t.Error(text)
	}

	// A threshold of the models' own stands in the array predicted.
	all := make([]int64, d.N)
	for i := range all {
		all[i] = 1
	}
	write(npz.Array{Name: "probability", Shape: n, Data: worse}, npz.Array{Name: "predicted", Shape: n, Data: all}, y)
	if b, err = LoadBase(path, d); err != nil {
		t.Fatal(err)
	}
	if c := o.Compare(b); c.Base.Recall != 1 || math.Abs(float64(c.Base.Precision)-0.5) > 1e-12 {
		t.Errorf("all predicted: %+v", c.Base)
	}

	other := append([]float32{1 - d.Y[0]}, d.Y[1:]...)
	names := append([]string{"q"}, d.Group[1:]...)
	for want, arrays := range map[string][]npz.Array{
		`no array "probability"; the file holds`:          {y},
		`no array "y"`:                                    {{Name: "probability", Shape: n, Data: worse}},
		"its windows are not those of paper.npz":          {{Name: "probability", Shape: n, Data: worse}, {Name: "y", Shape: n, Data: other}},
		"its windows are not those of paper.npz; compare": {{Name: "probability", Shape: n, Data: worse}, y, {Name: "group", Shape: n, Data: names}},
		"its windows are not those of":                    {{Name: "probability", Shape: []int{d.N, 1}, Data: worse}, y},
		"predicted has another shape":                     {{Name: "probability", Shape: n, Data: worse}, y, {Name: "predicted", Shape: []int{1, d.N}, Data: all}},
	} {
		write(arrays...)
		if _, err := LoadBase(path, d); err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
