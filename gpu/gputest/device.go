package gputest

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"vklstm/gpu"
)

// opened is a device of this test process.
type opened struct {
	once sync.Once
	d    *gpu.Device
	err  error
	bare bool // without the validation layer
}

// Tests and benchmarks have a device each, since the layer would be what a benchmark measures.
var forTests, forBenchmarks opened

// messages are what the validation layer said on the shared device.
var messages struct {
	sync.Mutex
	list []string
}

func hear(msg string) {
	messages.Lock()
	defer messages.Unlock()
	messages.list = append(messages.list, msg)
}

// required reports whether a test may not skip.
func required() bool {
	v := os.Getenv("VKLSTM_REQUIRE_DEVICE")
	return v != "" && v != "0"
}

// Name is the device that tests use: VKLSTM_DEVICE, else the index of the first software driver, else of the first usable
// device. The error is gpu.Devices' own.
func Name() (string, error) {
	replaceShaders()
	if want := os.Getenv("VKLSTM_DEVICE"); want != "" {
		return want, nil
	}
	infos, err := gpu.Devices()
	if err != nil {
		return "", err
	}
	best := -1
	for i, info := range infos {
		if info.Problem == "" && (best < 0 || info.Software && !infos[best].Software) {
			best = i
		}
	}
	if best < 0 {
		return "auto", nil // gpu.Open says what is wrong with each
	}
	return infos[best].Name, nil
}

// Device is an open device for a test or a benchmark, shared by all of the process; nobody closes it. The test fails at its
// end if the validation layer said anything since it began. Benchmarks run on a second device without the layer.
func Device(tb testing.TB) *gpu.Device {
	tb.Helper()
	o := &forTests
	_, benchmark := tb.(*testing.B)
	if benchmark {
		o = &forBenchmarks
	}
	o.once.Do(func() { o.open(!benchmark) })
	if o.err != nil {
		Missing(tb, o.err)
	}
	if benchmark {
		return o.d
	}
	if o.bare {
		if required() {
			tb.Fatal("gputest: the validation layer is not installed (Debian: vulkan-validationlayers), and VKLSTM_REQUIRE_DEVICE is set")
		}
		tb.Log("gputest: the validation layer is not installed; this test runs without it")
	}
	messages.Lock()
	before := len(messages.list)
	messages.Unlock()
	tb.Cleanup(func() {
		messages.Lock()
		defer messages.Unlock()
		for _, m := range messages.list[before:] {
			tb.Errorf("validation: %s", m)
		}
	})
	return o.d
}

func (o *opened) open(validated bool) {
	want, err := Name()
	if err != nil {
		o.err = err
		return
	}
	if validated {
		o.d, o.err = gpu.Open(want, gpu.WithValidation(hear))
		if !errors.Is(o.err, gpu.ErrNoLayer) {
			return
		}
	}
	o.bare = true
	o.d, o.err = gpu.Open(want)
}

// Missing skips a test that has no device, and says why; with VKLSTM_REQUIRE_DEVICE=1 it fails the test. Only
// gpu.ErrNoVulkan and gpu.ErrNoDevice may skip, and the latter only while VKLSTM_DEVICE names nothing: every other error
// fails.
func Missing(tb testing.TB, err error) {
	tb.Helper()
	none := errors.Is(err, gpu.ErrNoVulkan) || errors.Is(err, gpu.ErrNoDevice) && os.Getenv("VKLSTM_DEVICE") == ""
	if required() || !none {
		tb.Fatalf("gputest: %s", strings.TrimPrefix(err.Error(), "gpu: "))
	}
	tb.Skipf("gputest: no device to test on: %s", strings.TrimPrefix(err.Error(), "gpu: "))
}
