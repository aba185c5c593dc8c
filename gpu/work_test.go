package gpu_test

import (
	"maps"
	"slices"
	"testing"

	"vklstm/gpu"
)

// chain records two dispatches of mix, the second after the first, one of another kernel whose work is said, and a fill.
func chain(t *testing.T, d *gpu.Device, name string) (*gpu.Recording, gpu.Buffer[uint32]) {
	t.Helper()
	x, y := buffer(t, d, "x", []uint32{1, 2, 3, 4, 5, 6, 7, 8}), buffer(t, d, "y", make([]uint32, 16))
	r := d.NewRecording(name)
	r.Dispatch("mix", gpu.Threads(4), gpu.Push(4), gpu.Read(x, 4), gpu.ReadWrite(y, 2, 2))
	r.Dispatch("mix", gpu.Threads(8), gpu.Push(8), gpu.Read(x), gpu.ReadWrite(y, 8))
	r.Work(1000, 24)
	r.Dispatch("empty", gpu.Groups(1), gpu.Push())
	r.Dispatch("empty", gpu.Groups(1), gpu.Push())
	r.Fill(x, 1)
	t.Cleanup(r.Free)
	return r, y
}

// wantChain is what three repetitions of chain are: the first mix reads 4 words and reads and writes 4, the second reads 8
// and reads and writes 8; empty has no buffers, and its work was said for one of the two.
var wantChain = map[string]gpu.KernelWork{
	"mix":   {Dispatches: 6, Bytes: 3 * 4 * (4 + 8 + 8 + 16)},
	"empty": {Dispatches: 6, Flop: 3000, Bytes: 72},
}

func checkChain(t *testing.T, s gpu.Submitted) {
	t.Helper()
	if !maps.Equal(s.Kernels, wantChain) {
		t.Errorf("kernels %+v, want %+v", s.Kernels, wantChain)
	}
	// A barrier begins each repetition, one stands between the mixes, one before the fill of what they read.
	if want := (gpu.Stats{Dispatches: 12, Barriers: 9, Fills: 3}); s.Stats != want || s.Submissions != 2 {
		t.Errorf("%+v in %d submissions, want %+v in 2", s.Stats, s.Submissions, want)
	}
}

func TestSubmitted(t *testing.T) {
	d := device(t)
	r, _ := chain(t, d, "chain")
	before := d.Submitted()
	if err := r.RunN(2); err != nil {
		t.Fatal(err)
	}
	run(t, r)
	checkChain(t, d.Submitted().Minus(before))
}

// With Profile each dispatch is timed, the last repetition of a submission counts, and the results are the same.
func TestProfile(t *testing.T) {
	d := another(t)
	gpu.AddTestKernels(d)
	if d.Limits().TimestampPeriod == 0 {
		t.Skip("the device has no timestamps")
	}
	plain, y := chain(t, d, "plain")
	if err := plain.RunN(3); err != nil {
		t.Fatal(err)
	}
	want := content(t, y)
	if w := d.Submitted().Kernels["mix"]; w.Timed != 0 || w.Time != 0 {
		t.Errorf("without Profile: %+v", w)
	}
	before := d.Submitted()
	d.Profile(true)
	profiled, y := chain(t, d, "profiled")
	if err := profiled.RunN(3); err != nil {
		t.Fatal(err)
	}
	if got := content(t, y); !slices.Equal(got, want) {
		t.Errorf("profiled: %v, want %v", got, want)
	}
	for name, w := range d.Submitted().Minus(before).Kernels {
		if w.Dispatches != 6 || w.Timed != 2 || w.Time <= 0 {
			t.Errorf("%s: %+v, want 6 dispatches, 2 of them timed", name, w)
		}
	}
}

// A simulated device needs no driver: it keeps what the host writes, computes nothing, and counts as a real one does.
func TestSimulate(t *testing.T) {
	d := gpu.Simulate(gpu.Info{Name: "none", Memory: 1 << 30, Limits: gpu.Limits{
		MaxWorkgroupCount: [3]uint32{65535, 65535, 65535}, MaxInvocations: 256, MaxWorkgroupSizeX: 256, SharedMemory: 1 << 15, PushConstants: 128,
		StorageBuffers: 16, StorageRange: 1 << 27, OffsetAlignment: 64, TimestampPeriod: 1, MaxAllocation: 1 << 29}})
	defer d.Close()
	gpu.AddTestKernels(d)
	r, y := chain(t, d, "chain")
	if err := y.Write([]uint32{7, 8, 9}); err != nil {
		t.Fatal(err)
	}
	if err := r.RunN(2); err != nil {
		t.Fatal(err)
	}
	run(t, r)
	checkChain(t, d.Submitted())
	if got := content(t, y)[:4]; !slices.Equal(got, []uint32{7, 8, 9, 0}) {
		t.Errorf("content %v, want what was written", got)
	}
	if got := r.DeviceTime(); got != 0 {
		t.Errorf("device time %v of nothing", got)
	}
	if _, err := gpu.NewBuffer[float32](d, "too large", 1<<28); err == nil {
		t.Error("1 GiB fits where 0.5 are allowed")
	}
}
