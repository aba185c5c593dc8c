package search

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vklstm/train/internal/wording"
)

// Kind says what a flag's values are.
type Kind string

// The kinds of flags.
const (
	Text    Kind = "text"    // names, on or off: lists only
	Integer Kind = "integer" // whole numbers
	Real    Kind = "real"    // numbers
)

// Flag is a setting that can be tried.
type Flag struct {
	Name string
	Kind Kind
	// Canonical parses a value as the command line would, and returns it as the flag writes it: "1e-3" is "0.001". The
	// error is one sentence.
	Canonical func(text string) (string, error)
}

// Flags finds a flag by its name. The error is one sentence that says why the flag cannot be tried.
type Flags func(name string) (Flag, error)

// Setting is a flag and its value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Dimension is what is tried of one flag: a list, or a range when Choices is nil.
type Dimension struct {
	Name    string
	Kind    Kind // Integer or Real, of a range
	Choices []string
	Lo, Hi  float64 // a range's ends, both included
	Log     bool    // drawn uniformly by logarithm
}

// Space is what is tried: one dimension for each flag.
type Space []Dimension

// The bounds of a space.
const (
	maxDimensions = 100
	maxChoices    = 10_000
	MaxTrials     = 100_000 // in one search
)

// ParseTry reads NAME=VALUES, which --try takes. VALUES is a list a,b,c (separated by ; where a value has commas), or a range
// LO:HI, to which :log and :COUNT may be added; a range with a count is the list of that number of evenly spaced values. One value
// with commas alone ends in ;.
func ParseTry(try string, flags Flags) (Dimension, error) {
	name, values, ok := strings.Cut(try, "=")
	if !ok || name == "" || values == "" {
		return Dimension{}, fmt.Errorf("--try %q: write NAME=A,B,C or NAME=LO:HI or NAME=LO:HI:log, with the name of a flag of training", wording.Short(try))
	}
	d, err := parseValues(strings.TrimLeft(name, "-"), values, flags)
	if err != nil {
		return d, fmt.Errorf("--try %s: %w", wording.Short(try), err)
	}
	return d, nil
}

// parseValues reads a list or a range.
func parseValues(name, values string, flags Flags) (Dimension, error) {
	f, err := flags(name)
	if err != nil {
		return Dimension{}, err
	}
	if parts := strings.Split(values, ":"); len(parts) > 1 && (f.Kind != Text || isNumber(parts[0]) && isNumber(parts[1])) {
		return parseRange(f, parts)
	}
	if strings.Contains(values, ";") {
		return list(f, strings.Split(strings.TrimSuffix(values, ";"), ";"))
	}
	return list(f, strings.Split(values, ","))
}

// list returns the dimension of the values given.
func list(f Flag, values []string) (Dimension, error) {
	d := Dimension{Name: f.Name, Kind: f.Kind}
	if len(values) > maxChoices {
		return d, fmt.Errorf("%d values; at most %d can be tried", len(values), maxChoices)
	}
	seen := map[string]bool{}
	for _, v := range values {
		v = strings.TrimSpace(v)
		switch {
		case v == "":
			return d, fmt.Errorf("a value is empty; write them as A,B,C")
		case strings.Contains(v, ";"):
			return d, fmt.Errorf("%q: a value cannot have a semicolon, which stands between values", wording.Short(v))
		}
		choice, err := f.Canonical(v)
		switch {
		case err != nil:
			return d, err
		case seen[choice]:
			return d, fmt.Errorf("%s is there twice", wording.Short(choice))
		}
		seen[choice] = true
		d.Choices = append(d.Choices, choice)
	}
	return d, nil
}

func isNumber(s string) bool {
	_, err := number(s)
	return err == nil
}

// number reads a finite number.
func number(s string) (float64, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q is not a number; a range is LO:HI, LO:HI:log, LO:HI:COUNT or LO:HI:log:COUNT", wording.Short(s))
	}
	return x, nil
}

// parseRange reads LO:HI, :log and :COUNT.
func parseRange(f Flag, parts []string) (Dimension, error) {
	var ends [2]float64
	for i := range ends {
		var err error
		if ends[i], err = number(parts[i]); err != nil {
			return Dimension{}, err
		}
	}
	log, count := false, 0
	for _, p := range parts[2:] {
		n, err := strconv.Atoi(strings.TrimSpace(p))
		switch {
		case strings.TrimSpace(p) == "log" && !log:
			log = true
		case err == nil && count == 0 && n >= 2 && n <= maxChoices:
			count = n
		default:
			return Dimension{}, fmt.Errorf("%q is neither log nor a count of 2 to %d; a range is LO:HI, LO:HI:log, LO:HI:COUNT or LO:HI:log:COUNT",
				wording.Short(p), maxChoices)
		}
	}
	return span(f, ends[0], ends[1], log, count)
}

