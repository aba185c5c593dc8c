package enginetest

import (
	"fmt"
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// scenario is a training that both an engine and the reference can do.
type scenario struct {
	spec    model.Spec
	opts    []model.Options
	windows model.Windows
	start   []*model.State
	epochs  [][]model.Plan // [epoch][model]
}

// quantities are what a scenario brings, by name; names keep the order.
type quantities struct {
	names  []string
	values map[string][]float64
}

func (q *quantities) put(name string, v []float64) {
	if q.values == nil {
		q.values = map[string][]float64{}
	}
	if _, ok := q.values[name]; !ok {
		q.names = append(q.names, name)
	}
	q.values[name] = append(q.values[name], v...)
}

// variables puts a flat array apart, so that a message names the variable.
func (q *quantities) variables(name string, l model.Layout, flat []float64) {
	for _, v := range l.Variables {
		q.put(name+" "+v.Name, flat[v.Offset:v.Offset+v.Size()])
	}
}

func wide(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

// reference runs the scenario in float64; with r it imitates float32.
func (c scenario) reference(t *testing.T, r *reference.Rounding) *quantities {
	t.Helper()
	e, err := reference.New(c.spec, c.opts)
	if err != nil {
		t.Fatal(err)
	}
	e.SetRounding(r)
	if err := e.Load(c.windows); err != nil {
		t.Fatal(err)
	}
	var q quantities
	l := c.spec.Layout()
	for k := range c.opts {
		if err := e.SetState(k, c.start[k]); err != nil {
			t.Fatal(err)
		}
		g, _, err := e.Gradient64(k, c.epochs[0][k])
		if err != nil {
			t.Fatal(err)
		}
		q.variables(fmt.Sprintf("model %d gradient", k), l, g)
	}
	for _, plans := range c.epochs {
		out, err := e.Epoch64(t.Context(), plans)
		if err != nil {
			t.Fatal(err)
		}
		for k, o := range out {
			q.outcome(k, o.Steps, o.Probability, o.Loss, o.EvalProbability, o.EvalLoss)
		}
	}
	for k := range c.opts {
		s := e.State64(k)
		q.state(k, l, s.Step, s.Params, s.M, s.V)
	}
	return &q
}

func (q *quantities) outcome(k, steps int, probability, loss, evalProbability, evalLoss []float64) {
	q.put(fmt.Sprintf("model %d steps", k), []float64{float64(steps)})
	q.put(fmt.Sprintf("model %d probability", k), probability)
	q.put(fmt.Sprintf("model %d loss", k), loss)
	q.put(fmt.Sprintf("model %d evaluation probability", k), evalProbability)
	q.put(fmt.Sprintf("model %d evaluation loss", k), evalLoss)
}

func (q *quantities) state(k int, l model.Layout, step int, params, m, v []float64) {
	q.put(fmt.Sprintf("model %d step", k), []float64{float64(step)})
	q.variables(fmt.Sprintf("model %d parameters", k), l, params)
	q.variables(fmt.Sprintf("model %d m", k), l, m)
	q.variables(fmt.Sprintf("model %d v", k), l, v)
}

// engine runs the scenario on an engine.
func (c scenario) engine(t *testing.T, s suite) *quantities {
	t.Helper()
	e := s.engine(t, c.spec, c.opts, c.windows, c.start)
	var q quantities
	l := c.spec.Layout()
	for k := range c.opts {
		g, _ := gradient(t, e, k, c.epochs[0][k])
		q.variables(fmt.Sprintf("model %d gradient", k), l, wide(g))
	}
	for _, plans := range c.epochs {
		for k, o := range epoch(t, e, plans) {
			q.outcome(k, o.Steps, wide(o.Probability), wide(o.Loss), wide(o.EvalProbability), wide(o.EvalLoss))
		}
	}
	for k := range c.opts {
		st := state(t, e, k)
		q.state(k, l, st.Step, wide(st.Params), wide(st.M), wide(st.V))
	}
	return &q
}

// smallest is what a number may always be off by: below 2⁻¹²⁶ float32 is subnormal, and Vulkan lets a device take such
// numbers for 0, also on the way.
const smallest = 0x1p-124

// imitations is how often float32 is imitated.
const imitations = 8

// truth is what the reference says of a scenario: the exact numbers, and how far an engine may be from each.
type truth struct {
	exact, tolerance *quantities
}

// judge runs the reference. The tolerance of an element is tol.Rounding times the largest deviation that it showed
// among the imitations, or times the root mean square of its array's deviations where that is larger (8 runs may all
// miss one element: (0.31)⁸ < 1e-4 is the probability that all stay below 0.4 standard deviations of a uniform
// error). A rounding of the element itself comes on top, because engines return float32.
func (s suite) judge(t *testing.T, c scenario) truth {
	t.Helper()
	exact := c.reference(t, nil)
	dev := quantities{names: exact.names, values: map[string][]float64{}}
	for _, name := range exact.names {
		dev.values[name] = make([]float64, len(exact.values[name]))
	}
	square := map[string]float64{}
	for i := range imitations {
		rounding := reference.NewRounding(uint64(i))
		if s.tol.Half {
			rounding = reference.NewHalfRounding(uint64(i))
		}
		run := c.reference(t, rounding)
		for _, name := range exact.names {
			for j, want := range exact.values[name] {
				d := math.Abs(run.values[name][j] - want)
				if !(d <= math.MaxFloat64) {
					t.Fatalf("%s[%d] is %v exactly and %v in float32: the case is not fit to compare", name, j, want, run.values[name][j])
				}
				dev.values[name][j] = math.Max(dev.values[name][j], d)
				square[name] += d * d
			}
		}
	}
	for name, d := range dev.values {
		rms := math.Sqrt(square[name] / float64(imitations*max(len(d), 1)))
		for j := range d {
			d[j] = s.tol.Rounding*math.Max(d[j], rms) + 0x1p-24*math.Abs(exact.values[name][j]) + smallest
		}
	}
	return truth{exact, &dev}
}

// check fails the test unless got is within the tolerance, naming the worst element of each quantity.
func (tr truth) check(t *testing.T, got *quantities) {
	t.Helper()
	worst, where := 0.0, ""
	for _, name := range tr.exact.names {
		want, tol, g := tr.exact.values[name], tr.tolerance.values[name], got.values[name]
		if len(g) != len(want) {
			t.Errorf("%s: %d elements, want %d", name, len(g), len(want))
			continue
		}
		at, size := -1, -1.0
		for i, v := range g {
			ratio := math.Abs(v-want[i]) / tol[i]
			switch {
			case v == want[i]:
				ratio = 0
			case ratio != ratio:
				ratio = math.Inf(1)
			}
			if ratio > size {
				at, size = i, ratio
			}
		}
		if size > 1 {
			t.Errorf("%s: worst at [%d]: got %v, want %v, error %.3g = %.3g × tolerance %.3g", name, at, g[at], want[at], math.Abs(g[at]-want[at]), size, tol[at])
		}
		if size > worst {
			worst, where = size, name
		}
	}
	t.Logf("worst error is %.2f of its tolerance (%s)", worst, where)
}

// compare runs the scenario both ways.
func (s suite) compare(t *testing.T, c scenario) {
	t.Helper()
	s.judge(t, c).check(t, c.engine(t, s))
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
