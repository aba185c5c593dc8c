package enginetest

import (
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/judge"
)

// scenario is a training that both an engine and the reference can do.
type scenario = judge.Scenario

// judge runs the reference.
func (s suite) judge(t *testing.T, c scenario) judge.Truth {
	t.Helper()
	truth, err := c.Truth(s.tol.Half)
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

// check fails the test unless got is within the tolerances, naming the worst element of each quantity.
func check(t *testing.T, truth judge.Truth, got *judge.Numbers) {
	t.Helper()
	worst, where := 0.0, ""
	rows := truth.Compare(t.Name(), got)
	if len(rows) == 0 {
		t.Error("nothing was compared")
	}
	for _, r := range rows {
		if r.Failed() {
			t.Error(r)
		}
		if size := r.Error / r.Tolerance; size > worst {
			worst, where = size, r.What
		}
	}
	t.Logf("worst error is %.2f of its tolerance (%s)", worst, where)
}

// run trains on an engine of the suite.
func (s suite) run(t *testing.T, c scenario) *judge.Numbers {
	t.Helper()
	got, err := c.Run(s.engine(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// compare runs the scenario both ways.
func (s suite) compare(t *testing.T, c scenario) {
	t.Helper()
	check(t, s.judge(t, c), s.run(t, c))
}

// sameBits fails the test unless a and b are the same bits.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d elements, want %d", what, len(got), len(want))
		return
	}
	different, at := 0, 0
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			if different == 0 {
				at = i
			}
			different++
		}
	}
	if different > 0 {
		t.Errorf("%s: %d of %d elements differ, first [%d]: got %v, want %v", what, different, len(got), at, got[at], want[at])
	}
}

// sameState fails the test unless both states are the same bits.
func sameState(t *testing.T, what string, got, want *model.State) {
	t.Helper()
	if got.Step != want.Step {
		t.Errorf("%s: step %d, want %d", what, got.Step, want.Step)
	}
	sameBits(t, what+": parameters", got.Params, want.Params)
	sameBits(t, what+": m", got.M, want.M)
	sameBits(t, what+": v", got.V, want.V)
}

// sameOutcome fails the test unless both outcomes are the same bits.
func sameOutcome(t *testing.T, what string, got, want model.Outcome) {
	t.Helper()
	if got.Steps != want.Steps {
		t.Errorf("%s: %d steps, want %d", what, got.Steps, want.Steps)
	}
	sameBits(t, what+": probability", got.Probability, want.Probability)
	sameBits(t, what+": loss", got.Loss, want.Loss)
	sameBits(t, what+": evaluation probability", got.EvalProbability, want.EvalProbability)
	sameBits(t, what+": evaluation loss", got.EvalLoss, want.EvalLoss)
}

// equal fails the test unless probabilities that two ways lead to differ by no more than Tolerances.Equal.
func (s suite) equal(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if s.tol.Equal == 0 {
		sameBits(t, what, got, want)
		return
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d elements, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if d := math.Abs(float64(got[i])-float64(want[i])) * 0x1p24; !(d <= s.tol.Equal) {
			t.Errorf("%s[%d]: got %v, want %v, %.3g units of 2⁻²⁴ apart; at most %v", what, i, got[i], want[i], d, s.tol.Equal)
			return
		}
	}
}
