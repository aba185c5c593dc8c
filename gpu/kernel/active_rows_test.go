package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// ordered is active_rows by its reference: rows[K][T][R] and count[K][T].
func ordered(mask []uint32, kt, r int) (rows, count []uint32) {
	for i := range kt {
		valid := make([]bool, r)
		for j := range valid {
			valid[j] = mask[i*r+j] != 0
		}
		order, n := reference.ActiveRows(valid)
		for _, x := range order {
			rows = append(rows, uint32(x))
		}
		count = append(count, uint32(n))
	}
	return rows, count
}

func TestActiveRows(t *testing.T) {
	for _, s := range []struct {
		name    string
		K, R, T int
		masked  float64
	}{
		{"one row", 1, 1, 1, 0},
		{"one masked row", 1, 1, 1, 1},
		{"fewer rows than threads", 2, 37, 3, 0.4},
		{"a row for each thread", 1, 64, 2, 0.5},
		{"a row more than threads", 1, 65, 2, 0.5},
		{"many rows", 3, 1000, 2, 0.7},
		{"no row masked", 1, 130, 2, 0},
		{"all rows masked", 1, 130, 2, 1},
	} {
		t.Run(s.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				rng := source(t)
				mask := make([]uint32, s.K*s.T*s.R)
				for i := range mask {
					if rng.Float64() >= s.masked {
						mask[i] = 1
					}
				}
				k := kernel.ActiveRows{
					Mask: put(t, d, "mask", mask), Rows: blank[uint32](t, d, "rows", len(mask)), Count: blank[uint32](t, d, "count", s.K*s.T),
					K: s.K, R: s.R, T: s.T,
				}
				run(t, d, k)
				rows, count := ordered(mask, s.K*s.T, s.R)
				equal(t, "rows[K][T][R]", get(t, k.Rows), rows, s.K, s.T, s.R)
				equal(t, "count[K][T]", get(t, k.Count), count, s.K, s.T)
			})
		})
	}
}

func BenchmarkActiveRows(b *testing.B) {
	b.Run("T=128/B=256", func(b *testing.B) {
		d := gputest.Device(b)
		k := kernel.ActiveRows{
			Mask: put(b, d, "mask", make([]uint32, 128*256)), Rows: put(b, d, "rows", make([]uint32, 128*256)), Count: put(b, d, "count", make([]uint32, 128)),
			K: 1, R: 256, T: 128,
		}
		bench(b, d, 0, 8*128*256, k)
	})
}
