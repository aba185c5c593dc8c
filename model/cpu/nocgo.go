//go:build !cgo

package cpu

import (
	"fmt"
	"runtime"

	"vklstm/model"
	"vklstm/model/reference"
)

// engine is the float64 reference, which takes the place of the C kernels. An epoch of 1,000 windows of 60 × 6 through 64
// units takes it 1.8 s on one thread of a Xeon and 0.9 on two: 40 times as long.
type engine struct {
	*reference.Engine
	units string
}

// New returns an engine for len(opts) models of spec side by side, all with zero parameters: SetState gives each its
// own. It uses the given number of threads, 0 meaning all cores; results do not depend on it. This program was built
// without cgo, so it is the reference. The error says which layer or size of spec is not supported, which option is out of
// range, or that a window is too large to be time-warped.
func New(spec model.Spec, opts []model.Options, threads int, settings ...Setting) (model.Engine, error) {
	var s set
	for _, f := range settings {
		f(&s)
	}
	if s.isa != "" {
		return nil, fmt.Errorf("cpu: no instruction set %q; this program was built without cgo", s.isa)
	}
	c, threads, err := begin(spec, opts, threads)
	if err != nil {
		return nil, err
	}
	if err := fits(c, 2*8); err != nil { // blocks of 8 rows, whose numbers take twice the room
		return nil, err
	}
	if _, err := tablesOf(c, opts); err != nil {
		return nil, err
	}
	e, err := reference.New(spec, opts)
	if err != nil {
		return nil, err
	}
	e.Threads, e.Store32 = threads, true
	return engine{e, unitsOf(c)}, nil
}

// String implements model.Engine.
func (e engine) String() string {
	threads := "threads"
	if e.Threads == 1 {
		threads = "thread"
	}
	return fmt.Sprintf("CPU (%s, pure Go: built without cgo, much slower than with it) · %d %s · the reference (%s, float64)",
		runtime.GOARCH, e.Threads, threads, e.units)
}

// InstructionSets returns the names of the instruction sets that the kernels are compiled for and this machine has, best
// first: none without cgo.
func InstructionSets() []string { return nil }

// Peak returns 0: without cgo the floating-point operations that a core does in a second are not measured.
func Peak() float64 { return 0 }

// About says how the engine was built and what of it this machine runs.
func About() string { return "pure Go, built without cgo" }
