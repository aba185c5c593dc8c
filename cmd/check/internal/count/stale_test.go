package main

import (
	"testing"

	"vklstm/shaders/glsl"
)

//go:generate go run ../../../../shaders/internal/compile -I testdata testdata

// TestStale: the SPIR-V of the kernels that must be noticed is that of their sources.
func TestStale(t *testing.T) {
	wrong, err := glsl.Stale("testdata", []string{"testdata"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Errorf("%s; run go generate ./cmd/check/internal/count", w)
	}
}
