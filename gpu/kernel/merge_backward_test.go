package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestMergeBackward(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for is, of := range mergeModes {
			for _, s := range [][2]int{{1, 1}, {7, 13}, {32, 64}} {
				rows, w := s[0], s[1]
				rng := source(t)
				x, dy := randoms(rng, rows*2*w, 2), randoms(rng, rows*w, 1)
				k := kernel.MergeBackward{DY: put(t, d, "dy", dy), DX: blank[float32](t, d, "dx", rows*2*w), Merge: is, Rows: rows, W: w}
				if is == kernel.Product {
					k.X = put(t, d, "x", x)
				}
				run(t, d, k)
				want := make([]float32, rows*2*w)
				for direction := range 2 {
					for i, v := range reference.MergeBackward(of, apart(x, w), rows, direction, wide(dy)) {
						want[(i/w*2+direction)*w+i%w] = float32(v)
					}
				}
				equal(t, string(of), get(t, k.DX), want, rows, 2, w)
			}
		}
	})
}

func BenchmarkMergeBackward(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		d := gputest.Device(b)
		const n = 32 * 60
		bench(b, d, 2*n*64, 4*3*n*64, kernel.MergeBackward{DY: blank[float32](b, d, "dy", n*64), DX: blank[float32](b, d, "dx", n*2*64), Rows: n, W: 64})
	})
}
