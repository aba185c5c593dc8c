package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

// weight makes the kernel on random values in place of what resident_lstm leaves, and what the reference takes for them.
func (c *residentCase) weight(tb testing.TB, rng *rand.Rand, d *gpu.Device, n kernel.ResidentNet) (kernel.ResidentWeight, [][]reference.Kept) {
	rows := c.K * c.R
	hidden, dz, head := randoms(rng, rows*c.T*n.HP, 1), randoms(rng, rows*c.T*4*n.HP, 1), randoms(rng, rows*n.HeadWidth(), 1)
	var kept [][]reference.Kept
	for k := range c.K {
		var list []reference.Kept
		for i := range c.R {
			var one reference.Kept
			if w := c.packed[k][c.row0+i]; c.used[k][c.row0+i] {
				for t := range len(w.X) / c.F {
					row := (k*c.R+i)*c.T + t
					one.Hidden = append(one.Hidden, wide(hidden[row*n.HP:][:c.H])...)
					for gate := range 4 {
						one.DZ = append(one.DZ, wide(dz[(row*4+gate)*n.HP:][:c.H])...)
					}
				}
				h := head[(k*c.R+i)*n.HeadWidth()+4*n.HP:]
				one.Dropped, h = wide(h[:c.H]), h[n.HP:]
				one.DDense, one.Dense, one.DLogit = wide(h[:c.D]), wide(h[c.D:2*c.D]), float64(h[2*c.D])
			}
			list = append(list, one)
		}
		kept = append(kept, list)
	}
	return kernel.ResidentWeight{
		ResidentNet: n, Cursor: put(tb, d, "cursor", []uint32{uint32(c.step)}), Slots: put(tb, d, "slots", c.slots), X: put(tb, d, "x", c.x),
		Hidden: put(tb, d, "hidden", hidden), DZ: put(tb, d, "dz", dz), Head: put(tb, d, "head", head),
		Taken: blank[uint32](tb, d, "taken", 1),
		K:     c.K, R: c.R, B: c.B, T: c.T, C: c.ahead, P: c.P, Row0: c.row0, Chunks: c.chunks,
	}, kept
}

func TestResidentWeight(t *testing.T) {
	forResident(t, func(t *testing.T, d *gpu.Device, c residentCase, n kernel.ResidentNet) {
		k, kept := c.weight(t, source(t), d, n)
		parts := min(c.chunks, c.B)
		old := make([]float32, c.K*parts*c.P)
		for i := range old {
			old[i] = canary[float32]()
			if c.row0 > 0 { // a later pass adds
				old[i] = float32(i%17) / 8
			}
		}
		k.Parts = put(t, d, "parts", old)
		run(t, d, k)
		got := get(t, k.Parts)
		narrow := k // tiles are no part of the result
		narrow.Narrow, narrow.Parts = true, put(t, d, "parts of narrow tiles", old)
		run(t, d, narrow)
		equal(t, "parts by narrow tiles", get(t, narrow.Parts), got)
		if b := get(t, k.Taken); b[0] != uint32(c.step) {
			t.Errorf("the cursor is %d after the kernel, want %d", b[0], c.step)
		}
		for m := range c.K {
			for part := range parts {
				var windows, size []reference.Packed
				var list, sizes []reference.Kept
				terms := 0
				for i := range c.R {
					if (c.row0+i)%c.chunks != part || !c.used[m][c.row0+i] {
						continue
					}
					w, one := c.packed[m][c.row0+i], kept[m][i]
					windows, list = append(windows, w), append(list, one)
					terms += len(w.X)/c.F + 1
					abs := func(a []float64) []float64 {
						out := make([]float64, len(a))
						for i, v := range a {
							out[i] = math.Abs(v)
						}
						return out
					}
					size = append(size, reference.Packed{X: abs(w.X)})
					sizes = append(sizes, reference.Kept{Hidden: abs(one.Hidden), DZ: abs(one.DZ), Dropped: abs(one.Dropped), Dense: abs(one.Dense), DDense: abs(one.DDense), DLogit: math.Abs(one.DLogit)})
				}
				want, tol := c.net.ResidentWeight(windows, list), c.net.ResidentWeight(size, sizes)
				at := (m*parts + part) * c.P
				for i := range want {
					if c.row0 > 0 {
						want[i] += float64(old[at+i])
						tol[i] += math.Abs(float64(old[at+i]))
					}
					tol[i] = tol[i]*float64(terms+1)*u + tiny // a sum of that many products, in any order
				}
				nearEach(t, fmt.Sprintf("part %d of model %d", part, m), got[at:at+len(want)], want, tol)
				equal(t, "padding after the parameters", got[at+len(want):at+c.P], old[at+len(want):at+c.P])
			}
		}
	})
}

// TestResidentWeightTiles: tiles cover all rows, are as even as can be, and narrow ones hold half as many.
func TestResidentWeightTiles(t *testing.T) {
	for _, tc := range []struct {
		HP, F         int
		plain         bool
		rows, input   int
		rowsN, inN    int // with Narrow
		tiles, tilesN int
	}{
		{HP: 64, F: 6, rows: 32, input: 8, rowsN: 16, inN: 8, tiles: 2 + 1 + 1, tilesN: 4 + 1 + 1},
		{HP: 64, F: 6, plain: true, rows: 16, input: 8, rowsN: 16, inN: 8, tiles: 4 + 1 + 1, tilesN: 4 + 1 + 1},
		{HP: 16, F: 16, rows: 16, input: 20, rowsN: 16, inN: 12, tiles: 1 + 1 + 1, tilesN: 1 + 2 + 1},
		{HP: 16, F: 35, rows: 16, input: 20, rowsN: 16, inN: 12, tiles: 1 + 2 + 1, tilesN: 1 + 3 + 1},
		{HP: 32, F: 63, rows: 32, input: 32, rowsN: 16, inN: 16, tiles: 1 + 2 + 1, tilesN: 2 + 4 + 1},
	} {
		n := kernel.ResidentNet{H: 8, F: tc.F, D: 4, HP: tc.HP, Plain: tc.plain}
		wide := [3]int{n.RowTile(), n.InputTile(), n.Tiles()}
		n.Narrow = true
		narrow := [3]int{n.RowTile(), n.InputTile(), n.Tiles()}
		if want := [3]int{tc.rows, tc.input, tc.tiles}; wide != want {
			t.Errorf("HP %d, F %d: rows, rows of the input, tiles %v, want %v", tc.HP, tc.F, wide, want)
		}
		if want := [3]int{tc.rowsN, tc.inN, tc.tilesN}; narrow != want {
			t.Errorf("HP %d, F %d, narrow: rows, rows of the input, tiles %v, want %v", tc.HP, tc.F, narrow, want)
		}
	}
}

func BenchmarkResidentWeight(b *testing.B) {
	for _, B := range []int{32, 256} {
		b.Run(fmt.Sprintf("B=%d/T=60/F=6/H=64", B), func(b *testing.B) {
			d := gputest.Device(b)
			c := residentCase{K: 1, B: B, T: 60, F: 6, H: 64, D: 32, ahead: 1, groups: 128, chunks: 64, full: true, loss: model.Focal()}
			rng := source(b)
			n := c.build(rng, d)
			k, _ := c.weight(b, rng, d, n)
			parts := min(c.chunks, B)
			k.Parts = blank[float32](b, d, "parts", parts*c.P)
			bench(b, d, 2*float64(B*60*256*71), 4*float64(B*60*(256*k.Tiles()+64+8)+parts*c.P), k)
		})
	}
}
