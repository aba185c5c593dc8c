package gputest

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// Near fails the test unless |got − want| ≤ tol for every element. The message names the worst one by its index in the
// given shape (slowest dimension first; none: a flat index), both values, and the error as a multiple of the tolerance.
// A NaN in got never passes, not even where want is NaN; an infinity passes where want is the same one.
func Near(tb testing.TB, name string, got []float32, want []float64, tol float64, shape ...int) {
	tb.Helper()
	if msg := compare(name, got, want, tol, shape); msg != "" {
		tb.Error(msg)
	}
}

// compare is Near's judgement; "" is a pass.
func compare(name string, got []float32, want []float64, tol float64, shape []int) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%s: %d elements, want %d", name, len(got), len(want))
	}
	product := 1
	for _, n := range shape {
		product *= n
	}
	if len(shape) > 0 && product != len(got) {
		return fmt.Sprintf("%s: shape %v does not have %d elements", name, shape, len(got))
	}
	if len(got) == 0 {
		return fmt.Sprintf("%s: nothing to compare", name)
	}
	worst, size, bad := -1, -1.0, 0
	for i, g := range got {
		e := math.Abs(float64(g) - want[i])
		switch {
		case math.IsInf(want[i], 0) && float64(g) == want[i]:
			e = 0
		case math.IsNaN(e):
			e = math.Inf(1)
		}
		if !(e <= tol) || math.IsNaN(float64(g)) {
			bad++
		}
		if e > size {
			worst, size = i, e
		}
	}
	if bad == 0 {
		return ""
	}
	multiple := fmt.Sprintf("%.3g × tolerance %.3g", size/tol, tol)
	if tol == 0 {
		multiple = "tolerance 0"
	}
	return fmt.Sprintf("%s: worst at %s: got %v, want %v, error %.3g = %s; %d of %d elements are out of tolerance",
		name, index(worst, shape), got[worst], want[worst], size, multiple, bad, len(got))
}

// index writes a flat index as [b][u].
func index(i int, shape []int) string {
	if len(shape) == 0 {
		return fmt.Sprintf("[%d]", i)
	}
	parts := make([]string, len(shape))
	for k := len(shape) - 1; k >= 0; k-- {
		parts[k] = fmt.Sprintf("[%d]", i%shape[k])
		i /= shape[k]
	}
	return strings.Join(parts, "")
}
