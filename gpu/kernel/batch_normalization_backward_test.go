package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func (c *normalizing) backward(tb testing.TB, d *gpu.Device) kernel.BatchNormalizationBackward {
	return kernel.BatchNormalizationBackward{
		X: put(tb, d, "x", c.x), DY: put(tb, d, "dy", c.dy), Used: put(tb, d, "used", c.used), Moments: put(tb, d, "moments", c.batch),
		Params: put(tb, d, "params", c.params), Grads: put(tb, d, "grads", c.grads), DX: blank[float32](tb, d, "dx", len(c.x)),
		K: c.K, Rows: c.rows, W: c.W, P: c.P, Gamma: c.gamma, Small: epsilon,
	}
}

// Three terms, of which each takes up to two quotients, two products and a difference. Where Keras adds to the number of rows, the exact
// gradient has a term of mean·1e-7/n more, which the kernel leaves out.
func TestBatchNormalizationBackward(t *testing.T) {
	forNormalizing(t, func(t *testing.T, d *gpu.Device, c normalizing) {
		k := c.backward(t, d)
		run(t, d, k)
		var want, tol []float64
		for m := range c.K {
			x, dy, moments, n := c.of(c.x, m), c.of(c.dy, m), c.rounded(m), float64(c.batch[m*(2*c.W+1)+2*c.W])
			gamma, grads := wide(c.params[m*c.P+c.gamma:][:c.W]), wide(c.grads[m*c.P+c.gamma:][:2*c.W])
			used := c.valid(m)
			if c.keep == 0 {
				used = nil
			}
			want = append(want, reference.BatchNormalizationBackward(x, moments, gamma, epsilon, used, dy, grads[:c.W], grads[c.W:])...)
			for i, v := range dy {
				j := i % c.W
				root := math.Sqrt(moments.Variance[j] + epsilon)
				size := math.Abs(v)
				if c.used[m*c.rows+i/c.W] == 1 {
					share := math.Abs(grads[j]) / root / n
					size += math.Abs(grads[c.W+j])/n + share*(math.Abs(x[i]-moments.Mean[j])+math.Abs(moments.Mean[j])*float64(c.keep)/n/u)
				}
				tol = append(tol, 24*u*math.Abs(gamma[j])/root*size+tiny)
			}
		}
		nearEach(t, "dx[K][rows][W]", get(t, k.DX), want, tol, c.K, c.rows, c.W)
	})
}

func BenchmarkBatchNormalizationBackward(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		c, d := benchNormalizing(b), gputest.Device(b)
		bench(b, d, 9*float64(len(c.x)), 4*3*float64(len(c.x)), c.backward(b, d))
	})
}
