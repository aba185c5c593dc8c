package kernel

import "vklstm/gpu"

// halfTile is how a workgroup divides a product of float16 among cooperative matrices: wavesM × wavesN subgroups, each with
// blockM × blockN matrices (shaders/include/half_tile.glsl).
type halfTile struct {
	wavesM, wavesN, blockM, blockN int
	registers                      int // that a lane holds at once, as NVIDIA's open compiler counts
}

// halfTiles are the divisions in use, the one that loads least per product first.
var halfTiles = []halfTile{{2, 2, 2, 2, 128}, {2, 2, 1, 1, 56}}

// halfDepth is how much of the inner dimension passes through shared memory at a time.
const halfDepth = 32

// halfPlan is a tile for the matrices and subgroups of a device.
type halfPlan struct {
	halfTile
	m, n, k, lanes int
}

func (p halfPlan) threads() int { return p.wavesM * p.wavesN * p.lanes }
func (p halfPlan) rows() int    { return p.wavesM * p.blockM * p.m }
func (p halfPlan) columns() int { return p.wavesN * p.blockN * p.n }

// fits reports whether the device can run the tile: its threads fetch four elements at a time and share evenly, whole
// matrices lie in halfDepth.
func (p halfPlan) fits(l gpu.Limits) bool {
	if p.lanes == 0 || p.m*p.n*p.k == 0 || halfDepth%p.k != 0 || p.columns()%16 != 0 || p.threads() > int(min(l.MaxInvocations, l.MaxWorkgroupSizeX)) ||
		l.SubgroupSmallest == 0 || p.threads()%int(l.SubgroupLargest) != 0 {
		return false
	}
	// The larger of a tile's two ways to lie, and its result, and the rows' numbers.
	lines := func(side int) int { return 8 * max(side*(halfDepth/4+2), halfDepth*(side/4+2)) }
	shared := lines(p.rows()) + lines(p.columns()) + 4*p.rows()*(p.columns()+4) + 4*p.rows()
	even := func(side int) bool { n := side * halfDepth / 4; return n%p.threads() == 0 }
	return shared <= int(l.SharedMemory) && even(p.rows()) && even(p.columns())
}

// bears reports whether the registers suffice: matrices lie in subgroups of the device's own size, whose lanes have the fewer of them
// the more they are.
func (p halfPlan) bears(l gpu.Limits) bool {
	return l.LaneRegisters == 0 || p.registers*p.lanes <= int(l.LaneRegisters*l.SubgroupSmallest)
}

// constants are the specialisation constants of every kernel that includes half_tile.glsl.
func (p halfPlan) constants() []uint32 {
	var list []uint32
	for _, v := range []int{p.threads(), p.m, p.n, p.k, p.wavesM, p.wavesN, p.blockM, p.blockN} {
		list = append(list, uint32(v))
	}
	return list
}

// halfPlans are the tiles that the device can run, largest first. One that its registers do not suffice for is taken only where there
// is no smaller one: Intel's lanes, 32 in a subgroup, have 32 registers, or 64 on Xe2, and its compiler spilled in the innermost loop.
func halfPlans(l gpu.Limits) []halfPlan {
	var list []halfPlan
	for _, t := range halfTiles {
		p := halfPlan{t, int(l.HalfMatrix[0]), int(l.HalfMatrix[1]), int(l.HalfMatrix[2]), int(l.SubgroupSize)}
		if !p.fits(l) {
			continue
		}
		if len(list) > 0 && !list[0].bears(l) {
			list = list[:0]
		}
		list = append(list, p)
	}
	return list
}

// planHalf chooses the largest tile that gives enough workgroups, and the smallest where none does. False: the device has no
// matrices, or none that a tile can be made of.
func planHalf(l gpu.Limits, groups func(rows, columns int) int) (halfPlan, bool) {
	var chosen halfPlan
	found := false
	for _, p := range halfPlans(l) {
		chosen, found = p, true
		if groups(p.rows(), p.columns()) >= fillGroups {
			break
		}
	}
	return chosen, found
}

// UsesMatrices reports whether products of float16 with h units run on the device's cooperative matrices; else float32 kernels
// take rounded operands.
func UsesMatrices(h int, l gpu.Limits) bool {
	_, ok := planHalf(l, func(int, int) int { return 1 })
	return ok && h%4 == 0
}

// HalfConstants lists the specialisation constants that the kernels with cooperative matrices may have on a device.
func HalfConstants(l gpu.Limits) [][]uint32 {
	var list [][]uint32
	for _, p := range halfPlans(l) {
		list = append(list, p.constants())
	}
	return list
}
