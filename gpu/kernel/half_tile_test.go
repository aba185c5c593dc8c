package kernel

import (
	"testing"

	"vklstm/gpu"
)

// TestPlanHalf: the matrices that vendors' drivers list can be used, and what lacks something is not.
func TestPlanHalf(t *testing.T) {
	limits := func(m, n, k, lanes, largest uint32) gpu.Limits {
		return gpu.Limits{HalfMatrix: [3]uint32{m, n, k}, SubgroupSize: lanes, SubgroupSmallest: min(lanes, 32), SubgroupLargest: largest,
			MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: 32 << 10}
	}
	intel := func(m, n, k, smallest uint32) gpu.Limits { // its matrices lie in 32 lanes, which share the registers of fewer
		l := limits(m, n, k, 32, 32)
		l.SubgroupSmallest, l.LaneRegisters = smallest, 128
		return l
	}
	few, many := func(int, int) int { return 1 }, func(int, int) int { return fillGroups }
	for _, tc := range []struct {
		name        string
		l           gpu.Limits
		small, full [2]int // rows and columns of the tile for few workgroups and for many
	}{
		{"AMD, wave 64", limits(16, 16, 16, 64, 64), [2]int{32, 32}, [2]int{64, 64}},
		{"AMD, wave 32", limits(16, 16, 16, 32, 64), [2]int{32, 32}, [2]int{64, 64}},
		{"NVIDIA", limits(16, 16, 16, 32, 32), [2]int{32, 32}, [2]int{64, 64}},
		{"NVIDIA, 16 × 8 × 16", limits(16, 8, 16, 32, 32), [2]int{32, 16}, [2]int{64, 32}},
		{"NVIDIA, 16 × 8 × 8", limits(16, 8, 8, 32, 32), [2]int{32, 16}, [2]int{64, 32}},
		{"Intel DG2", intel(8, 8, 16, 8), [2]int{16, 16}, [2]int{16, 16}},
		{"Intel LNL", intel(8, 16, 16, 16), [2]int{16, 32}, [2]int{16, 32}},
		{"matrices of the smallest subgroup", limits(8, 8, 16, 8, 32), [2]int{16, 16}, [2]int{32, 32}},
		{"lavapipe", limits(8, 8, 8, 8, 8), [2]int{16, 16}, [2]int{32, 32}},
	} {
		for _, of := range []struct {
			groups func(int, int) int
			want   [2]int
		}{{few, tc.small}, {many, tc.full}} {
			p, ok := planHalf(tc.l, of.groups)
			if got := [2]int{p.rows(), p.columns()}; !ok || got != of.want {
				t.Errorf("%s: a tile of %v, %t; want %v", tc.name, got, ok, of.want)
			}
			for _, side := range []int{p.rows(), p.columns()} {
				if each := side * halfDepth / 4 / p.threads(); each < 1 || each*p.threads()*4 != side*halfDepth {
					t.Errorf("%s: %d threads do not share %d × %d evenly", tc.name, p.threads(), side, halfDepth)
				}
			}
		}
		if !UsesMatrices(64, tc.l) || UsesMatrices(65, tc.l) {
			t.Errorf("%s: 64 units use matrices: %t, 65: %t; want only the first", tc.name, UsesMatrices(64, tc.l), UsesMatrices(65, tc.l))
		}
	}
	for name, spoil := range map[string]func(*gpu.Limits){
		"no matrices":            func(l *gpu.Limits) { l.HalfMatrix = [3]uint32{} },
		"no full subgroups":      func(l *gpu.Limits) { l.SubgroupSmallest, l.SubgroupLargest = 0, 0 },
		"unknown subgroup size":  func(l *gpu.Limits) { l.SubgroupSize = 0 },
		"no shared memory":       func(l *gpu.Limits) { l.SharedMemory = 4 << 10 },
		"small workgroups":       func(l *gpu.Limits) { l.MaxInvocations = 64 },
		"deeper than a tile":     func(l *gpu.Limits) { l.HalfMatrix[2] = 64 },
		"more threads than work": func(l *gpu.Limits) { l.HalfMatrix, l.SubgroupSize = [3]uint32{8, 8, 16}, 128 },
	} {
		l := limits(16, 16, 16, 32, 32)
		spoil(&l)
		if p, ok := planHalf(l, few); ok {
			t.Errorf("%s: a tile of %d × %d", name, p.rows(), p.columns())
		}
	}
}
