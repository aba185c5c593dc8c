package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
)

// The cursor counts up once for each run of a recording, also of many runs in one submission.
func TestAdvance(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		cursor := put(t, d, "cursor", []uint32{41})
		rec := d.NewRecording("advance")
		defer rec.Free()
		kernel.Advance{Cursor: cursor}.Record(rec)
		if _, err := gpu.RunAll(gpu.Times{Recording: rec, N: 5}); err != nil {
			t.Fatal(err)
		}
		equal(t, "cursor", get(t, cursor), []uint32{46})
	})
}

func BenchmarkAdvance(b *testing.B) {
	d := gputest.Device(b)
	bench(b, d, 0, 8, kernel.Advance{Cursor: put(b, d, "cursor", []uint32{0})})
}
