package search

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"vklstm/model/philox"
)

// Grid returns every combination of the lists, the last one changing fastest. The error names a range, which has no end
// of values, or says that there are too many.
func (s Space) Grid() ([][]Setting, error) {
	for _, d := range s {
		if d.Choices == nil {
			return nil, fmt.Errorf("a grid needs lists, and %s is a range: say how many values of it, as %s:5, or take --method random", d, d)
		}
	}
	n := s.Size()
	if n > MaxTrials {
		return nil, fmt.Errorf("the grid has more than %d combinations; take fewer values, or --method random", MaxTrials)
	}
	trials := make([][]Setting, n)
	for i := range trials {
		trials[i] = make([]Setting, len(s))
		rest := i
		for k := len(s) - 1; k >= 0; k-- {
			c := s[k].Choices
			trials[i][k] = Setting{s[k].Name, c[rest%len(c)]}
			rest /= len(c)
		}
	}
	return trials, nil
}

// maxRedraws bounds how often a trial is drawn again because its settings were there already.
const maxRedraws = 1_000_000

// Random draws n trials that all differ: trial i is drawn again as long as an earlier one has its settings. What is drawn
// for a flag depends on seed, the flag's name and values, and i, not on the other flags, but for those redraws.
func (s Space) Random(seed uint64, n int) ([][]Setting, error) {
	if size := s.Size(); size < n {
		return nil, fmt.Errorf("%d trials, but there are only %d different settings to try; take --trials %d, or --method grid", n, size, size)
	}
	seen := map[string]bool{}
	trials := make([][]Setting, n)
	redraws := 0
	for i := range trials {
		for attempt := 0; ; attempt++ {
			t := s.Draw(seed, i, attempt)
			if key := settingsText(t); !seen[key] {
				seen[key] = true
				trials[i] = t
				break
			}
			if redraws++; redraws > maxRedraws {
				return nil, fmt.Errorf("no %d different settings were found; take wider ranges or fewer --trials", n)
			}
		}
	}
	return trials, nil
}

// Draw returns the settings of a trial, at the first attempt (0) or a later one: a pure function of its arguments.
func (s Space) Draw(seed uint64, trial, attempt int) []Setting {
	t := make([]Setting, len(s))
	for k, d := range s {
		h := fnv.New32a()
		h.Write([]byte(d.Name))
		w := philox.Draw([4]uint32{h.Sum32(), uint32(attempt), uint32(trial), philox.Search}, philox.Key(seed))
		u := (float64(w[0]>>5)*(1<<26) + float64(w[1]>>6)) * 0x1p-53 // uniform in [0,1), 53 bits
		t[k] = Setting{d.Name, d.draw(u)}
	}
	return t
}

// draw returns the value for u, uniform in [0,1).
func (d Dimension) draw(u float64) string {
	switch {
	case d.Choices != nil:
		return d.Choices[int(u*float64(len(d.Choices)))]
	case d.Kind == Integer && d.Log:
		// Each whole number has the share of the logarithms from half below it to half above.
		lo, hi := math.Log(d.Lo-0.5), math.Log(d.Hi+0.5)
		return d.text(min(max(math.Round(math.Exp(lo+u*(hi-lo))), d.Lo), d.Hi))
	case d.Kind == Integer:
		return d.text(min(d.Lo+math.Floor(u*(d.Hi-d.Lo+1)), d.Hi))
	}
	return d.text(d.at(u))
}

// settingsText writes settings as the flags of a command.
func settingsText(t []Setting) string {
	parts := make([]string, len(t))
	for i, s := range t {
		parts[i] = s.Name + "=" + s.Value
	}
	return strings.Join(parts, " ")
}
