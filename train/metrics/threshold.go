package metrics

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"vklstm/train/internal/wording"
)

// The kinds of a ThresholdRule.
const (
	ThresholdFixed     = "fixed"     // Value itself
	ThresholdBestF1    = "best-f1"   // the best F1 on the validation part
	ThresholdRecall    = "recall"    // a recall of Value or more on the validation part, and the best precision with it
	ThresholdPrecision = "precision" // a precision of Value or more on the validation part, and the best recall with it
)

// DefaultThreshold is the decision threshold of a model that names none.
const DefaultThreshold = 0.5

// ThresholdRule says how a model's decision threshold is found: the probability above which, strictly, a window counts as
// positive. It is a flag's value too.
type ThresholdRule struct {
	Kind  string  // ThresholdFixed, ThresholdBestF1, ThresholdRecall or ThresholdPrecision
	Value float64 // but for ThresholdBestF1
}

// ParseThreshold reads a rule as it is written on a command line: a number, best-f1, recall>=X or precision>=X. The error
// lists them.
func ParseThreshold(s string) (ThresholdRule, error) {
	var r ThresholdRule
	kind, share, found := strings.Cut(strings.ReplaceAll(s, " ", ""), ">=")
	switch {
	case s == ThresholdBestF1:
		return ThresholdRule{Kind: ThresholdBestF1}, nil
	case found && (kind == ThresholdRecall || kind == ThresholdPrecision):
		r.Kind = kind
	case !found && (kind == ThresholdRecall || kind == ThresholdPrecision):
		return r, fmt.Errorf("threshold is %q; it lacks its share: write it in quotes, '%s>=0.95', since shells take > for themselves", s, kind)
	default:
		r.Kind, share = ThresholdFixed, s
	}
	var err error
	if r.Value, err = strconv.ParseFloat(share, 64); err != nil {
		return r, fmt.Errorf("threshold is %q; it must be a number, %s, '%s>=X' or '%s>=X'", wording.Short(s), ThresholdBestF1, ThresholdRecall, ThresholdPrecision)
	}
	return r, r.Check()
}

// Check returns an error when the rule is unknown or its number is out of range.
func (r ThresholdRule) Check() error {
	switch {
	case r.Kind == ThresholdBestF1:
	case r.Kind == ThresholdFixed && !(r.Value > 0 && r.Value < 1):
		return fmt.Errorf("threshold is %v; it must be above 0 and below 1 (0.5 is usual)", r.Value)
	case (r.Kind == ThresholdRecall || r.Kind == ThresholdPrecision) && !(r.Value > 0 && r.Value <= 1):
		return fmt.Errorf("threshold is %v; a %s must be above 0 and at most 1", r, r.Kind)
	case r.Kind != ThresholdFixed && r.Kind != ThresholdRecall && r.Kind != ThresholdPrecision:
		return fmt.Errorf("threshold's kind is %q; it must be one of %s, %s, %s, %s", wording.Short(r.Kind), ThresholdFixed, ThresholdBestF1, ThresholdRecall, ThresholdPrecision)
	}
	return nil
}

// String writes the rule as ParseThreshold reads it.
func (r ThresholdRule) String() string {
	switch r.Kind {
	case ThresholdBestF1:
		return r.Kind
	case ThresholdRecall, ThresholdPrecision:
		return fmt.Sprintf("%s>=%v", r.Kind, r.Value)
	}
	return fmt.Sprint(r.Value)
}

// Set reads the rule from a command line.
func (r *ThresholdRule) Set(s string) error {
	v, err := ParseThreshold(s)
	if err == nil {
		*r = v
	}
	return err
}

// Type names the flag's value in a command's help.
func (r *ThresholdRule) Type() string { return "rule" }

// Decision is a threshold, and how it was found.
type Decision struct {
	Threshold float64 // above 0 and below 1
	About     string  // for the log: the rule and what it reached; "" for a fixed threshold
	Problem   string  // why Threshold is DefaultThreshold and not what the rule asks for; "": it is
}