// span returns the dimension of a range, or of count numbers in it.
func span(f Flag, lo, hi float64, log bool, count int) (Dimension, error) {
	d := Dimension{Name: f.Name, Kind: f.Kind, Lo: lo, Hi: hi, Log: log}
	if d.Kind == Text {
		d.Kind = Integer // a flag with a syntax of its own, as lstm-units: whole numbers are part of it
	}
	whole := lo == math.Trunc(lo) && hi == math.Trunc(hi) && math.Abs(lo) <= 1<<53 && math.Abs(hi) <= 1<<53
	switch {
	case !(lo < hi) || math.IsInf(hi-lo, 0):
		return d, fmt.Errorf("the range must go from a smaller number to a larger one")
	case log && lo <= 0:
		return d, fmt.Errorf("a range by logarithm must begin above 0")
	case d.Kind == Integer && !whole:
		return d, fmt.Errorf("%s takes whole numbers, and so must the range", f.Name)
	}
	for _, end := range []float64{lo, hi} {
		if _, err := f.Canonical(d.text(end)); err != nil {
			return d, err
		}
	}
	if count == 0 {
		return d, nil
	}
	var values []string
	for i := range count {
		if v := d.text(d.at(float64(i) / float64(count-1))); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return list(f, values)
}

// at returns the number at u ∈ [0,1] of a range, whole if it must be.
func (d Dimension) at(u float64) float64 {
	x := d.Lo + u*(d.Hi-d.Lo)
	if d.Log {
		x = math.Exp(math.Log(d.Lo) + u*(math.Log(d.Hi)-math.Log(d.Lo)))
	}
	if d.Kind == Integer {
		x = math.Round(x)
	}
	return min(max(x, d.Lo), d.Hi)
}

// text writes a number of the range, rounded to four digits of it: nobody reads more, and a command with fewer is short.
func (d Dimension) text(x float64) string {
	if d.Kind == Integer || x == d.Lo || x == d.Hi {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	digits := 4
	if narrow := max(math.Abs(d.Lo), math.Abs(d.Hi)) / (d.Hi - d.Lo); narrow > 1 {
		digits = min(17, 4+int(math.Log10(narrow)))
	}
	text := strconv.FormatFloat(x, 'g', digits, 64)
	if y, _ := strconv.ParseFloat(text, 64); y < d.Lo || y > d.Hi {
		text = strconv.FormatFloat(x, 'g', -1, 64)
	}
	return text
}

// Size returns how many different values there are; at most MaxTrials + 1 are counted.
func (d Dimension) Size() int {
	switch {
	case d.Choices != nil:
		return len(d.Choices)
	case d.Kind == Integer:
		return int(min(d.Hi-d.Lo, MaxTrials)) + 1
	}
	return MaxTrials + 1
}

// String writes the dimension as --try reads it.
func (d Dimension) String() string {
	if d.Choices != nil {
		text := strings.Join(d.Choices, ",")
		if strings.Count(text, ",") >= len(d.Choices) { // there are some in the values
			text = strings.Join(d.Choices, ";") + ";"
		}
		return d.Name + "=" + text
	}
	log := ""
	if d.Log {
		log = ":log"
	}
	return fmt.Sprintf("%s=%v:%v%s", d.Name, d.Lo, d.Hi, log)
}

// Check returns an error when there is nothing to try, or one flag twice.
func (s Space) Check() error {
	switch {
	case len(s) == 0:
		return fmt.Errorf("there is nothing to try; name a flag and its values, as --try lr=1e-4:1e-2:log --try lstm-units=32,64,128, or a file with --space")
	case len(s) > maxDimensions:
		return fmt.Errorf("%d flags are tried; at most %d can be", len(s), maxDimensions)
	}
	seen := map[string]bool{}
	for _, d := range s {
		if seen[d.Name] {
			return fmt.Errorf("%s is tried twice; give all its values at once", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

// Size returns how many different settings there are; at most MaxTrials + 1 are counted.
func (s Space) Size() int {
	n := 1
	for _, d := range s {
		n *= d.Size() // at most (10⁵ + 1)², within an int
		if n > MaxTrials {
			return MaxTrials + 1
		}
	}
	return n
}
