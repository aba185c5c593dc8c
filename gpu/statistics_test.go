package gpu_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/shaders"
)

// TestStatistics asks the driver what it makes of a kernel. A driver that has nothing to say says so; AMD's, for which
// cmd/check runs this test without a GPU, must answer.
func TestStatistics(t *testing.T) {
	want, err := gputest.Name()
	if err != nil {
		gputest.Missing(t, err)
	}
	c, err := gpu.OpenCompiler(want)
	if errors.Is(err, gpu.ErrNoStatistics) && os.Getenv("RADV_FORCE_FAMILY") == "" {
		return
	}
	if err != nil {
		gputest.Missing(t, err)
	}
	defer c.Close()
	value := func(list []gpu.Statistic, name string) (float64, bool) {
		i := slices.IndexFunc(list, func(s gpu.Statistic) bool { return s.Name == name })
		if i < 0 {
			return 0, false
		}
		return list[i].Value, true
	}
	sizes := append([]uint32{0}, c.SubgroupSizes()...)
	for _, size := range sizes {
		small, err := c.Statistics(gpu.Variant{Kernel: "matmul", Constants: []uint32{0, 0, 64, 8, 1, 1, 16, 1, 1, 1}}, size)
		if err != nil {
			t.Fatal(err)
		}
		large, err := c.Statistics(gpu.Variant{Kernel: "matmul", Constants: []uint32{0, 0, 64, 8, 1, 1, 16, 0, 0, 0}}, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(small) == 0 {
			t.Fatal("no figures")
		}
		for _, s := range small {
			if s.Name == "" || s.Executable == "" {
				t.Errorf("a figure without a name: %+v", s)
			}
			if size != 0 && s.Subgroup != size {
				t.Errorf("%s: for subgroups of %d; %d was asked for", s.Name, s.Subgroup, size)
			}
		}
		a, ok := value(small, "Instructions")
		b, _ := value(large, "Instructions")
		if os.Getenv("RADV_FORCE_FAMILY") != "" && !ok {
			t.Error("RADV does not count instructions")
		}
		if ok && (a <= 0 || b <= a) {
			t.Errorf("subgroups of %d: %v instructions, %v without vectors: constants had no effect", size, a, b)
		}
	}
	for name, tc := range map[string]struct {
		v        gpu.Variant
		subgroup uint32
		unfit    bool
	}{
		"no such kernel":          {gpu.Variant{Kernel: "none"}, 0, false},
		"no such constant":        {gpu.Variant{Kernel: "advance", Constants: []uint32{1}}, 0, false},
		"no such subgroup":        {gpu.Variant{Kernel: "advance"}, 3, true},
		"a workgroup of nobody":   {gpu.Variant{Kernel: "test_count", Constants: []uint32{0}}, 0, true},
		"a workgroup of a crowd":  {gpu.Variant{Kernel: "test_count", Constants: []uint32{1 << 20}}, 0, true},
		"bytes that are no SPIRV": {gpu.Variant{Kernel: "test_text"}, 0, false},
	} {
		if _, err := c.Statistics(tc.v, tc.subgroup); err == nil || errors.Is(err, gpu.ErrUnfit) != tc.unfit {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func init() {
	count, err := os.ReadFile("testdata/spv/count.spv")
	if err != nil {
		panic(err)
	}
	shaders.Replace("test_count", count)
	shaders.Replace("test_text", []byte("text"))
}

// TestCompiledPipelines: a device lists what it has compiled, by kernel and constants.
func TestCompiledPipelines(t *testing.T) {
	d := gputest.Device(t)
	gpu.AddTestKernels(d)
	b, err := gpu.NewBuffer[uint32](d, "b", 64)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Free()
	other, err := gpu.NewBuffer[uint32](d, "other", 64)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Free()
	rec := d.NewRecording("pipelines")
	defer rec.Free()
	rec.DispatchWith([]uint32{5, 2, 258}, "count", gpu.Threads(1), gpu.Push(1, 1), gpu.ReadWrite(b), gpu.ReadWrite(other))
	rec.Dispatch("empty", gpu.Threads(1), gpu.PushData{})
	for _, want := range []string{"count[5,2,258]", "empty"} {
		if !slices.ContainsFunc(d.Pipelines(), func(v gpu.Variant) bool { return v.String() == want }) {
			t.Errorf("%s is not among the pipelines %v", want, d.Pipelines())
		}
	}
}
