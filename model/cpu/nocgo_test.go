//go:build !cgo

package cpu

import (
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/enginetest"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, "without cgo", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := New(spec, opts, 2)
		if err != nil {
			t.Fatal(err)
		}
		if s := e.String(); !strings.Contains(s, "without cgo") {
			t.Fatalf("the engine calls itself %q", s)
		}
		return e
	}, enginetest.Tolerances{})
}

func TestNewRefuses(t *testing.T) {
	spec := model.Classifier(5, 2, 4, 0.1, 3)
	opts := []model.Options{{Loss: model.Focal(), Optimizer: model.DefaultAdam()}}
	if e, err := New(spec, opts, 1, InstructionSet("avx2")); e != nil || err == nil || !strings.Contains(err.Error(), "without cgo") {
		t.Errorf("an instruction set without cgo: %v, %v", e, err)
	}
	if e, err := New(spec, nil, 1); e != nil || err == nil {
		t.Errorf("no models: %v, %v", e, err)
	}
	if len(InstructionSets()) != 0 || Peak() != 0 {
		t.Error("there are kernels without cgo")
	}
}
