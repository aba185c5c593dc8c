package gpu_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
)

// device is the shared device with this package's own kernels.
func device(t testing.TB) *gpu.Device {
	t.Helper()
	d := gputest.Device(t)
	gpu.AddTestKernels(d)
	return d
}

// another is a device of the test's own, closed at its end.
func another(t testing.TB, opts ...gpu.Option) *gpu.Device {
	t.Helper()
	want, err := gputest.Name()
	if err != nil {
		gputest.Missing(t, err)
	}
	d, err := gpu.Open(want, opts...)
	if err != nil {
		gputest.Missing(t, err)
	}
	gpu.AddTestKernels(d)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// listener collects validation messages.
type listener struct {
	sync.Mutex
	list []string
}

func (l *listener) hear(msg string) {
	l.Lock()
	defer l.Unlock()
	l.list = append(l.list, msg)
}

// count is the number of messages so far that contain every one of the words.
func (l *listener) count(words ...string) int {
	l.Lock()
	defer l.Unlock()
	n := 0
	for _, m := range l.list {
		hit := true
		for _, w := range words {
			hit = hit && strings.Contains(m, w)
		}
		if hit {
			n++
		}
	}
	return n
}

// watched is a device of the test's own under the validation layer.
func watched(t testing.TB, opts ...gpu.Option) (*gpu.Device, *listener) {
	t.Helper()
	gputest.Device(t) // skips or fails without the layer, by the rules
	l := &listener{}
	d := another(t, append(opts, gpu.WithValidation(l.hear))...)
	return d, l
}

func buffer[T any](t testing.TB, d *gpu.Device, name string, data []T) gpu.Buffer[T] {
	t.Helper()
	b, err := gpu.NewBuffer[T](d, name, len(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Free)
	if err := b.Write(data); err != nil {
		t.Fatal(err)
	}
	return b
}

func content[T any](t testing.TB, b gpu.Buffer[T]) []T {
	t.Helper()
	data := make([]T, b.Len())
	if err := b.Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

func run(t testing.TB, r *gpu.Recording) {
	t.Helper()
	if err := r.Run(); err != nil {
		t.Fatal(err)
	}
}

// panics fails the test unless f panics with a message that has every word.
func panics(t *testing.T, f func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		msg, ok := recover().(string)
		if !ok {
			t.Errorf("no panic; want one with %q", words)
		}
		for _, w := range words {
			if !strings.Contains(msg, w) {
				t.Errorf("panic %q lacks %q", msg, w)
			}
		}
	}()
	f()
}

func TestDevices(t *testing.T) {
	infos, err := gpu.Devices()
	if err != nil {
		gputest.Missing(t, err)
	}
	for k, i := range infos {
		t.Log(i, i.Limits, i.Problem)
		if i.Index != k || i.Name == "" || i.Vendor == "" || i.Driver == "" || i.API == "" {
			t.Errorf("device %d is described incompletely: %+v", k, i)
		}
		if i.Problem != "" {
			continue
		}
		l := i.Limits
		if l.MaxWorkgroupCount[0] < 65535 || l.MaxInvocations < 128 || l.SharedMemory < 16384 || l.PushConstants < 128 || l.StorageRange < 1<<27 || l.MaxAllocation < 1<<28 {
			t.Errorf("%s: limits below what Vulkan promises, so they were misread: %+v", i.Name, l)
		}
		if l.SubgroupSize == 0 || l.SubgroupSize&(l.SubgroupSize-1) != 0 || l.SubgroupSize > 128 {
			t.Errorf("%s: subgroup size %d", i.Name, l.SubgroupSize)
		}
	}
}

// TestSubgroupSize holds the driver's answer against what the environment makes lavapipe do, and against SwiftShader's
// fixed four.
func TestSubgroupSize(t *testing.T) {
	d := device(t)
	want, ok := map[string]uint32{"128": 4, "256": 8, "512": 16}[os.Getenv("LP_NATIVE_VECTOR_WIDTH")]
	switch name := d.Info().Name; {
	case strings.Contains(name, "SwiftShader"):
		want = 4
	case !ok || !strings.Contains(name, "llvmpipe"):
		t.Skip("LP_NATIVE_VECTOR_WIDTH is not set, or the device is not lavapipe")
	}
	if got := d.Limits().SubgroupSize; got != want {
		t.Errorf("subgroup size %d, want %d", got, want)
	}
}

func TestOpenUnknown(t *testing.T) {
	device(t)
	_, err := gpu.Open("no such device")
	if !errors.Is(err, gpu.ErrNoDevice) || !strings.Contains(err.Error(), "known are 0 ") {
		t.Errorf("error %v; want ErrNoDevice and the known devices", err)
	}
}

// TestManyDevices opens devices in turn and at once; each works, and none disturbs another. Closing one says nothing to
// the validation layer, which hears of every object that is left.
func TestManyDevices(t *testing.T) {
	gputest.Device(t)
	l := &listener{}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for range 2 {
				d := another(t, gpu.WithValidation(l.hear))
				y, err := gpu.NewBuffer[uint32](d, "y", 100)
				if err != nil {
					t.Error(err)
					return
				}
				r := d.NewRecording("fill")
				r.Fill(y, 7)
				r.Dispatch("mix", gpu.Threads(50), gpu.Push(50), gpu.Read(y.Slice(64, 36)), gpu.ReadWrite(y.Slice(0, 50)))
				if err := r.Run(); err != nil {
					t.Error(err)
					return
				}
				got := make([]uint32, 100)
				if err := y.Read(got); err != nil || got[0] != 28 || got[99] != 7 {
					t.Errorf("y[0] = %d, y[99] = %d, want 28 and 7 (%v)", got[0], got[99], err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, m := range l.list {
		t.Errorf("validation: %s", m)
	}
}

func TestClosed(t *testing.T) {
	d := another(t)
	y := buffer(t, d, "y", []float32{1})
	r := d.NewRecording("r")
	r.Fill(y, 0)
	run(t, r)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for name, err := range map[string]error{"Read": y.Read(make([]float32, 1)), "Write": y.Write([]float32{1}), "Run": r.Run()} {
		if err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if _, err := gpu.NewBuffer[float32](d, "z", 1); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("NewBuffer after Close: %v", err)
	}
	if err := d.NewRecording("r").Run(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("recording after Close: %v", err)
	}
	y.Free()
	r.Free()
}

// TestLoweredLimits: WithLimits makes limits stricter and never looser.
func TestLoweredLimits(t *testing.T) {
	have := device(t).Limits()
	d := another(t, gpu.WithLimits(func(l *gpu.Limits) {
		l.MaxWorkgroupCount = [3]uint32{3, 1 << 31, 7}
		l.MaxInvocations = 1 << 30
		l.SharedMemory = 1000
		l.OffsetAlignment = 1
		l.StorageRange = 4096
		l.LaneRegisters = 128
	}))
	got := d.Limits()
	want := have
	want.MaxWorkgroupCount = [3]uint32{3, have.MaxWorkgroupCount[1], 7}
	want.SharedMemory = 1000
	want.StorageRange = 4096
	want.LaneRegisters = 128
	if got != want {
		t.Errorf("limits\n%+v, want\n%+v", got, want)
	}
	if d.Info().Limits != got {
		t.Error("Info has other limits")
	}
}

// child runs one test of this binary in a process of its own with more environment, and returns its output.
func child(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), "VKLSTM_CHILD=1"), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// isChild skips a test that is only run by child.
func isChild(t *testing.T) {
	if os.Getenv("VKLSTM_CHILD") == "" {
		t.Skip("run by another test")
	}
}

// TestNoDriver: a machine with a loader and no driver gets one line that says so, and no panic.
func TestNoDriver(t *testing.T) {
	out, err := child(t, "TestNoDriverChild", "VK_ICD_FILENAMES="+os.DevNull, "VK_DRIVER_FILES="+os.DevNull)
	if err != nil || !strings.Contains(out, "PASS: TestNoDriverChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNoDriverChild(t *testing.T) {
	isChild(t)
	infos, err := gpu.Devices()
	if infos != nil || !errors.Is(err, gpu.ErrNoVulkan) && !errors.Is(err, gpu.ErrNoDevice) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Devices: %v, %v", infos, err)
	}
	t.Log(err)
	if _, err := gpu.Open("auto"); err == nil {
		t.Error("Open worked")
	}
}

// TestEnvironmentValidation: VKLSTM_VALIDATION=1 puts the layer's messages on standard error.
func TestEnvironmentValidation(t *testing.T) {
	gputest.Device(t)
	out, err := child(t, "TestEnvironmentValidationChild", "VKLSTM_VALIDATION=1")
	if err != nil || !strings.Contains(out, "validation: ") || !strings.Contains(out, "SYNC-HAZARD") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = child(t, "TestEnvironmentValidationChild", "VKLSTM_VALIDATION=0")
	if err != nil || strings.Contains(out, "validation: ") {
		t.Errorf("without: %v\n%s", err, out)
	}
}

func TestEnvironmentValidationChild(t *testing.T) {
	isChild(t)
	missingBarrier(t, another(t))
}
