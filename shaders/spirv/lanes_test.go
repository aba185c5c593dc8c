package spirv_test

import (
	"os"
	"testing"

	"vklstm/gpu"
	"vklstm/model/vulkan"
	"vklstm/shaders"
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
		if lanes, err := spirv.Subgroup(code, tc.constants); lanes != tc.lanes || (err == nil) != (tc.lanes > 0) {
			t.Errorf("%s %v: %d lanes, %v; want %d", tc.name, tc.constants, lanes, err, tc.lanes)
		}
	}
}

// TestKernelsOnAnySubgroup: every kernel of an engine, with the constants that it may have, can be made to be right at any size of
// subgroup that holds a quad.
func TestKernelsOnAnySubgroup(t *testing.T) {
	rdna := vulkan.Info{Vendor: "AMD", Limits: gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: 64 << 10, StorageBuffers: 64,
		SubgroupOps: 0x6ff, SubgroupSize: 64, SubgroupSmallest: 32, SubgroupLargest: 64, HalfMatrix: [3]uint32{16, 16, 16}}}
	least := map[string]uint32{}
	for _, v := range vulkan.Variants(rdna) {
		code, err := shaders.Lookup(v.Kernel)
		if err != nil {
			t.Error(err)
			continue
		}
		lanes, err := spirv.Subgroup(code, v.Constants)
		if err != nil {
			t.Errorf("%s: %v", v, err)
		}
		if n, ok := least[v.Kernel]; !ok || lanes < n {
			least[v.Kernel] = lanes
		}
	}
	for _, name := range shaders.Names() {
		if n, listed := least[name]; !listed {
			t.Errorf("%s is not among the variants", name)
		} else if n > 4 {
			t.Errorf("%s needs subgroups of %d lanes whatever its constants; some devices have 4", name, n)
		}
	}
}
