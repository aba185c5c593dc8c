package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func (c *normalizing) sums(tb testing.TB, d *gpu.Device) kernel.BatchNormalizationSums {
	return kernel.BatchNormalizationSums{
		X: put(tb, d, "x", c.x), DY: put(tb, d, "dy", c.dy), Moments: put(tb, d, "moments", c.batch), Grads: put(tb, d, "grads", c.grads),
		K: c.K, Rows: c.rows, W: c.W, P: c.P, Gamma: c.gamma, Small: epsilon,
	}
}

// Sums of as many terms as there are rows, in four lanes; a term takes a difference, a quotient and a product.
func TestBatchNormalizationSums(t *testing.T) {
	forNormalizing(t, func(t *testing.T, d *gpu.Device, c normalizing) {
		k := c.sums(t, d)
		run(t, d, k)
		want, tol := wide(c.grads), still(len(c.grads))
		for m := range c.K {
			x, dy, moments := c.of(c.x, m), c.of(c.dy, m), c.rounded(m)
			dGamma, dBeta := reference.BatchNormalizationSums(x, moments, epsilon, dy)
			at := m*c.P + c.gamma
			copy(want[at:], dGamma)
			copy(want[at+c.W:], dBeta)
			for i, v := range dy {
				j := i % c.W
				tol[at+j] += (float64(c.rows)/4 + 16) * u * math.Abs(v*(x[i]-moments.Mean[j])) / math.Sqrt(moments.Variance[j]+epsilon)
				tol[at+c.W+j] += (float64(c.rows)/4 + 4) * u * math.Abs(v)
			}
		}
		nearEach(t, "grads[K][P]", get(t, k.Grads), want, tol, c.K, c.P)
	})
}

func BenchmarkBatchNormalizationSums(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		c, d := benchNormalizing(b), gputest.Device(b)
		bench(b, d, 5*float64(len(c.x)), 4*2*float64(len(c.x)), c.sums(b, d))
	})
}
