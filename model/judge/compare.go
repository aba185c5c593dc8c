package judge

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"vklstm/model/reference"
)

// Row is the verdict on one quantity of one case.
type Row struct {
	Case      string
	What      string  // "probability", "d/lstm/kernel", "step 3 parameters", …
	Index     string  // the worst element, as [b][u]: the one whose error is largest against its tolerance
	Got, Want float64 // there
	Error     float64 // |Got − Want|; +Inf where one of them is NaN
	Tolerance float64 // of that element
	Pass      bool
	NotOurs   string // why the case was not run; then it counts as neither passed nor failed
	Err       error  // why the case could not be run; then Pass is false
}

// Failed reports whether the row is a failure.
func (r Row) Failed() bool { return !r.Pass && r.NotOurs == "" }

// String returns the row as one line.
func (r Row) String() string {
	switch {
	case r.NotOurs != "":
		return fmt.Sprintf("%s: %s", r.Case, r.NotOurs)
	case r.Err != nil:
		return fmt.Sprintf("%s: FAILED: %v", r.Case, r.Err)
	}
	verdict := "ok"
	if !r.Pass {
		verdict = "FAILED"
	}
	return fmt.Sprintf("%s: %s: error %.2e at %s (got %.9g, want %.9g), tolerance %.2e: %s",
		r.Case, r.What, r.Error, r.Index, r.Got, r.Want, r.Tolerance, verdict)
}

// referenceTolerance is how far the reference may be from Keras's float64, relative to an array's largest value: both
// round in float64, and some golden arrays are stored rounded to 40 bits (1e-12). Measured: below 1e-12.
const referenceTolerance = 1e-9

// Engines are held to what float32 may lose. Package reference imitates float32's rounding (reference.Rounding says by
// how much each operation errs); runs is how often, and the tolerance of an element is safety times the largest
// deviation that the element showed, or the root mean square of its array's deviations, whichever is larger.
//
// The imitation moves each result by up to the whole bound of a correct operation, with a standard deviation of
// bound/√3; an engine's errors are smaller. That all of 8 runs leave an element within 0.4 of its standard deviation
// has probability (0.31)⁸ < 1e-4, and then 4 times the largest is still 1.6 standard deviations of errors that are
// larger than the engine's; the root mean square of the array holds such an element up besides.
// Keras's own float32 numbers lie within 0.18 of these tolerances, measured on two golden folders of different shapes; the
// float32 engines within 0.43.
const (
	runs   = 8
	safety = 4
)

// program is a case that can be run.
type program interface {
	// wanted returns the true numbers, and the shapes to call their elements by.
	wanted() (*Numbers, map[string][]int, error)
	runReference(r *reference.Rounding) (*Numbers, error)
	runEngine(f Factory) (*Numbers, error)
}

// open returns the case as a program, or the rows that say why it has none.
func (c *Case) open() (program, []Row) {
	if why := c.NotOurs(); why != "" {
		return nil, []Row{{Case: c.Name, NotOurs: why}}
	}
	if c.own != nil {
		return c.own, nil
	}
	if c.Kind == networkKind {
		if _, err := c.Arrays(); err != nil {
			return nil, []Row{{Case: c.Name, Err: err}}
		}
		return c.network, nil
	}
	p, err := c.problem()
	if err != nil {
		return nil, []Row{{Case: c.Name, Err: err}}
	}
	return p, nil
}

// CheckReference runs the case in float64 by package reference, and compares every number that the case holds.
// Nothing is to be learnt so from a case of Own, whose truth the reference is: it has no rows.
func (c *Case) CheckReference() []Row {
	if c.own != nil {
		return nil
	}
	p, rows := c.open()
	if p == nil {
		return rows
	}
	got, err := p.runReference(nil)
	if err != nil {
		return []Row{{Case: c.Name, Err: err}}
	}
	want, shapes, err := p.wanted()
	if err != nil {
		return []Row{{Case: c.Name, Err: err}}
	}
	tolerance := map[string][]float64{}
	for name, values := range want.values {
		largest := 1e-12 // an array of zeros must be met exactly, as far as that can be said
		for _, v := range values {
			largest = math.Max(largest, math.Abs(v))
		}
		tolerance[name] = slices.Repeat([]float64{referenceTolerance * largest}, len(values))
	}
	return append(compare(c.Name, got, want, shapes, tolerance, true), c.unread(p, want)...)
}

// CheckEngine runs the case through the engine that f makes, and compares every number that an engine returns.
func (c *Case) CheckEngine(f Factory) []Row {
	return c.checkEngine(f, &c.float32s, false)
}

// CheckEngineMixed is CheckEngine for an engine that takes the recurrent products of float16, as reference.NewHalfRounding
// imitates it.
func (c *Case) CheckEngineMixed(f Factory) []Row {
	return c.checkEngine(f, &c.halves, true)
}

