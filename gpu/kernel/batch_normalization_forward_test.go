package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func (c *normalizing) forward(tb testing.TB, d *gpu.Device, train bool) kernel.BatchNormalizationForward {
	k := kernel.BatchNormalizationForward{
		X: put(tb, d, "x", c.x), Params: put(tb, d, "params", c.params), Y: blank[float32](tb, d, "y", len(c.x)),
		K: c.K, Rows: c.rows, W: c.W, P: c.P, Gamma: c.gamma, Moving: c.moving, Small: epsilon, Train: train,
	}
	if train {
		k.Moments = put(tb, d, "moments", c.batch)
	}
	return k
}

// A difference, a root of a sum, a quotient (5 units), a product, a sum.
func TestBatchNormalizationForward(t *testing.T) {
	forNormalizing(t, func(t *testing.T, d *gpu.Device, c normalizing) {
		for _, train := range []bool{true, false} {
			k := c.forward(t, d, train)
			run(t, d, k)
			var want, tol []float64
			for m := range c.K {
				p := wide(c.params[m*c.P : (m+1)*c.P])
				gamma, beta := p[c.gamma:][:c.W], p[c.gamma+c.W:][:c.W]
				moments := reference.Moments{Mean: p[c.moving:][:c.W], Variance: p[c.moving+c.W:][:c.W]}
				if train {
					moments = c.rounded(m)
				}
				x := c.of(c.x, m)
				want = append(want, reference.BatchNormalizationForward(x, moments, gamma, beta, epsilon)...)
				for i := range x {
					j := i % c.W
					size := math.Abs(gamma[j]*(x[i]-moments.Mean[j])) / math.Sqrt(moments.Variance[j]+epsilon)
					tol = append(tol, 14*u*(size+math.Abs(beta[j]))+tiny)
				}
			}
			nearEach(t, "y[K][rows][W]", get(t, k.Y), want, tol, c.K, c.rows, c.W)
		}
	})
}

func BenchmarkBatchNormalizationForward(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		c, d := benchNormalizing(b), gputest.Device(b)
		bench(b, d, 6*float64(len(c.x)), 4*2*float64(len(c.x)), c.forward(b, d, true))
	})
}
