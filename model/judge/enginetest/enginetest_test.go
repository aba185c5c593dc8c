package enginetest

import (
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// The definition passes its own suite, so the suite asks for nothing else. Its states are in float32, as other engines have
// them: otherwise a training that goes on from a State would not be bit for bit the one that was not interrupted.
func TestReference(t *testing.T) {
	new := func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := reference.New(spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		e.Store32 = true
		return e
	}
	Run(t, "reference", new, Tolerances{})
	Stacks(t, "reference, stacks", new, Tolerances{})
}
