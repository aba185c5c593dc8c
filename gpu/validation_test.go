package gpu_test

import (
	"os"
	"strings"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
)

// missingBarrier runs two dispatches, the second of which reads what the first writes, without the barrier between.
func missingBarrier(t *testing.T, d *gpu.Device) {
	t.Helper()
	const n = 256
	a, b, c := buffer(t, d, "a", make([]float32, n)), buffer(t, d, "b", make([]float32, n)), buffer(t, d, "c", make([]float32, n))
	r := d.NewRecording("missing barrier")
	defer r.Free()
	r.OmitBarrier(0)
	for _, p := range [][2]gpu.Buffer[float32]{{a, b}, {b, c}} {
		r.Dispatch("scale", gpu.Threads(n), gpu.Push(n, float32(2)), gpu.Read(p[0], n), gpu.Write(p[1], n))
	}
	if r.Stats().Barriers != 1 {
		t.Errorf("%d barriers", r.Stats().Barriers)
	}
	run(t, r)
}

// TestLayerReportsNothing: the layer is silent about a correct program, so that its words mean something in the two tests
// below, which differ from this one by one mistake each.
func TestLayerReportsNothing(t *testing.T) {
	d, l := watched(t)
	const n = 256
	a, b, c := buffer(t, d, "a", make([]float32, n)), buffer(t, d, "b", make([]float32, n)), buffer(t, d, "c", make([]float32, n))
	r := d.NewRecording("correct")
	defer r.Free()
	for _, p := range [][2]gpu.Buffer[float32]{{a, b}, {b, c}} {
		r.Dispatch("scale", gpu.Threads(n), gpu.Push(n, float32(2)), gpu.Read(p[0], n), gpu.Write(p[1], n))
	}
	run(t, r)
	for _, m := range l.list {
		t.Errorf("validation: %s", m)
	}
}

// TestLayerReportsMissingBarrier proves that synchronisation validation is live: a barrier that is left out is reported.
func TestLayerReportsMissingBarrier(t *testing.T) {
	d, l := watched(t)
	missingBarrier(t, d)
	if l.count("SYNC-HAZARD", "READ") == 0 {
		t.Errorf("the validation layer did not report a missing barrier; it said %q", l.list)
	}
}

// TestLayerReportsOutOfRange proves that GPU-assisted validation is live: a write past a buffer's end is reported. Some
// layers abort in it, so it runs in a process of its own; VKLSTM_GPU_ASSISTED=0 leaves it out on such a machine.
func TestLayerReportsOutOfRange(t *testing.T) {
	gputest.Device(t)
	if os.Getenv("VKLSTM_GPU_ASSISTED") == "0" {
		t.Skip("VKLSTM_GPU_ASSISTED=0 leaves GPU-assisted validation out")
	}
	out, err := child(t, "TestOutOfRangeChild")
	if _, why, found := strings.Cut(out, "SKIPPED: "); found {
		t.Skip(why)
	}
	if err != nil || !strings.Contains(out, "--- PASS: TestOutOfRangeChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestOutOfRangeChild(t *testing.T) {
	isChild(t)
	l := &listener{}
	d := another(t, gpu.WithValidation(l.hear), gpu.WithGPUAssisted())
	if l.count("GPU-AV is being disabled") > 0 {
		t.Skipf("SKIPPED: the layer cannot instrument on this driver: %q", l.list)
	}
	const n = 64
	y := buffer(t, d, "y", make([]uint32, n))
	r := d.NewRecording("inside")
	r.Dispatch("beyond", gpu.Groups(1), gpu.Push(n-1), gpu.ReadWrite(y))
	run(t, r)
	if len(l.list) > 0 {
		t.Fatalf("messages for a write inside the buffer: %q", l.list)
	}
	// Other memory of ours lies after it, so that the write itself does no harm.
	buffer(t, d, "after", make([]uint32, 1<<16))
	r = d.NewRecording("beyond")
	r.Dispatch("beyond", gpu.Groups(1), gpu.Push(n+100), gpu.ReadWrite(y))
	run(t, r)
	if l.count() == 0 {
		t.Fatal("a write 100 words past the end was not reported")
	}
	t.Logf("%q", l.list)
}
