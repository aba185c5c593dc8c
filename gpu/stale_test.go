package gpu_test

import (
	"testing"

	"vklstm/shaders/glsl"
)

// TestCurrent: the SPIR-V of this package's test kernels is that of their sources.
func TestCurrent(t *testing.T) {
	stale, err := glsl.Stale("testdata", []string{"../shaders/include"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stale {
		t.Error(s)
	}
	if len(stale) > 0 {
		t.Error("run go generate ./gpu")
	}
}
