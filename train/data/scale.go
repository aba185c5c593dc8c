package data

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/model/augment"
)

// Kinds of scaling.
const (
	ScaleNone     = "none"
	ScaleMinMax   = "minmax"   // each feature's training range becomes [0,1]
	ScaleStandard = "standard" // each feature's training values get mean 0 and standard deviation 1
	ScaleFile     = "file"     // each feature is divided by the file's number for it, Dataset.Divisor
)

// Scaling is what was fitted to a training part: scaled = (x − Offset)·Factor per feature. Low and High are the
// bounds that augmentation's noise is clipped to: 0 and 1 when all scaled training values lie there, otherwise
// each feature's range of scaled training values. An augmentation that turns or enlarges windows has no bounds.
type Scaling struct {
	Kind string `json:"kind"`
	model.Scaling
}

// scales are the kinds of scaling.
var Scales = []string{ScaleNone, ScaleMinMax, ScaleStandard, ScaleFile}

// span is what FitScaling learns of a feature.
type span struct {
	n                   int
	min, max, sum, mean float64
}

// Masking says which steps a network leaves out: those whose features all are Value or missing. The zero value leaves out steps of zeros.
type Masking struct {
	Off   bool // none
	Value float32
}

// valid reports whether a step counts.
func (m Masking) valid(step []float32) bool { return m.Off || augment.Valid(step, m.Value) }

// FitScaling fits a scaling of the given kind to the listed windows. Only valid values count: a missing value (NaN)
// does not, nor does a masked step. A feature that is constant gets
// factor 1; so does one without any value, with offset 0 and a warning. The error names an unknown kind, or a
// feature whose range is beyond float32.
func FitScaling(kind string, d *Dataset, train []int32, masking Masking) (Scaling, []string, error) {
	s := Scaling{Kind: kind}
	if !slices.Contains(Scales, kind) {
		return s, nil, fmt.Errorf("train: unknown scaling %q; known are %s", kind, strings.Join(Scales, ", "))
	}
	if kind == ScaleFile && d.divisorProblem != nil {
		return s, nil, d.divisorProblem
	}
	if kind == ScaleFile && d.Divisor == nil {
		return s, nil, fmt.Errorf("%s: scale %s needs an array %q with a number above 0 for each of the %d features, which the data do not have; choose %s or %s",
			d.Path, ScaleFile, divisorKey, d.F, ScaleStandard, ScaleMinMax)
	}
	spans := make([]span, d.F)
	for f := range spans {
		spans[f].min, spans[f].max = math.Inf(1), math.Inf(-1)
	}
	eachValid(d, train, masking, func(f int, x float64) {
		p := &spans[f]
		p.n++
		p.sum += x
		p.min, p.max = min(p.min, x), max(p.max, x)
	})
	squares := make([]float64, d.F) // Σ(x − mean)²: a second pass, since Σx² − n·mean² cancels
	for f := range spans {
		spans[f].mean = spans[f].sum / float64(max(spans[f].n, 1))
	}
	if kind == ScaleStandard {
		eachValid(d, train, masking, func(f int, x float64) {
			dx := x - spans[f].mean
			squares[f] += float64(dx * dx)
		})
	}
	var warnings []string
	inUnit := true
	for f, p := range spans {
		if p.n == 0 && kind != ScaleFile {
			s.add(0, 1, 0, 1)
			warnings = append(warnings, fmt.Sprintf("%s: feature %d has no value in the training part; it is left unscaled and teaches nothing", d.Path, f))
			continue
		}
		offset, factor := 0.0, 1.0
		switch kind {
		case ScaleMinMax:
			offset, factor = p.min, 1/(p.max-p.min)
		case ScaleStandard:
			offset, factor = p.mean, 1/math.Sqrt(squares[f]/float64(p.n))
		case ScaleFile:
			factor = 1 / d.Divisor[f]
		}
		if p.max-p.min > math.MaxFloat32 {
			return s, nil, fmt.Errorf("%s: feature %d ranges from %.4g to %.4g, too far for float32; scale it down in the file", d.Path, f, p.min, p.max)
		}
		if p.min == p.max && kind != ScaleFile || factor > math.MaxFloat32 {
			factor = 1
		}
		o, k := float32(offset), float32(factor)
		low, high := (float32(p.min)-o)*k, (float32(p.max)-o)*k // as the engines compute it
		s.add(o, k, low, high)
		inUnit = inUnit && low >= 0 && high <= 1
	}
	if inUnit || kind == ScaleMinMax { // minmax may round to just above 1
		for f := range s.Low {
			s.Low[f], s.High[f] = 0, 1
		}
	}
	return s, warnings, nil
}

func (s *Scaling) add(offset, factor, low, high float32) {
	s.Offset, s.Factor = append(s.Offset, offset), append(s.Factor, factor)
	s.Low, s.High = append(s.Low, low), append(s.High, high)
}

// eachValid calls visit for every valid value of the listed windows.
func eachValid(d *Dataset, part []int32, masking Masking, visit func(f int, x float64)) {
	for _, i := range part {
		for t := int(i) * d.T; t < (int(i)+1)*d.T; t++ {
			step := d.X[t*d.F : (t+1)*d.F]
			if !masking.valid(step) {
				continue
			}
			for f, x := range step {
				if x == x {
					visit(f, float64(x))
				}
			}
		}
	}
}

// forPrediction returns the scaling without the bounds of augmentation's noise, and without numbers that change
// nothing: an attribute of an HDF5 file holds 64 KiB at most.
func (s Scaling) ForPrediction() Scaling {
	s.Low, s.High = nil, nil
	if s.Kind == ScaleNone {
		s.Offset, s.Factor = nil, nil
	}
	return s
}
