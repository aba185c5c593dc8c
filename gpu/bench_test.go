package gpu_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
)

// BenchmarkEmptyDispatch is what one dispatch costs: submitted alone, as one of 1,000 in a recording, and as one of 1,000
// with a barrier between any two.
func BenchmarkEmptyDispatch(b *testing.B) {
	d := device(b)
	x, y := buffer(b, d, "x", make([]uint32, 64)), buffer(b, d, "y", make([]uint32, 64))
	for _, bc := range []struct {
		name string
		n    int
		add  func(r *gpu.Recording)
	}{
		{"alone", 1, func(r *gpu.Recording) { r.Dispatch("empty", gpu.Groups(1), gpu.Push()) }},
		{"of=1000", 1000, func(r *gpu.Recording) { r.Dispatch("empty", gpu.Groups(1), gpu.Push()) }},
		{"of=1000/barriers", 1000, func(r *gpu.Recording) {
			r.Dispatch("mix", gpu.Groups(1), gpu.Push(0), gpu.Read(x), gpu.ReadWrite(y))
		}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			r := d.NewRecording(bc.name)
			defer r.Free()
			for range bc.n {
				bc.add(r)
			}
			run(b, r) // software drivers compile here
			var device float64
			for b.Loop() {
				run(b, r)
				device += float64(r.DeviceTime().Nanoseconds())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bc.n), "ns/dispatch")
			b.ReportMetric(device/float64(b.N*bc.n), "gpu-ns/dispatch")
		})
	}
}

// BenchmarkRecord is what recording costs the host, per dispatch with three buffers' worth of checks and barriers.
func BenchmarkRecord(b *testing.B) {
	d := device(b)
	x, y := buffer(b, d, "x", make([]uint32, 64)), buffer(b, d, "y", make([]uint32, 64))
	const n = 1000
	for b.Loop() {
		r := d.NewRecording("record")
		for range n / 2 {
			r.Dispatch("mix", gpu.Threads(64), gpu.Push(64), gpu.Read(x, 64), gpu.ReadWrite(y, 64))
			r.Dispatch("mix", gpu.Threads(64), gpu.Push(64), gpu.Read(y, 64), gpu.ReadWrite(x, 64))
		}
		if err := r.End(); err != nil {
			b.Fatal(err)
		}
		r.Free()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/dispatch")
}

// BenchmarkTransfer is writing and reading a buffer from the host.
func BenchmarkTransfer(b *testing.B) {
	d := device(b)
	for _, n := range []int{1 << 8, 1 << 22} {
		data := make([]float32, n)
		buf := buffer(b, d, "b", data)
		for name, move := range map[string]func([]float32) error{"write": buf.Write, "read": buf.Read} {
			b.Run(fmt.Sprintf("%s/bytes=%d", name, 4*n), func(b *testing.B) {
				b.SetBytes(int64(4 * n))
				for b.Loop() {
					if err := move(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
