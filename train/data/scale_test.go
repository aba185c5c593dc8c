package data

import (
	"archive/zip"
	"encoding/json"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/augment"
	"vklstm/model/npz"
	"vklstm/train/files"
	"vklstm/train/metrics"
)

func Nan32() float32 { return float32(math.NaN()) }

// scaleData has four windows of two steps of three features; the last window is not for training.
func scaleData() (*Dataset, []int32) {
	n := Nan32()
	return &Dataset{Path: "data.npz", N: 4, T: 2, F: 3, Y: make([]float32, 4), X: []float32{
		2, 5, -1, 4, n, 0, // 0: one value missing; a 0 in a valid step counts
		0, 0, 0, n, 0, n, // 1: both steps are masked
		6, 5, 1, 8, 5, n,
		100, 100, 100, -100, -100, -100,
	}}, []int32{0, 1, 2}
}

func TestFitScaling(t *testing.T) {
	d, train := scaleData()
	// Feature 0: 2 4 6 8. Feature 1: 5 5 5. Feature 2: -1 0 1.
	sd0, sd2 := math.Sqrt(5), math.Sqrt(2.0/3)
	for _, tc := range []struct {
		kind                      string
		offset, factor, low, high [3]float64
	}{
		{ScaleNone, [3]float64{0, 0, 0}, [3]float64{1, 1, 1}, [3]float64{2, 5, -1}, [3]float64{8, 5, 1}},
		{ScaleMinMax, [3]float64{2, 5, -1}, [3]float64{1. / 6, 1, 0.5}, [3]float64{0, 0, 0}, [3]float64{1, 1, 1}},
		{ScaleStandard, [3]float64{5, 5, 0}, [3]float64{1 / sd0, 1, 1 / sd2}, [3]float64{-3 / sd0, 0, -1 / sd2}, [3]float64{3 / sd0, 0, 1 / sd2}},
	} {
		s, warnings, err := FitScaling(tc.kind, d, train, Masking{})
		if err != nil || len(warnings) > 0 || s.Kind != tc.kind {
			t.Fatalf("%s: %+v, %q, %v", tc.kind, s, warnings, err)
		}
		if err := s.Check(3); err != nil {
			t.Error(err)
		}
		for f := range 3 {
			// Fitted in float64 and rounded once; low and high are one product more.
			for _, v := range []struct {
				name      string
				got, want float64
			}{{"offset", float64(s.Offset[f]), tc.offset[f]}, {"factor", float64(s.Factor[f]), tc.factor[f]},
				{"low", float64(s.Low[f]), tc.low[f]}, {"high", float64(s.High[f]), tc.high[f]}} {
				if math.Abs(v.got-v.want) > 3*0x1p-24*math.Abs(v.want) {
					t.Errorf("%s: %s[%d] = %v, want %v", tc.kind, v.name, f, v.got, v.want)
				}
			}
		}
	}
}

func TestScalingBounds(t *testing.T) {
	n := Nan32()
	unit := &Dataset{N: 1, T: 3, F: 2, X: []float32{0, 0.5, 1, n, 0.25, 0.25}}
	s, _, err := FitScaling(ScaleNone, unit, []int32{0}, Masking{})
	if err != nil || s.Low[0] != 0 || s.High[0] != 1 || s.Low[1] != 0 || s.High[1] != 1 {
		t.Errorf("data in [0,1]: %+v, %v", s, err)
	}
	unit.X[1] = 1.5 // one feature beyond: each has its own range
	s, _, err = FitScaling(ScaleNone, unit, []int32{0}, Masking{})
	if err != nil || s.Low[0] != 0 || s.High[0] != 1 || s.Low[1] != 0.25 || s.High[1] != 1.5 {
		t.Errorf("data in [0,1.5]: %+v, %v", s, err)
	}
}

// A constant is found by comparing, for its computed standard deviation is rounding, not 0.
func TestConstantFeature(t *testing.T) {
	d := &Dataset{N: 1000, T: 1, F: 1, X: make([]float32, 1000)}
	for i := range d.X {
		d.X[i] = 0.1
	}
	for _, kind := range []string{ScaleMinMax, ScaleStandard} {
		s, _, err := FitScaling(kind, d, metrics.All(1000), Masking{})
		if err != nil || s.Factor[0] != 1 || s.Offset[0] != 0.1 {
			t.Errorf("%s: %+v, %v", kind, s, err)
		}
	}
	tiny := &Dataset{N: 1, T: 2, F: 1, X: []float32{0x1p-126, 0x1.000002p-126}}
	for _, kind := range []string{ScaleMinMax, ScaleStandard} {
		if s, _, err := FitScaling(kind, tiny, []int32{0}, Masking{}); err != nil || s.Factor[0] != 1 || s.Check(1) != nil {
			t.Errorf("%s of numbers closer than float32 can scale: %+v, %v", kind, s, err)
		}
	}
}