func (c *Case) checkEngine(f Factory, j *judgement, half bool) []Row {
	p, rows := c.open()
	if p == nil {
		return rows
	}
	j.once.Do(func() { j.tolerance, j.err = tolerances(p, rounding(half)) }) // once for all engines
	if j.err != nil {
		return []Row{{Case: c.Name, Err: j.err}}
	}
	got, err := p.runEngine(f)
	if err != nil {
		return []Row{{Case: c.Name, Err: err}}
	}
	want, shapes, err := p.wanted()
	if err != nil {
		return []Row{{Case: c.Name, Err: err}}
	}
	return compare(c.Name, got, want, shapes, j.tolerance, false)
}

// rounding returns what imitates an engine's rounding in each run.
func rounding(half bool) func(run uint64) *reference.Rounding {
	if half {
		return reference.NewHalfRounding
	}
	return reference.NewRounding
}

// tolerances returns the tolerance of every number of a program under a rounding.
func tolerances(p program, rounding func(run uint64) *reference.Rounding) (map[string][]float64, error) {
	exact, err := p.runReference(nil)
	if err != nil {
		return nil, err
	}
	worst, squares := map[string][]float64{}, map[string][]float64{}
	for name, values := range exact.values {
		worst[name], squares[name] = make([]float64, len(values)), make([]float64, len(values))
	}
	moved, err := imitate(p, rounding)
	if err != nil {
		return nil, err
	}
	for _, m := range moved {
		for name, values := range exact.values {
			for i, v := range values {
				d := math.Abs(m.values[name][i] - v)
				worst[name][i] = math.Max(worst[name][i], d)
				squares[name][i] += d * d
			}
		}
	}
	tolerance := map[string][]float64{}
	for name, values := range exact.values {
		list := make([]float64, len(values))
		parts := append(slices.Clone(exact.parts[name]), len(values))
		for k, first := range parts[:len(parts)-1] {
			part := squares[name][first:parts[k+1]]
			floor := math.Sqrt(sum(part) / float64(runs*max(1, len(part))))
			for i := first; i < parts[k+1]; i++ {
				// What an engine returns is rounded to float32, and below 2⁻¹²⁶ it may be 0.
				list[i] = safety*math.Max(worst[name][i], floor) + 0x1p-24*math.Abs(values[i]) + 0x1p-124
			}
		}
		tolerance[name] = list
	}
	return tolerance, nil
}

// imitate runs the case in an imitated precision, on all cores.
func imitate(p program, rounding func(run uint64) *reference.Rounding) ([]*Numbers, error) {
	var wait sync.WaitGroup
	out, errs := make([]*Numbers, runs), make([]error, runs)
	next := make(chan int)
	for range min(runs, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := range next {
				out[i], errs[i] = p.runReference(rounding(uint64(i)))
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	wait.Wait()
	return out, errors.Join(errs...)
}

// compare returns a row for each quantity that is wanted and that got has; with all set, one that got lacks fails.
func compare(name string, got, want *Numbers, shapes map[string][]int, tolerance map[string][]float64, all bool) []Row {
	var rows []Row
	for _, what := range want.names {
		g, ok := got.values[what]
		w := want.values[what]
		if !ok && !all {
			continue
		}
		if len(g) != len(w) {
			rows = append(rows, Row{Case: name, What: what,
				Err: fmt.Errorf("judge: case %s: %s has %d values where %d are wanted", name, what, len(g), len(w))})
			continue
		}
		row := Row{Case: name, What: what, Pass: true}
		at, worst := 0, -1.0
		for i := range w {
			e := math.Abs(g[i] - w[i])
			if e != e {
				e = math.Inf(1)
			}
			if g[i] != g[i] && w[i] != w[i] || g[i] == w[i] {
				e = 0
			}
			ratio := e / tolerance[what][i]
			if ratio > worst || ratio != ratio {
				at, worst, row.Error = i, ratio, e
			}
			row.Pass = row.Pass && e <= tolerance[what][i]
		}
		if len(w) > 0 {
			row.Got, row.Want, row.Tolerance = g[at], w[at], tolerance[what][at]
			if index := want.index[what]; index != nil {
				row.Index = index(at)
			} else {
				row.Index = brackets(shapes[what], at)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// unread returns a row that names the results in the case that nothing was compared with, if there are any.
func (c *Case) unread(p program, want *Numbers) []Row {
	k, ok := p.(*problem)
	if !ok {
		return nil
	}
	names := k.unread(want)
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return []Row{{Case: c.Name, NotOurs: "not ours: no such metric here: " + strings.Join(names, ", ")}}
}
