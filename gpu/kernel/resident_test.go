package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/philox"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// residentCase is a step of the resident path: K models, B slots of packed windows, of which some are empty.
type residentCase struct {
	name                     string
	K, B, T, F, H, D         int
	R, row0                  int // the current pass; R 0: all of B
	ahead, step              int // steps whose input lies prepared, and the current one
	groups, lanes, chunks    int // lanes 0: as many as the device allows
	rate                     float64
	full                     bool // no window is short
	loss                     model.Loss
	params                   [][]float32 // [K][size]
	packed                   [][]reference.Packed
	used                     [][]bool // [K][B]
	x                        []float32
	slots, options, schedule []uint32
	net                      reference.Network
	keys                     [][2]uint32
	times                    []uint32
	inverse                  []float32
	P                        int
}

// residentCases are the shapes that the kernels of the resident path are tested on.
func residentCases() []residentCase {
	bce := model.Loss{Kind: model.BinaryCrossentropy}
	return []residentCase{
		{name: "one of everything", K: 1, B: 1, T: 1, F: 1, H: 1, D: 1, ahead: 1, groups: 1, chunks: 64, loss: bce},
		{name: "15 units, one group for all windows", K: 1, B: 7, T: 9, F: 5, H: 15, D: 13, ahead: 3, step: 4, groups: 1, chunks: 3, rate: 0.3, loss: model.Focal()},
		{name: "16 units, two models, more dense units than lanes", K: 2, B: 9, T: 6, F: 3, H: 16, D: 70, ahead: 2, step: 1, groups: 2, chunks: 64, rate: 0.5, loss: model.Focal()},
		{name: "17 units, a second pass", K: 2, B: 12, T: 5, F: 7, H: 17, D: 4, R: 5, row0: 6, ahead: 2, step: 3, groups: 2, chunks: 4, rate: 0.2, loss: bce},
		{name: "30 features, 32 units, no short window", K: 1, B: 3, T: 8, F: 30, H: 32, D: 8, ahead: 1, groups: 3, chunks: 2, full: true, loss: model.Focal()},
		{name: "4 lanes share a sum", K: 1, B: 4, T: 7, F: 6, H: 20, D: 9, ahead: 1, groups: 4, lanes: 4, chunks: 64, loss: bce},
	}
}

// build fills a case with random parameters and windows.
func (c *residentCase) build(rng *rand.Rand, d *gpu.Device) kernel.ResidentNet {
	if c.R == 0 {
		c.R = c.B
	}
	l := d.Limits()
	n := kernel.ResidentNet{H: c.H, F: c.F, D: c.D, HP: (c.H + 15) / 16 * 16, Plain: c.T != 7}
	for l.SubgroupLargest > 0 && 4*n.HP%int(l.SubgroupLargest) != 0 {
		n.HP += 16
	}
	if c.lanes == 0 {
		c.lanes = min(16, int(l.SubgroupSmallest))
	}
	spec := model.Classifier(c.T, c.F, c.H, c.rate, c.D)
	c.net, _ = reference.NewNetwork(spec)
	c.P = c.net.Layout.Size + 7
	width := n.InputWidth()
	c.x = randoms(rng, c.ahead*c.K*c.B*c.T*width, 1) // other steps' input must not be read
	c.slots = make([]uint32, c.ahead*c.K*c.B*4)
	c.schedule = make([]uint32, (c.step+2)*c.K*words.Schedule)
	for k := range c.K {
		p := randoms(rng, c.net.Layout.Size, 1/math.Sqrt(float64(max(c.H, 4))))
		c.params = append(c.params, p)
		o := model.Options{Loss: c.loss, Optimizer: model.DefaultAdam(), Seed: rng.Uint64()}
		c.options = append(c.options, optionsOf(o, c.rate, 0)...)
		c.keys, c.times = append(c.keys, philox.Key(o.Seed)), append(c.times, uint32(20+k))
		c.inverse = append(c.inverse, 1/float32(c.B))
		s := c.schedule[(c.step*c.K+k)*words.Schedule:]
		s[words.Alpha], s[words.InverseBatch], s[words.Time] = math.Float32bits(1e-3), math.Float32bits(c.inverse[k]), c.times[k]
		var list []reference.Packed
		var used []bool
		for i, place := range rng.Perm(c.B) {
			steps := c.T - min(c.T, i*(c.T+1)/max(1, c.B)) // down to none
			if c.full || i == 0 {
				steps = c.T
			}
			w := reference.Packed{Place: uint32(place), Y: float64(rng.IntN(2)), Weight: float64(float32(rng.Float64()*2 + 0.1))}
			slot := (c.step%c.ahead*c.K+k)*c.B + i
			for t := range steps {
				row := c.x[(slot*c.T+t)*width:][:width]
				clear(row[c.F:])
				row[c.F] = 1
				w.X = append(w.X, wide(row[:c.F])...)
			}
			word := c.slots[slot*4:]
			word[words.SlotSteps], word[words.SlotPlace] = uint32(steps), w.Place
			word[words.SlotPositive], word[words.SlotWeight] = uint32(w.Y), math.Float32bits(float32(w.Weight))
			empty := c.B > 3 && i == c.B-1
			if empty {
				word[words.SlotSteps] = words.NoWindow
			}
			list, used = append(list, w), append(used, !empty)
		}
		c.packed, c.used = append(c.packed, list), append(c.used, used)
	}
	return n
}

