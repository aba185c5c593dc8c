package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// normalizing is a BatchNormalization of K models on rows × W values.
type normalizing struct {
	name                        string
	K, rows, W                  int
	unused                      float64 // share of rows
	mean                        float64 // of the values, whose deviation is 1
	keep                        float32
	P, gamma, moving            int
	x, dy, params, grads, batch []float32
	used                        []uint32
	moments                     []reference.Moments // of each model, in float64
}

const epsilon = 1e-3

func normalizingCases() []normalizing {
	return []normalizing{
		{name: "one value", K: 1, rows: 1, W: 1},
		{name: "a row of many", K: 1, rows: 1, W: 70, keep: 1e-7},
		{name: "ragged, some unused", K: 3, rows: 23, W: 33, unused: 0.3, keep: 1e-7},
		{name: "far from 0", K: 1, rows: 40, W: 5, mean: 50},
		{name: "none used", K: 1, rows: 6, W: 3, unused: 1, keep: 1e-7},
		{name: "production shape", K: 1, rows: 32 * 60, W: 64, mean: 0.2, unused: 0.1, keep: 1e-7},
	}
}

// forNormalizing runs f on every case, on both devices.
func forNormalizing(t *testing.T, f func(t *testing.T, d *gpu.Device, c normalizing)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, c := range normalizingCases() {
			t.Run(c.name, func(t *testing.T) {
				c.build(source(t))
				f(t, d, c)
			})
		}
	})
}

// build fills a case. Unused rows hold what no sum may take, in dy 0 as the layer after leaves it.
func (c *normalizing) build(rng *rand.Rand) {
	c.gamma, c.moving, c.P = 3, 3+2*c.W+1, 3+4*c.W+5
	c.params, c.grads = randoms(rng, c.K*c.P, 1), randoms(rng, c.K*c.P, 1)
	for k := range c.K {
		for u := range c.W { // a variance
			v := &c.params[k*c.P+c.moving+c.W+u]
			*v = float32(math.Abs(float64(*v)))
		}
		var used []bool
		x := randoms(rng, c.rows*c.W, 1)
		dy := randoms(rng, c.rows*c.W, 1)
		for r := range c.rows {
			used = append(used, rng.Float64() >= c.unused)
			for u := range c.W {
				x[r*c.W+u] += float32(c.mean)
				if !used[r] {
					x[r*c.W+u], dy[r*c.W+u] = 1e6, 0
				}
			}
		}
		var m reference.Moments
		if c.keep == 0 {
			m = reference.BatchMoments(wide(x), c.W, nil)
		} else {
			m = reference.BatchMoments(wide(x), c.W, used)
		}
		n := float64(c.keep)
		for _, u := range used {
			c.used = append(c.used, 0)
			if u {
				c.used[len(c.used)-1], n = 1, n+1
			}
		}
		c.x, c.dy, c.moments = append(c.x, x...), append(c.dy, dy...), append(c.moments, m)
		for _, list := range [][]float64{m.Mean, m.Variance, {n}} {
			for _, v := range list {
				c.batch = append(c.batch, float32(v))
			}
		}
	}
}

// rounded are the moments of model k as the kernels after batch_moments read them.
func (c *normalizing) rounded(k int) reference.Moments {
	at := c.batch[k*(2*c.W+1):]
	return reference.Moments{Mean: wide(at[:c.W]), Variance: wide(at[c.W : 2*c.W])}
}

func (c *normalizing) of(values []float32, k int) []float64 {
	n := len(values) / c.K
	return wide(values[k*n : (k+1)*n])
}

// still is the tolerance of what no kernel may touch.
func still(n int) (tol []float64) {
	for range n {
		tol = append(tol, tiny)
	}
	return tol
}

func (c *normalizing) valid(k int) (used []bool) {
	for _, u := range c.used[k*c.rows : (k+1)*c.rows] {
		used = append(used, u == 1)
	}
	return used
}

// A mean is a sum of n terms over n, a variance one of squares of differences, which err by 2u of what they are taken of.
func TestBatchMoments(t *testing.T) {
	forNormalizing(t, func(t *testing.T, d *gpu.Device, c normalizing) {
		k := kernel.BatchMoments{
			X: put(t, d, "x", c.x), Used: put(t, d, "used", c.used), Moments: blank[float32](t, d, "moments", c.K*(2*c.W+1)), K: c.K, Rows: c.rows, W: c.W, Keep: c.keep,
		}
		run(t, d, k)
		got := get(t, k.Moments)
		for m := range c.K {
			x, n := c.of(c.x, m), float64(c.batch[m*(2*c.W+1)+2*c.W])
			var want, tol []float64
			mean, variance := make([]float64, c.W), make([]float64, c.W)
			for i, v := range x {
				if c.used[m*c.rows+i/c.W] == 1 {
					u, center := i%c.W, c.moments[m].Mean[i%c.W]
					mean[u] += math.Abs(v) / n
					variance[u] += math.Abs(v-center) * (math.Abs(v) + math.Abs(center)) / n
				}
			}
			for j := range c.W {
				want, tol = append(want, c.moments[m].Mean[j]), append(tol, (n/4+8)*u*mean[j]+tiny)
			}
			for j := range c.W {
				// The mean's error counts twice with its square, since deviations from the true mean add up to 0 but for n's rounding.
				e := (n/4 + 8) * u * mean[j]
				want, tol = append(want, c.moments[m].Variance[j]), append(tol, (n/4+8)*u*c.moments[m].Variance[j]+4*u*variance[j]+e*e+tiny)
			}
			want, tol = append(want, n), append(tol, u*n)
			nearEach(t, "moments", got[m*(2*c.W+1):(m+1)*(2*c.W+1)], want, tol, 2*c.W+1)
		}
	})
}

func BenchmarkBatchMoments(b *testing.B) {
	b.Run("B=32/T=60/H=64", func(b *testing.B) {
		c, d := benchNormalizing(b), gputest.Device(b)
		bench(b, d, 4*float64(len(c.x)), 4*2*float64(len(c.x)), kernel.BatchMoments{
			X: put(b, d, "x", c.x), Used: put(b, d, "used", c.used), Moments: blank[float32](b, d, "moments", len(c.batch)), K: 1, Rows: c.rows, W: c.W,
		})
	})
}

// benchNormalizing is the production shape.
func benchNormalizing(b *testing.B) normalizing {
	c := normalizingCases()[5]
	c.build(source(b))
	return c
}
