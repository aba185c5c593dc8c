package spirv_test

import (
	"os"
	"testing"

	"vklstm/shaders/glsl"
	"vklstm/shaders/spirv"
)

//go:generate go run ../internal/compile -I testdata testdata

func TestStale(t *testing.T) {
	wrong, err := glsl.Stale("testdata", []string{"testdata"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Errorf("%s; run go generate ./shaders/spirv", w)
	}
}

func TestSubgroup(t *testing.T) {
	for _, tc := range []struct {
		name      string
		constants []uint32
		lanes     uint32 // 0: an error
	}{
		{"vote", nil, 1},
		{"aware", nil, 1},
		{"quad", nil, 4},
		{"xor", nil, 4},
		{"xor", []uint32{3}, 4},
		{"xor", []uint32{1}, 2},
		{"xor", []uint32{4}, 8},
		{"xor", []uint32{16}, 32},
		{"cluster", nil, 8},
		{"down", nil, 6},
		{"broadcast", nil, 32},
		{"choice", nil, 4},
		{"choice", []uint32{4, 0}, 4},
		{"choice", []uint32{8, 0}, 8},
		{"choice", []uint32{16, 0}, 16},
		{"choice", []uint32{4, 1}, 32},
		{"whole", nil, 0},
		{"wander", nil, 0},
	} {
		code, err := os.ReadFile("testdata/spv/" + tc.name + ".spv")
		if err != nil {
			t.Fatal(err)
		}
		m, err := spirv.Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		if lanes, err := m.Subgroup(tc.constants); lanes != tc.lanes || (err == nil) != (tc.lanes > 0) {
			t.Errorf("%s %v: %d lanes, %v; want %d", tc.name, tc.constants, lanes, err, tc.lanes)
		}
	}
}
