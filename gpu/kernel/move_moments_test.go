package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func (c *normalizing) moves(tb testing.TB, d *gpu.Device, momentum float64, schedule []uint32) kernel.MoveMoments {
	return kernel.MoveMoments{
		Moments: put(tb, d, "moments", c.batch), Schedule: put(tb, d, "schedule", schedule), Cursor: put(tb, d, "cursor", []uint32{0}),
		Params: put(tb, d, "params", c.params), K: c.K, W: c.W, P: c.P, S: 1, Offset: c.moving, Momentum: momentum,
	}
}

// Two products, of which one factor is rounded, and a sum. A model without a step keeps its own; so do all other parameters.
func TestMoveMoments(t *testing.T) {
	forNormalizing(t, func(t *testing.T, d *gpu.Device, c normalizing) {
		const momentum = 0.99
		schedule := make([]uint32, 4*c.K)
		for k := range c.K {
			if k != 1 {
				schedule[4*k+2] = math.Float32bits(0.5)
			}
		}
		k := c.moves(t, d, momentum, schedule)
		run(t, d, k)
		got, want, tol := get(t, k.Params), wide(c.params), still(len(c.params))
		for m := range c.K {
			if m == 1 {
				continue
			}
			at := want[m*c.P+c.moving:]
			before := append([]float64(nil), at[:2*c.W]...)
			reference.MoveMoments(at[:c.W], at[c.W:2*c.W], c.rounded(m), momentum)
			for j := range 2 * c.W {
				tol[m*c.P+c.moving+j] = 4*u*(math.Abs(before[j])+float64(abs(c.batch[m*(2*c.W+1)+j]))) + tiny
			}
		}
		nearEach(t, "params", got, want, tol, c.K, c.P)
	})
}

func BenchmarkMoveMoments(b *testing.B) {
	b.Run("H=64", func(b *testing.B) {
		c, d := benchNormalizing(b), gputest.Device(b)
		bench(b, d, 6*64, 4*6*64, c.moves(b, d, 0.99, []uint32{0, 0, 1, 0}))
	})
}
