package gpu_test

import (
	"errors"
	"strings"
	"testing"

	"vklstm/gpu"
)

// TestDeviceLost: once a driver says that the device is lost, everything says so, and Close still works.
func TestDeviceLost(t *testing.T) {
	d := another(t, gpu.WithCacheDir(t.TempDir()))
	x := buffer(t, d, "x", []float32{1})
	r := d.NewRecording("step")
	r.Fill(x, 0)
	run(t, r)
	d.Inject(-4)
	err := r.Run()
	if !errors.Is(err, gpu.ErrDeviceLost) || !strings.HasPrefix(err.Error(), `gpu: run "step": `+d.Info().Name) {
		t.Fatalf("Run: %v", err)
	}
	if !errors.Is(r.Wait(), gpu.ErrDeviceLost) {
		t.Errorf("Wait: %v", r.Wait())
	}
	_, alloc := gpu.NewBuffer[float32](d, "y", 1)
	other := d.NewRecording("other")
	for name, err := range map[string]error{"Run": r.Run(), "Read": x.Read(make([]float32, 1)), "NewBuffer": alloc, "another recording": other.Run()} {
		if !errors.Is(err, gpu.ErrDeviceLost) {
			t.Errorf("%s after the loss: %v", name, err)
		}
	}
}

// TestSubmitOutOfMemory: a submission may fail for want of memory and work the next time.
func TestSubmitOutOfMemory(t *testing.T) {
	d := another(t)
	x := buffer(t, d, "x", []float32{1})
	r := d.NewRecording("step")
	r.Fill(x, 0)
	d.Inject(-2)
	if err := r.Run(); !errors.Is(err, gpu.ErrOutOfMemory) {
		t.Fatalf("Run: %v", err)
	}
	run(t, r)
	if got := content(t, x)[0]; got != 0 {
		t.Errorf("x = %v", got)
	}
}
