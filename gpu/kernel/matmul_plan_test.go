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
		{"one element", 1, 1, 1, 1, true, full, "32×32", 1},
		{"input at H=64", 1920, 256, 6, 1, false, full, "32×32", 1},
		{"input at H=64, 4 models", 1920, 256, 6, 4, false, full, "64×64", 1},
		{"input at H=256", 32768, 1024, 64, 1, false, full, "128×128", 1},
		{"input at H=256, 128 registers", 32768, 1024, 64, 1, false, intel, "64×64", 1},
		{"input at H=256, 128 threads", 32768, 1024, 64, 1, false, least, "64×64", 1},
		{"recurrent gradient at H=64", 64, 256, 1920, 1, true, full, "32×32", 15},
		{"recurrent gradient at H=64, not cut", 64, 256, 1920, 1, false, full, "32×32", 1},
		{"recurrent gradient at H=256", 256, 1024, 32768, 1, true, full, "128×128", 8},
		{"recurrent gradient at H=1024", 1024, 4096, 32768, 1, true, full, "128×128", 1},
		{"kernel gradient of 6 features", 6, 256, 1920, 1, true, full, "32×32", 15},
		{"33 rows fill half of a tile of 64", 33, 4096, 64, 64, false, full, "64×64", 1},
		{"129 rows would waste most of a tile of 128", 129, 4096, 64, 64, false, full, "64×64", 1},
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
