//go:build !cgo

package cpu

import (
	"fmt"

	"vklstm/model"
	"vklstm/model/cpu/portable"
)

// New returns an engine for len(opts) models of spec side by side, all with zero parameters: SetState gives each its
// own. It uses the given number of threads, 0 meaning all cores; results do not depend on it. This program was built
// without cgo, so it is the engine of package portable. The error says which layer or size of spec is not supported,
// which option is out of range, or that a window is too large to be time-warped.
func New(spec model.Spec, opts []model.Options, threads int, settings ...Setting) (model.Engine, error) {
	var s set
	for _, f := range settings {
		f(&s)
	}
	if s.isa != "" {
		return nil, fmt.Errorf("cpu: no instruction set %q; this program was built without cgo", s.isa)
	}
	e, err := portable.New(spec, opts, threads)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// InstructionSets returns the names of the instruction sets that the kernels are compiled for and this machine has, best
// first: none without cgo.
func InstructionSets() []string { return nil }

// Peak returns 0: without cgo the floating-point operations that a core does in a second are not measured.
func Peak() float64 { return 0 }

// About says how the engine was built and what of it this machine runs.
func About() string { return "pure Go, built without cgo" }