// With a large mean, Σx² − n·mean² would lose the variance: the mean is 1e6 and the deviation 1.
func TestLargeMean(t *testing.T) {
	d := &Dataset{N: 2000, T: 1, F: 1, X: make([]float32, 2000)}
	for i := range d.X {
		d.X[i] = 1e6 + float32(2*(i%2)) - 1
	}
	s, _, err := FitScaling(ScaleStandard, d, metrics.All(2000), Masking{})
	if err != nil || s.Offset[0] != 1e6 || s.Factor[0] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestScalingErrors(t *testing.T) {
	d, train := scaleData()
	if _, _, err := FitScaling("robust", d, train, Masking{}); err == nil || !strings.Contains(err.Error(), `unknown scaling "robust"; known are none, minmax, standard, file`) {
		t.Errorf("%v", err)
	}
	for i := 1; i < len(d.X); i += 3 {
		d.X[i] = Nan32()
	}
	s, warnings, err := FitScaling(ScaleStandard, d, train, Masking{})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "data.npz: feature 1 has no value in the training part") || s.Offset[1] != 0 || s.Factor[1] != 1 {
		t.Errorf("%+v, %q, %v", s, warnings, err)
	}
	far := &Dataset{Path: "data.npz", N: 1, T: 2, F: 1, X: []float32{-3e38, 3e38}}
	if _, _, err := FitScaling(ScaleMinMax, far, []int32{0}, Masking{}); err == nil || !strings.Contains(err.Error(), "data.npz: feature 0 ranges from -3e+38 to 3e+38") {
		t.Errorf("%v", err)
	}
}

func TestScalingJSON(t *testing.T) {
	s := Scaling{Kind: ScaleMinMax}
	s.add(1, 0.5, 0, 1)
	b, err := json.Marshal(s)
	if want := `{"kind":"minmax","offset":[1],"factor":[0.5],"low":[0],"high":[1]}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
	var back Scaling
	if err := json.Unmarshal(b, &back); err != nil || back.Kind != s.Kind || back.Offset[0] != 1 || back.Factor[0] != 0.5 || back.High[0] != 1 {
		t.Errorf("%+v, %v", back, err)
	}
}

// What eachValid visits is what engines see as valid.
func TestEachValid(t *testing.T) {
	d, train := scaleData()
	visited := 0
	eachValid(d, train, Masking{}, func(int, float64) { visited++ })
	want := 0
	for _, w := range train {
		for s := range d.T {
			step := d.X[(int(w)*d.T+s)*d.F:][:d.F]
			for _, v := range step {
				if augment.Valid(step, 0) && v == v {
					want++
				}
			}
		}
	}
	if visited != want || want != 10 {
		t.Errorf("%d values visited, %d valid, want 10", visited, want)
	}
}

// The file's divisors scale every feature, whatever the training part holds; without them there is a sentence.
func TestScaleByFile(t *testing.T) {
	d := &Dataset{Path: "a.npz", N: 1, T: 2, F: 2, X: []float32{10, 4, 10, 8}, Divisor: []float64{5, 2}}
	s, notes, err := FitScaling(ScaleFile, d, []int32{0}, Masking{})
	if err != nil || len(notes) > 0 || !slices.Equal(s.Offset, []float32{0, 0}) || !slices.Equal(s.Factor, []float32{0.2, 0.5}) ||
		!slices.Equal(s.Low, []float32{2, 2}) || !slices.Equal(s.High, []float32{2, 4}) {
		t.Errorf("%+v, %q, %v", s, notes, err)
	}
	d.Divisor = nil
	if _, _, err := FitScaling(ScaleFile, d, []int32{0}, Masking{}); err == nil || !strings.Contains(err.Error(), `a.npz: scale file needs an array "scale_div"`) {
		t.Error(err)
	}
	for _, tc := range []struct {
		name    string
		divisor npz.Array
		want    []float64
		problem string
	}{
		{"as it should be", npz.Array{Name: "scale_div", Shape: []int{2}, Data: []float64{5, 0.5}}, []float64{5, 0.5}, ""},
		{"of another shape", npz.Array{Name: "scale_div", Shape: []int{3}, Data: []float64{5, 0.5, 1}}, nil, ""},
		{"zero", npz.Array{Name: "scale_div", Shape: []int{2}, Data: []float64{5, 0}}, nil, "scale_div holds 0 at [1]"},
		{"missing", npz.Array{Name: "scale_div", Shape: []int{2}, Data: []float64{math.NaN(), 1}}, nil, "scale_div holds NaN at [0]"},
	} {
		path := filepath.Join(t.TempDir(), "d.npz")
		if err := files.Write(path, func(w io.Writer) error {
			return npz.Write(w, zip.Store, npz.Array{Name: "X", Shape: []int{1, 2, 2}, Data: []float32{1, 2, 3, 4}},
				npz.Array{Name: "y", Shape: []int{1}, Data: []int64{1}}, tc.divisor)
		}); err != nil {
			t.Fatal(err)
		}
		d, err := LoadNPZ(path, Keys{})
		if err == nil && tc.problem != "" {
			// Who does not ask for it is not troubled.
			if _, _, err := FitScaling(ScaleStandard, d, []int32{0}, Masking{}); err != nil {
				t.Errorf("%s: not asked for: %v", tc.name, err)
			}
			if _, _, err := FitScaling(ScaleFile, d, []int32{0}, Masking{}); err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%s: error %v", tc.name, err)
			}
		}
		if err != nil || !slices.Equal(d.Divisor, tc.want) {
			t.Errorf("%s: %v, %v", tc.name, d, err)
		}
	}
}
