package kernel

import (
	"fmt"
	"testing"

	"vklstm/gpu"
)

// full and least are the limits of a usual device and the least that Vulkan allows.
var (
	full  = gpu.Limits{MaxInvocations: 1024}
	least = gpu.Limits{MaxInvocations: 128}
	intel = gpu.Limits{MaxInvocations: 1024, LaneRegisters: 128}
)

// TestTiles: a workgroup's threads fetch a tile evenly, or elements of it would never be loaded.
func TestTiles(t *testing.T) {
	for _, x := range tiles {
		m := x.threads / x.threadsN
		if m*x.threadsN != x.threads || x.rows4*x.depth%x.threadsN != 0 || x.columns4*x.depth%m != 0 || x.depth%4 != 0 {
			t.Errorf("tile %v does not divide evenly", x)
		}
	}
}

func TestPlanMatmul(t *testing.T) {
	for _, tc := range []struct {
		name                string
		m, n, inner, models int
		split               bool
		limits              gpu.Limits
		tile                string
		splits              int
	}{
		{name: "one element", m: 1, n: 1, inner: 1, models: 1, split: true, limits: full, tile: "32×32", splits: 1},
		{name: "input at H=64", m: 1920, n: 256, inner: 6, models: 1, limits: full, tile: "32×32", splits: 1},
		{name: "input at H=64, 4 models", m: 1920, n: 256, inner: 6, models: 4, limits: full, tile: "64×64", splits: 1},
		{name: "input at H=256", m: 32768, n: 1024, inner: 64, models: 1, limits: full, tile: "128×128", splits: 1},
		{name: "input at H=256, 128 registers", m: 32768, n: 1024, inner: 64, models: 1, limits: intel, tile: "64×64", splits: 1},
		{name: "input at H=256, 128 threads", m: 32768, n: 1024, inner: 64, models: 1, limits: least, tile: "64×64", splits: 1},
		{name: "recurrent gradient at H=64", m: 64, n: 256, inner: 1920, models: 1, split: true, limits: full, tile: "32×32", splits: 15},
		{name: "recurrent gradient at H=64, not cut", m: 64, n: 256, inner: 1920, models: 1, limits: full, tile: "32×32", splits: 1},
		{name: "recurrent gradient at H=256", m: 256, n: 1024, inner: 32768, models: 1, split: true, limits: full, tile: "128×128", splits: 8},
		{name: "recurrent gradient at H=1024", m: 1024, n: 4096, inner: 32768, models: 1, split: true, limits: full, tile: "128×128", splits: 1},
		{name: "kernel gradient of 6 features", m: 6, n: 256, inner: 1920, models: 1, split: true, limits: full, tile: "32×32", splits: 15},
		{name: "33 rows fill half of a tile of 64", m: 33, n: 4096, inner: 64, models: 64, limits: full, tile: "64×64", splits: 1},
		{name: "129 rows would waste most of a tile of 128", m: 129, n: 4096, inner: 64, models: 64, limits: full, tile: "64×64", splits: 1},
	} {
		p := planMatmul(tc.m, tc.n, tc.inner, tc.models, tc.split, tc.limits)
		if fmt.Sprintf("%d×%d", p.rows(), p.columns()) != tc.tile || p.splits != tc.splits {
			t.Errorf("%s: tiles of %d×%d in %d parts, want %s in %d", tc.name, p.rows(), p.columns(), p.splits, tc.tile, tc.splits)
		}
	}
	// All parts together are inner, none is empty, and lines of 4 stay whole.
	for inner := 1; inner < 3000; inner++ {
		p := planMatmul(5, 7, inner, 2, true, full)
		if p.splits*p.span < inner || (p.splits-1)*p.span >= inner || p.span%4 != 0 {
			t.Fatalf("inner %d is cut into %d parts of %d", inner, p.splits, p.span)
		}
	}
}
