package vulkan

import (
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/shaders"
	"vklstm/shaders/spirv"
)

// rdna and gcn are two generations of AMD's GPUs, as RADV describes them.
var (
	rdna = amd(32)
	gcn  = amd(64)
)

func amd(smallest uint32) Info {
	return Info{Vendor: "AMD", Limits: gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: 64 << 10, StorageBuffers: 64,
		SubgroupOps: 0x6ff, SubgroupSize: 64, SubgroupSmallest: smallest, SubgroupLargest: 64, HalfMatrix: [3]uint32{16, 16, 16}}}
}

// nvidia and intel are GPUs of other vendors, as NVK and Intel's driver for Linux describe them.
var (
	nvidia = Info{Vendor: "NVIDIA", Limits: gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: 48 << 10, StorageBuffers: 64,
		SubgroupOps: 0x6ff, SubgroupSize: 32, SubgroupSmallest: 32, SubgroupLargest: 32, HalfMatrix: [3]uint32{16, 16, 16}}}
	intel = Info{Vendor: "Intel", Limits: gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: 48 << 10, StorageBuffers: 64,
		SubgroupOps: 0x6ff, SubgroupSize: 32, SubgroupSmallest: 8, SubgroupLargest: 32, LaneRegisters: 128, HalfMatrix: [3]uint32{8, 8, 16}}}
)

// TestResidentVariants: what is compiled reaches as far as the resident path is taken on a device, and no farther.
func TestResidentVariants(t *testing.T) {
	for _, tc := range []struct {
		name        string
		info        Info
		units, wide int // the largest model, and the most values of a step of one of 64 units
		stacked     int // the largest layer of a stack
	}{
		{name: "RDNA", info: rdna, units: 128, wide: 56, stacked: 128},
		{name: "GCN", info: gcn, units: 64, wide: 48, stacked: 64},
		{name: "NVIDIA", info: nvidia, units: 96, wide: 64, stacked: 96},
		{name: "Intel", info: intel, units: 64, wide: 20, stacked: 80},
		{name: "no subgroups", info: Info{}, units: 0, wide: 0, stacked: 0},
	} {
		units, wide, stacked := 0, 0, 0
		for _, v := range Variants(tc.info) {
			if v.Kernel == "resident_lstm" {
				units = max(units, int(v.Constants[1]))
				if v.Constants[1] == 64 {
					wide = max(wide, int(v.Constants[2]))
				}
			}
		}
		for _, v := range Variants(tc.info) {
			if v.Kernel == "resident_direction_backward" {
				stacked = max(stacked, int(v.Constants[1]))
			}
		}
		if units != tc.units || wide != tc.wide || stacked != tc.stacked {
			t.Errorf("%s: up to %d units, %d values a step at 64 units, %d units of a stack; want %d, %d, %d", tc.name, units, wide, stacked, tc.units, tc.wide, tc.stacked)
		}
	}
}

// TestVariants: every kernel of the catalogue is listed with its constants, once. What they need of subgroups is tested in
// shaders/spirv.
func TestVariants(t *testing.T) {
	seen, listed := map[string]bool{}, map[string]bool{}
	for _, v := range Variants(rdna) {
		if seen[v.String()] {
			t.Errorf("%s is listed twice", v)
		}
		seen[v.String()] = true
		code, err := shaders.Lookup(v.Kernel)
		if err != nil {
			t.Error(err)
			continue
		}
		m, err := spirv.Parse(code)
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		n := uint32(0)
		for m.HasConstant(n) {
			n++
		}
		if int(n) != len(v.Constants) {
			t.Errorf("%s is listed with %d constants; the shader has %d", v, len(v.Constants), n)
		}
		listed[v.Kernel] = true
	}
	for _, name := range shaders.Names() {
		if !listed[name] {
			t.Errorf("%s is not among the variants", name)
		}
	}
}

// TestFewRegisters: where a lane has 128 registers, no kernel is made with the tiles that spilled in their innermost loops there.
func TestFewRegisters(t *testing.T) {
	most := func(info Info) (matmul, half, rows uint32) {
		for _, v := range Variants(info) {
			switch v.Kernel {
			case "matmul":
				matmul = max(matmul, 16*v.Constants[4]*v.Constants[5]) // sums of a thread
			case "matmul_half", "lstm_step_forward_half", "lstm_step_backward_half":
				half = max(half, v.Constants[6]*v.Constants[7]) // matrices of a subgroup
			case "resident_weight":
				rows = max(rows, v.Constants[2], v.Constants[3])
			}
		}
		return
	}
	if a, b, c := most(nvidia); a != 64 || b != 4 || c != 32 {
		t.Errorf("NVIDIA: %d sums of a thread, %d matrices of a subgroup, %d rows of a gradient; want 64, 4, 32", a, b, c)
	}
	if a, b, c := most(intel); a != 32 || b != 1 || c != 16 {
		t.Errorf("Intel: %d sums of a thread, %d matrices of a subgroup, %d rows of a gradient; want 32, 1, 16", a, b, c)
	}
}

// TestWeightGradientApart: no kernel that reads the parameters makes a gradient of them. A kernel that holds recurrent weights
// in registers has none left for sums over all steps; with the two in one, three vendors' compilers spilled.
func TestWeightGradientApart(t *testing.T) {
	for _, name := range shaders.Names() {
		code, err := shaders.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := spirv.Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		reads, writes := "", ""
		for _, b := range m.Bindings {
			switch {
			case b.Name == "params" && b.NonWritable:
				reads = b.Name
			case (b.Name == "grads" || b.Name == "part") && !b.NonWritable:
				writes = b.Name
			}
		}
		if reads != "" && writes != "" {
			t.Errorf("%s reads %s and writes %s; the weights' gradient has a kernel of its own", name, reads, writes)
		}
	}
}

// TestPipelinesListed: what engines compile is listed.
func TestPipelinesListed(t *testing.T) {
	shared := gputest.Device(t) // skips or fails where there is no device
	dev, err := gpu.Open(shared.Info().Name, gpu.WithCacheDir(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	for _, kind := range []model.OptimizerKind{model.Adam, model.SGD, "resident", "stacked", "stacked, resident"} {
		s := newSmall(8, 1)
		path := PathGeneral
		if kind == "stacked" || kind == "stacked, resident" {
			s = s.stacked(8, 9, 5)
			if kind == "stacked" {
				kind = model.Adam
			} else {
				kind = "resident"
			}
		}
		if kind == "resident" {
			if kind, path = model.Adam, PathResident; dev.Limits().SubgroupSmallest == 0 {
				continue
			}
		}
		s.opts[0].Optimizer.Kind = kind
		e := s.open(t, dev, Path(path))
		e.rowLimit = 3 // several passes, of which the later ones add
		s.train(t, e, 1, 4)
		if _, err := e.Predict(t.Context(), 0, s.win.X[:7*3]); err != nil {
			t.Fatal(err)
		}
	}
	listed := map[string]bool{}
	for _, v := range Variants(dev.Info()) {
		listed[v.String()] = true
	}
	made := dev.Pipelines()
	for _, v := range made {
		if slices.Contains([]string{"resident_lstm", "resident_weight", "resident_direction_forward", "resident_direction_backward"}, v.Kernel) {
			continue // for every size another; TestVariants holds the number of their constants
		}
		if !listed[v.String()] {
			t.Errorf("an engine makes the pipeline %s, which Variants does not list", v)
		}
	}
	if !slices.ContainsFunc(made, func(v gpu.Variant) bool { return v.String() == "column_sum[1]" }) {
		t.Errorf("no second pass was recorded; pipelines: %v", made)
	}
}
