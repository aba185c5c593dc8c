package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// directionCase is one direction of an LSTM layer of K models on R windows.
type directionCase struct {
	name           string
	K, R, T, H     int
	groups, lanes  int // workgroups of a model; lanes 0: as many as the device allows
	masked         float64
	reverse, flows bool
	relu, toMasked bool // relu in place of tanh; flow goes into masked steps too

	P, offset     int
	z, params     []float32
	mask          []uint32
	dh, flow      []float32
	factors, pair []float32 // as ResidentDirectionForward leaves them, for the way back alone
}

// directionCases are the directions that both kernels are tested on; the windows of all but the first have masks of every kind.
func directionCases() []directionCase {
	return []directionCase{
		{name: "one of everything", K: 1, R: 1, T: 1, H: 1, groups: 1},
		{name: "one masked step", K: 1, R: 2, T: 1, H: 3, groups: 1, masked: 1},
		{name: "15 units, one group for all windows", K: 1, R: 7, T: 9, H: 15, groups: 1, masked: 0.4},
		{name: "in reverse", K: 1, R: 7, T: 9, H: 15, groups: 3, masked: 0.4, reverse: true},
		{name: "16 units, two models, with flow", K: 2, R: 9, T: 6, H: 16, groups: 2, masked: 0.3, flows: true},
		{name: "17 units, two models, in reverse with flow", K: 2, R: 5, T: 7, H: 17, groups: 9, masked: 0.5, reverse: true, flows: true},
		{name: "relu", K: 2, R: 5, T: 7, H: 17, groups: 2, masked: 0.3, relu: true},
		{name: "flow into masked steps", K: 1, R: 5, T: 7, H: 17, groups: 2, masked: 0.5, reverse: true, flows: true, toMasked: true},
		{name: "32 units, none masked", K: 1, R: 3, T: 8, H: 32, groups: 2, reverse: true},
		{name: "4 lanes share a sum", K: 1, R: 4, T: 7, H: 20, groups: 4, lanes: 4, masked: 0.3, flows: true},
		{name: "8 lanes at most", K: 1, R: 4, T: 7, H: 20, groups: 4, lanes: 8, masked: 0.3},
	}
}

// build fills a case. What must not be read is NaN: other parameters, z of masked steps, what flows into those, and dh with flow.
func (c *directionCase) build(rng *rand.Rand, d *gpu.Device) kernel.ResidentDirection {
	l := d.Limits()
	hp := (c.H + 15) / 16 * 16
	for l.SubgroupLargest > 0 && 4*hp%int(l.SubgroupLargest) != 0 {
		hp += 16
	}
	if most := min(16, int(l.SubgroupSmallest)); c.lanes == 0 || c.lanes > most {
		c.lanes = most
	}
	c.offset, c.P = 5, 5+4*c.H*c.H+6
	c.params = nans(c.K * c.P)
	for k := range c.K {
		copy(c.kernel(k), randoms(rng, 4*c.H*c.H, 1/math.Sqrt(float64(max(c.H, 4)))))
	}
	rows := c.K * c.T * c.R
	c.z, c.flow, c.dh = randoms(rng, rows*4*c.H, 2), randoms(rng, rows*c.H, 0.5), randoms(rng, c.K*c.R*c.H, 1)
	c.factors, c.pair = randoms(rng, rows*4*c.H, 0.5), randoms(rng, rows*2*c.H, 1)
	for row := range rows {
		if k, t, r := row/c.R/c.T, row/c.R%c.T, row%c.R; rng.Float64() < c.masked && (r != 1 || k+t == 0) || r == 2 && c.masked > 0 {
			c.mask = append(c.mask, 0) // window 2 has no valid step, window 1 all but one
			copy(c.z[row*4*c.H:], nans(4*c.H))
			if !c.toMasked {
				copy(c.flow[row*c.H:], nans(c.H))
			}
			clear(c.factors[row*4*c.H:][:4*c.H])
			copy(c.pair[row*2*c.H:], nans(2*c.H))
			continue
		}
		c.mask = append(c.mask, 1)
	}
	if c.flows {
		c.dh = nans(len(c.dh))
	} else {
		c.flow = nil
	}
	return kernel.ResidentDirection{
		K: c.K, R: c.R, T: c.T, W: c.groups, H: c.H, P: c.P, HP: hp, KernelOffset: c.offset, Reverse: c.reverse,
	}
}

func (c *directionCase) kernel(k int) []float32 { return c.params[k*c.P+c.offset:][:4*c.H*c.H] }

// valid is the mask of model k.
func (c *directionCase) valid(k int) [][]bool {
	var out [][]bool
	for t := range c.T {
		row := make([]bool, c.R)
		for r := range row {
			row[r] = c.mask[(k*c.T+t)*c.R+r] != 0
		}
		out = append(out, row)
	}
	return out
}

// act is the direction's activation.
func (c *directionCase) act() model.Activation {
	if c.relu {
		return model.Relu
	}
	return model.Tanh
}

// of is model k's part of values that all models have as many of.
func (c *directionCase) of(values []float32, k int) []float64 {
	n := len(values) / c.K
	return wide(values[k*n : (k+1)*n])
}

// forDirections runs f on every case, on both devices; a device without full subgroups takes no resident path.
func forDirections(t *testing.T, f func(t *testing.T, d *gpu.Device, c directionCase, w kernel.ResidentDirection)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		if d.Limits().SubgroupSmallest == 0 {
			t.Skip("the device does not promise full subgroups")
		}
		for _, c := range directionCases() {
			t.Run(c.name, func(t *testing.T) {
				w := c.build(source(t), d)
				if 4*w.HP > int(d.Limits().MaxInvocations) {
					t.Skipf("workgroups of %d threads", 4*w.HP)
				}
				w.Params, w.Mask = put(t, d, "params", c.params), put(t, d, "mask", c.mask)
				f(t, d, c, w)
			})
		}
	})
}

// benchDirection is a direction of the production shape, without masks.
func benchDirection(b *testing.B, d *gpu.Device, batch int) (directionCase, kernel.ResidentDirection) {
	if d.Limits().SubgroupSmallest == 0 {
		b.Skip("the device does not promise full subgroups")
	}
	c := directionCase{K: 1, R: batch, T: 60, H: 64, groups: min(batch, 264)}
	w := c.build(source(b), d)
	w.Params, w.Mask = put(b, d, "params", c.params), put(b, d, "mask", c.mask)
	w.Pairs = put(b, d, "pairs", c.pair)
	return c, w
}
