package gpu_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
)

func device(t testing.TB) *gpu.Device {
	d := gputest.Device(t)
	gpu.AddTestKernels(d)
	return d
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

func TestSmoke(t *testing.T) {
	d := device(t)
	t.Log(d, d.Limits())
	x := buffer(t, d, "x", []float32{1, 2, 3, 4, 5})
	y := buffer(t, d, "y", make([]float32, 5))
	r := d.NewRecording("smoke")
	r.Dispatch("scale", gpu.Threads(5), gpu.Push(5, float32(2)), gpu.Read(x, 5), gpu.Write(y, 5))
	if err := r.Run(); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 5)
	if err := y.Read(got); err != nil {
		t.Fatal(err)
	}
	gputest.Near(t, "y[N]", got, []float64{2, 4, 6, 8, 10}, 0)
	t.Log(r.DeviceTime())
}
