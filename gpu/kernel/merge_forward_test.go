package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

// mergeModes are those that make one value of two, and sizes at which a group is full, and not.
var mergeModes = map[kernel.Merge]model.Merge{kernel.Sum: model.Sum, kernel.Average: model.Average, kernel.Product: model.Product}

// apart returns the two halves of each row, [rows][w] each.
func apart(x []float32, w int) [][]float64 {
	parts := make([][]float64, 2)
	for i, v := range x {
		parts[i/w%2] = append(parts[i/w%2], float64(v))
	}
	return parts
}

func TestMergeForward(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for is, of := range mergeModes {
			for _, s := range [][2]int{{1, 1}, {7, 13}, {32, 64}} {
				rows, w := s[0], s[1]
				x := randoms(source(t), rows*2*w, 2)
				k := kernel.MergeForward{X: put(t, d, "x", x), Y: blank[float32](t, d, "y", rows*w), Merge: is, Rows: rows, W: w}
				run(t, d, k)
				var want []float32
				for _, v := range reference.MergeForward(of, apart(x, w), rows) { // exact in float64 but for the product's last bits
					want = append(want, float32(v))
				}
				equal(t, string(of), get(t, k.Y), want, rows, w)
			}
		}
	})
}

func BenchmarkMergeForward(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		d := gputest.Device(b)
		const n = 32 * 60
		bench(b, d, n*64, 4*3*n*64, kernel.MergeForward{X: blank[float32](b, d, "x", n*2*64), Y: blank[float32](b, d, "y", n*64), Rows: n, W: 64})
	})
}
