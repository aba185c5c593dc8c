package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// forward makes the kernel; what it writes holds canaries.
func (c *directionCase) forward(tb testing.TB, d *gpu.Device, w kernel.ResidentDirection, train bool) kernel.ResidentDirectionForward {
	w.Gates, w.Pairs = put(tb, d, "gates", c.z), blank[float32](tb, d, "pairs", c.K*c.T*c.R*2*c.H)
	return kernel.ResidentDirectionForward{ResidentDirection: w, Hidden: blank[float32](tb, d, "h", c.K*(c.T+1)*c.R*c.H), Train: train, Relu: c.relu}
}

// named are the values of a direction by name: those of valid time steps, and h, which masked time steps have too.
func (c *directionCase) named(factors, pairs, h func(k int) []float64) map[string][]float64 {
	out := map[string][]float64{}
	for k := range c.K {
		f, p := factors(k), pairs(k)
		for t, row := range c.valid(k) {
			for r, valid := range row {
				if at := (t*c.R + r) * c.H; valid {
					out["factors"], out["pairs"] = append(out["factors"], f[4*at:4*(at+c.H)]...), append(out["pairs"], p[2*at:2*(at+c.H)]...)
				}
			}
		}
		first, last := c.R*c.H, (c.T+1)*c.R*c.H // all slots but the one where the direction begins
		if c.reverse {
			first, last = 0, c.T*c.R*c.H
		}
		out["h"] = append(out["h"], h(k)[first:last]...)
	}
	return out
}

func (c *directionCase) forwardSpread() spread {
	return newSpread(func(r *reference.Rounding) map[string][]float64 {
		var f, p, h [][]float64
		for k := range c.K {
			a, b, d := reference.ResidentDirectionForward(r, c.act(), c.of(c.z, k), c.valid(k), wide(c.kernel(k)), c.reverse)
			f, p, h = append(f, a), append(p, b), append(h, d)
		}
		return c.named(func(k int) []float64 { return f[k] }, func(k int) []float64 { return p[k] }, func(k int) []float64 { return h[k] })
	})
}

func TestResidentDirectionForward(t *testing.T) {
	forDirections(t, func(t *testing.T, d *gpu.Device, c directionCase, w kernel.ResidentDirection) {
		want := c.forwardSpread()
		for _, train := range []bool{true, false} {
			k := c.forward(t, d, w, train)
			run(t, d, k)
			gates, pairs, h := get(t, k.Gates), get(t, k.Pairs), get(t, k.Hidden)
			got := c.named(func(k int) []float64 { return c.of(gates, k) }, func(k int) []float64 { return c.of(pairs, k) }, func(k int) []float64 { return c.of(h, k) })
			want.check(t, "h", narrow(got["h"]))
			for m := range c.K { // the slot where the direction begins is read by others, and stays
				begin := m * (c.T + 1) * c.R * c.H
				if c.reverse {
					begin += c.T * c.R * c.H
				}
				for _, v := range h[begin : begin+c.R*c.H] {
					if v != canary[float32]() {
						t.Fatalf("the start holds %v", v)
					}
				}
			}
			if !train {
				equal(t, "z", bits(gates), bits(c.z)) // NaN too
				for _, v := range pairs {
					if v != canary[float32]() {
						t.Fatal("an evaluation wrote pairs")
					}
				}
				continue
			}
			want.check(t, "factors", narrow(got["factors"]))
			want.check(t, "pairs", narrow(got["pairs"]))
			for i, v := range gates {
				if c.mask[i/4/c.H] == 0 && v != 0 {
					t.Fatalf("a factor of a masked step is %v", v)
				}
			}
		}
	})
}

// TestResidentDirectionForwardGroups: the number of workgroups decides who computes, not what.
func TestResidentDirectionForwardGroups(t *testing.T) {
	d := gputest.Device(t)
	if d.Limits().SubgroupSmallest == 0 {
		t.Skip("the device does not promise full subgroups")
	}
	c := directionCase{K: 1, R: 7, T: 9, H: 15, masked: 0.4, reverse: true}
	w := c.build(source(t), d)
	w.Params, w.Mask = put(t, d, "params", c.params), put(t, d, "mask", c.mask)
	var want []float32
	for groups := 1; groups <= c.R+1; groups++ {
		w.W = groups
		k := c.forward(t, d, w, true)
		run(t, d, k)
		got := append(get(t, k.Gates), get(t, k.Hidden)...)
		if want == nil {
			want = got
		}
		equal(t, fmt.Sprintf("factors and h with %d workgroups", groups), got, want)
	}
}

func BenchmarkResidentDirectionForward(b *testing.B) {
	for _, batch := range []int{32, 256} {
		for _, train := range []bool{true, false} {
			b.Run(fmt.Sprintf("B=%d/T=60/H=64/train=%v", batch, train), func(b *testing.B) {
				d := gputest.Device(b)
				c, w := benchDirection(b, d, batch)
				bench(b, d, 2*float64(batch*60*256*64), 4*float64(batch*60*64*11), c.forward(b, d, w, train))
			})
		}
	}
}

// narrow undoes wide.
func narrow(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}