// kept runs the reference, exact or with an imitation of float32's rounding, on the slots of the current pass.
func (c *residentCase) kept(r *reference.Rounding) [][]reference.Kept {
	n := c.net
	n.Rounding = r
	var out [][]reference.Kept
	for k := range c.K {
		var list []reference.Kept
		for i := c.row0; i < c.row0+c.R; i++ {
			var one reference.Kept
			if c.used[k][i] {
				one = n.ResidentLSTM(wide(c.params[k]), c.packed[k][i], c.loss, reference.Draw{Train: c.rate > 0, Time: c.times[k], Key: c.keys[k]}, float64(c.inverse[k]))
			}
			list = append(list, one)
		}
		out = append(out, list)
	}
	return out
}

// flat lays params out with padding.
func (c *residentCase) flat() []float32 {
	var out []float32
	for _, p := range c.params {
		out = append(append(out, p...), make([]float32, c.P-len(p))...)
	}
	return out
}

// lstm makes the kernel; what it writes holds canaries.
func (c *residentCase) lstm(tb testing.TB, d *gpu.Device, n kernel.ResidentNet, train bool) kernel.ResidentLSTM {
	rows, steps := c.K*c.R, c.step+2
	return kernel.ResidentLSTM{
		ResidentNet: n, Params: put(tb, d, "params", c.flat()), Options: put(tb, d, "options", c.options), Schedule: put(tb, d, "schedule", c.schedule),
		Cursor: put(tb, d, "cursor", []uint32{uint32(c.step)}), X: put(tb, d, "x", c.x), Slots: put(tb, d, "slots", c.slots),
		Factors: blank[float32](tb, d, "factors", rows*c.T*4*n.HP), Pairs: blank[float32](tb, d, "pairs", rows*c.T*2*n.HP),
		Hidden: blank[float32](tb, d, "hidden", rows*c.T*n.HP), Head: blank[float32](tb, d, "head", rows*n.HeadWidth()),
		Probability: blank[float32](tb, d, "probability", steps*c.K*c.B), Loss: blank[float32](tb, d, "loss", steps*c.K*c.B),
		K: c.K, R: c.R, B: c.B, T: c.T, C: c.ahead, W: c.groups, P: c.P, S: steps, Row0: c.row0, LG: c.lanes, Train: train,
	}
}

// forResident runs f on every case, on both devices; a device without full subgroups takes no resident path.
func forResident(t *testing.T, f func(t *testing.T, d *gpu.Device, c residentCase, n kernel.ResidentNet)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		if d.Limits().SubgroupSmallest == 0 {
			t.Skip("the device does not promise full subgroups")
		}
		for _, c := range residentCases() {
			t.Run(c.name, func(t *testing.T) {
				n := c.build(source(t), d)
				if 4*n.HP > int(d.Limits().MaxInvocations) {
					t.Skipf("workgroups of %d threads", 4*n.HP)
				}
				f(t, d, c, n)
			})
		}
	})
}

// spread are the tolerances of some values by name: four times as far as imitations of float32 are from the exact ones, each
// element's own or its array's root mean square, and one rounding.
type spread struct {
	exact map[string][]float64
	tol   map[string][]float64
}

func newSpread(values func(r *reference.Rounding) map[string][]float64) spread {
	const runs = 8
	s := spread{exact: values(nil), tol: map[string][]float64{}}
	square := map[string]float64{}
	for name, v := range s.exact {
		s.tol[name] = make([]float64, len(v))
	}
	for i := range runs {
		for name, v := range values(reference.NewRounding(uint64(i))) {
			for j, x := range v {
				e := math.Abs(x - s.exact[name][j])
				s.tol[name][j] = math.Max(s.tol[name][j], e)
				square[name] += e * e / float64(runs*len(v))
			}
		}
	}
	for name, tol := range s.tol {
		for j := range tol {
			tol[j] = 4*math.Max(tol[j], math.Sqrt(square[name])) + u*math.Abs(s.exact[name][j]) + tiny
		}
	}
	return s
}

func (s spread) check(t *testing.T, name string, got []float32) {
	t.Helper()
	nearEach(t, name, got, s.exact[name], s.tol[name])
}
