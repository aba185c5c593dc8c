package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

func TestResidentLSTM(t *testing.T) {
	forResident(t, func(t *testing.T, d *gpu.Device, c residentCase, n kernel.ResidentNet) {
		want := newSpread(func(r *reference.Rounding) map[string][]float64 {
			out := map[string][]float64{}
			for k, list := range c.kept(r) {
				for i, w := range list {
					if !c.used[k][c.row0+i] {
						continue
					}
					out["probability"], out["loss"] = append(out["probability"], w.Probability), append(out["loss"], w.Loss)
					out["hidden"], out["dz"] = append(out["hidden"], w.Hidden...), append(out["dz"], w.DZ...)
					out["dropped h"], out["dense"] = append(out["dropped h"], w.Dropped...), append(out["dense"], w.Dense...)
					out["ddense"], out["dlogit"] = append(out["ddense"], w.DDense...), append(out["dlogit"], w.DLogit)
				}
			}
			return out
		})
		l := c.lstm(t, d, n, true)
		run(t, d, l)
		probability, loss, hidden := get(t, l.Probability), get(t, l.Loss), get(t, l.Hidden)
		dz, head := get(t, l.Factors), get(t, l.Head)
		get(t, l.Pairs)
		got := map[string][]float32{}
		touched := map[int]bool{}
		for k := range c.K {
			for i := range c.R {
				w := c.packed[k][c.row0+i]
				at := (c.step*c.K+k)*c.B + int(w.Place)
				touched[at] = true
				if !c.used[k][c.row0+i] {
					if probability[at] != 0 || loss[at] != 0 {
						t.Errorf("an empty place has probability %v, loss %v", probability[at], loss[at])
					}
					continue
				}
				got["probability"], got["loss"] = append(got["probability"], probability[at]), append(got["loss"], loss[at])
				for step := range len(w.X) / c.F {
					row := (k*c.R+i)*c.T + step
					for unit := range n.HP {
						if h := hidden[row*n.HP+unit]; unit < c.H {
							got["hidden"] = append(got["hidden"], h)
						} else if h != 0 {
							t.Fatalf("h of unit %d, which is padding, is %v", unit, h)
						}
					}
					for gate := range 4 {
						for unit := range n.HP {
							if v := dz[(row*4+gate)*n.HP+unit]; unit < c.H {
								got["dz"] = append(got["dz"], v)
							} else if v != 0 {
								t.Fatalf("dz of unit %d, which is padding, is %v", unit, v)
							}
						}
					}
				}
				h := head[(k*c.R+i)*n.HeadWidth()+4*n.HP:]
				got["dropped h"] = append(got["dropped h"], h[:c.H]...)
				h = h[n.HP:]
				got["ddense"], got["dense"], got["dlogit"] = append(got["ddense"], h[:c.D]...), append(got["dense"], h[c.D:2*c.D]...), append(got["dlogit"], h[2*c.D])
			}
		}
		for _, name := range []string{"probability", "loss", "hidden", "dropped h", "dense", "dlogit", "ddense", "dz"} {
			want.check(t, name, got[name])
		}
		for i, p := range probability {
			if !touched[i] && p != canary[float32]() {
				t.Fatalf("probability %d is %v; it is of another step or pass", i, p)
			}
		}
	})
}

// TestResidentLSTMForward: without training there is no dropout, and the buffers of the way back stay as they are.
func TestResidentLSTMForward(t *testing.T) {
	forResident(t, func(t *testing.T, d *gpu.Device, c residentCase, n kernel.ResidentNet) {
		rate := c.rate
		l := c.lstm(t, d, n, false)
		run(t, d, l)
		c.rate = 0
		want := newSpread(func(r *reference.Rounding) map[string][]float64 {
			out := map[string][]float64{}
			for k, list := range c.kept(r) {
				for i, w := range list {
					if c.used[k][c.row0+i] {
						out["probability"], out["loss"] = append(out["probability"], w.Probability), append(out["loss"], w.Loss)
					}
				}
			}
			return out
		})
		c.rate = rate
		got := map[string][]float32{}
		probability, loss := get(t, l.Probability), get(t, l.Loss)
		for k := range c.K {
			for i := range c.R {
				if c.used[k][c.row0+i] {
					at := (c.step*c.K+k)*c.B + int(c.packed[k][c.row0+i].Place)
					got["probability"], got["loss"] = append(got["probability"], probability[at]), append(got["loss"], loss[at])
				}
			}
		}
		want.check(t, "probability", got["probability"])
		want.check(t, "loss", got["loss"])
		for name, b := range map[string]gpu.Buffer[float32]{"factors": l.Factors, "pairs": l.Pairs, "hidden": l.Hidden, "head": l.Head} {
			for _, v := range get(t, b) {
				if v != canary[float32]() {
					t.Fatalf("%s was written", name)
				}
			}
		}
	})
}

// TestResidentLSTMGroups: the number of workgroups and of lanes that share a sum decide who computes, not what: a window's results
// are the same bits for any number of workgroups.
func TestResidentLSTMGroups(t *testing.T) {
	d := gputest.Device(t)
	if d.Limits().SubgroupSmallest == 0 {
		t.Skip("the device does not promise full subgroups")
	}
	c := residentCases()[1]
	n := c.build(source(t), d)
	var want []float32
	for groups := 1; groups <= c.B+1; groups++ {
		c.groups = groups
		l := c.lstm(t, d, n, true)
		run(t, d, l)
		got := append(get(t, l.Factors), get(t, l.Probability)...)
		if want == nil {
			want = got
		}
		equal(t, fmt.Sprintf("dz and probability with %d workgroups", groups), got, want)
	}
}

func BenchmarkResidentLSTM(b *testing.B) {
	for _, s := range []struct{ B, lanes int }{{32, 4}, {32, 0}, {256, 0}} {
		for _, train := range []bool{true, false} {
			b.Run(fmt.Sprintf("B=%d/T=60/F=6/H=64/lanes=%d/train=%v", s.B, s.lanes, train), func(b *testing.B) {
				d := gputest.Device(b)
				if d.Limits().SubgroupSmallest == 0 {
					b.Skip("the device does not promise full subgroups")
				}
				c := residentCase{K: 1, B: s.B, T: 60, F: 6, H: 64, D: 32, ahead: 1, groups: 128, lanes: s.lanes, chunks: 64, full: true, loss: model.Focal(), rate: 0.3}
				n := c.build(source(b), d)
				work, words := 2*float64(s.B*60*256*70), float64(s.B*60*8)
				if train {
					work += 2 * float64(s.B*60*256*64)
					words += float64(s.B * 60 * 64 * (4 + 2 + 1 + 4 + 2 + 4))
				}
				bench(b, d, work, 4*words, c.lstm(b, d, n, train))
			})
		}
	}
}