// Choose finds the threshold for probabilities p[n] of windows with labels y[n]. A threshold lies halfway between two
// neighbouring probabilities (or the lowest and 0), as every other one between them decides alike. Of several that are
// equally good, best-f1 takes the one nearest to DefaultThreshold and of two as near the higher one; the others take the
// one with the larger of recall and precision itself. Where the rule cannot be met (no window, one class only, a
// probability that is NaN, a share that no threshold reaches) it is DefaultThreshold, and Problem says why.
//
// It panics when the lengths differ.
func (r ThresholdRule) Choose(y, p []float32) Decision {
	if r.Kind == ThresholdFixed {
		return Decision{Threshold: r.Value}
	}
	sameLength(y, p)
	failed := func(format string, args ...any) Decision {
		return Decision{DefaultThreshold, "", fmt.Sprintf("threshold stays %v, not %v: %s", DefaultThreshold, r, fmt.Sprintf(format, args...))}
	}
	positives := 0
	for _, v := range y {
		positives += Class(v)
	}
	if len(y) == 0 {
		return failed("there is no validation window to choose it by")
	}
	if positives == 0 || positives == len(y) {
		return failed("the validation part holds one class only")
	}
	cuts, ok := cutsOf(y, p)
	if !ok {
		return failed("a validation window's probability is not a number")
	}
	best := -1
	for i := range cuts {
		if r.meets(cuts[i].Confusion) && (best < 0 || r.better(cuts[i], cuts[best])) {
			best = i
		}
	}
	if best < 0 {
		return failed("no threshold reaches that on the validation part")
	}
	c := cuts[best]
	return Decision{c.threshold, fmt.Sprintf("threshold %.4g, %v on the validation part: F1 %.4f, precision %.4f, recall %.4f",
		c.threshold, r, c.F1(), c.Precision(), c.Recall()), ""}
}

// ChooseMean is Choose for an ensemble: by the mean of its members' probabilities members[k][n] of the listed windows, n of
// them, whose labels are labels[windows[i]].
func (r ThresholdRule) ChooseMean(labels []float32, windows []int32, members [][]float32) Decision {
	if r.Kind == ThresholdFixed {
		return Decision{Threshold: r.Value}
	}
	return r.Choose(Labels(labels, windows), MeanProbability(members))
}

// cut is a threshold and what it decides.
type cut struct {
	threshold float64
	Confusion
}

// cutsOf lists a threshold below each distinct probability, from the highest down; none below 0. It returns false when a
// probability is NaN.
func cutsOf(y, p []float32) ([]cut, bool) {
	var list []cut
	var above Confusion
	for _, v := range y {
		if v == 1 {
			above.FN++
		} else {
			above.TN++
		}
	}
	ok := ties(y, p, func(value float32, pos, neg uint64) {
		if n := len(list); n > 0 {
			list[n-1].threshold = (list[n-1].threshold + float64(value)) / 2
		}
		above.TP, above.FN, above.FP, above.TN = above.TP+int(pos), above.FN-int(pos), above.FP+int(neg), above.TN-int(neg)
		list = append(list, cut{float64(value), above})
	})
	if n := len(list); n > 0 {
		if list[n-1].threshold /= 2; list[n-1].threshold == 0 {
			list = list[:n-1]
		}
	}
	return list, ok
}

// meets reports whether a cut is one of those to choose from.
func (r ThresholdRule) meets(c Confusion) bool {
	switch r.Kind {
	case ThresholdRecall:
		return c.Recall() >= r.Value
	case ThresholdPrecision:
		return c.Precision() >= r.Value
	}
	return true
}

// better reports whether cut a, whose threshold is below b's, is to be preferred. Ratios are compared in whole numbers.
func (r ThresholdRule) better(a, b cut) bool {
	less := func(n1, d1, n2, d2 int) int { return n1*d2 - n2*d1 } // > 0: n1/d1 is the larger one
	recall := less(a.TP, a.TP+a.FN, b.TP, b.TP+b.FN)
	precision := less(a.TP, a.TP+a.FP, b.TP, b.TP+b.FP)
	switch r.Kind {
	case ThresholdRecall:
		return precision > 0 || precision == 0 && recall > 0
	case ThresholdPrecision:
		return recall > 0 // as large a recall further down has more false positives
	}
	f1 := less(2*a.TP, 2*a.TP+a.FP+a.FN, 2*b.TP, 2*b.TP+b.FP+b.FN)
	return f1 > 0 || f1 == 0 && math.Abs(a.threshold-DefaultThreshold) < math.Abs(b.threshold-DefaultThreshold)
}
