package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// backward makes the kernel, after factors and pairs that need not come from a forward pass.
func (c *directionCase) backward(tb testing.TB, d *gpu.Device, w kernel.ResidentDirection) kernel.ResidentDirectionBackward {
	w.Gates, w.Pairs = put(tb, d, "gates", c.factors), put(tb, d, "pairs", c.pair)
	k := kernel.ResidentDirectionBackward{ResidentDirection: w, DHidden: put(tb, d, "dh", c.dh), LG: c.lanes}
	if c.flows {
		k.Flow, k.FlowsToMasked = put(tb, d, "flow", c.flow), c.toMasked
	}
	return k
}

func TestResidentDirectionBackward(t *testing.T) {
	forDirections(t, func(t *testing.T, d *gpu.Device, c directionCase, w kernel.ResidentDirection) {
		want := newSpread(func(r *reference.Rounding) map[string][]float64 {
			var dz []float64
			for k := range c.K {
				dh, flow := make([]float64, c.R*c.H), []float64(nil)
				if c.flows {
					flow = c.of(c.flow, k)
				} else {
					dh = c.of(c.dh, k)
				}
				dz = append(dz, reference.ResidentDirectionBackward(r, c.of(c.factors, k), c.of(c.pair, k), c.valid(k), wide(c.kernel(k)), dh, flow, c.reverse, c.toMasked)...)
			}
			return map[string][]float64{"dz": dz}
		})
		k := c.backward(t, d, w)
		run(t, d, k)
		got := get(t, k.Gates)
		want.check(t, "dz", got)
		for i, v := range got {
			if c.mask[i/4/c.H] == 0 && v != 0 {
				t.Fatalf("dz of a masked step is %v", v)
			}
		}
	})
}

// TestResidentDirectionBackwardGroups: the number of workgroups decides who computes, not what.
func TestResidentDirectionBackwardGroups(t *testing.T) {
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
		k := c.backward(t, d, w)
		run(t, d, k)
		got := get(t, k.Gates)
		if want == nil {
			want = got
		}
		equal(t, fmt.Sprintf("dz with %d workgroups", groups), got, want)
	}
}

func BenchmarkResidentDirectionBackward(b *testing.B) {
	for _, batch := range []int{32, 256} {
		b.Run(fmt.Sprintf("B=%d/T=60/H=64", batch), func(b *testing.B) {
			d := gputest.Device(b)
			c, w := benchDirection(b, d, batch)
			bench(b, d, 2*float64(batch*60*256*64), 4*float64(batch*60*64*10), c.backward(b, d, w))
		})
	}
}
