package kernel

import "vklstm/gpu"

// Matmul is matmul.comp: C = op(A)·op(B), plus bias, plus what C held, for Models models. All matrices lie row by row
// without gaps; offsets are those of the first model, strides lead from model to model, both in elements. A stride of
// 0 gives all models the same matrix.
type Matmul struct {
	A          f32 // [M][Inner], with TransposeA [Inner][M]
	B          f32 // [Inner][N], with TransposeB [N][Inner]
	C          f32 // [M][N]
	BiasVector f32 // [N]; used with Bias only, and may be left out without

	// Parts is where a product with few elements and a long inner dimension may put partial sums, so that it fills a
	// device; left out, each element is one sum. Partials says how large it must be. How the sum is cut depends on the
	// product's size alone.
	Parts f32

	// Half takes the product of float16: A is rounded, and B times its model's scale. The sum, freed of the scale, is
	// float32, and bias and C are added in float32.
	Half  bool
	Scale f32 // scale[Models][2], as GradientScale leaves it; used with Half only

	M, N, Inner, Models    int
	TransposeA, TransposeB bool
	Accumulate             bool // add to C
	Bias                   bool // add BiasVector to each row; not together with Parts

	OffsetA, StrideA, OffsetB, StrideB, OffsetC, StrideC, OffsetBias, StrideBias int
}

// tile is how a workgroup of matmul.comp divides C and inner.
type tile struct {
	threads, threadsN int // of a workgroup, and of them along the columns
	rows4, columns4   int // a thread has 4·rows4 rows and 4·columns4 columns
	depth             int // of inner at a time
	registers         int // that a lane holds at once, as Intel's compiler counts; with more than there are it spills in the innermost loop
}

// fits reports whether the device can run the tile well.
func (t tile) fits(l gpu.Limits) bool {
	return t.threads <= int(l.MaxInvocations) && (l.LaneRegisters == 0 || t.registers <= int(l.LaneRegisters))
}

func (t tile) rows() int    { return t.threads / t.threadsN * 4 * t.rows4 }
func (t tile) columns() int { return t.threadsN * 4 * t.columns4 }

// tiles are the shapes in use, the one that loads least per product first. A shape's shared memory is at most 9 KiB.
var tiles = []tile{
	{256, 16, 2, 2, 8, 170},  // 128 × 128
	{128, 16, 2, 1, 16, 114}, // 64 × 64
	{64, 8, 1, 1, 16, 83},    // 32 × 32
}

const (
	// fillThreads is how many threads a product should have before larger tiles, which need fewer loads, are worth more:
	// about 256 on each of 128 multiprocessors.
	fillThreads = 32768
	// leastSpan is the least part of inner that is summed alone.
	leastSpan = 128
)

// plan is how a product is divided: its tile, and its inner dimension in splits parts of span.
type plan struct {
	tile
	splits, span int
}

func ceil(a, b int) int { return (a + b - 1) / b }

// planMatmul chooses the largest tile that gives enough workgroups and wastes little at the edges, cutting inner where that
// is allowed.
func planMatmul(m, n, inner, models int, split bool, l gpu.Limits) plan {
	most := 1
	if split {
		most = max(1, inner/leastSpan)
	}
	smallest := tiles[len(tiles)-1]
	least := ceil(m, smallest.rows()) * smallest.rows() * ceil(n, smallest.columns()) * smallest.columns()
	chosen, groups := smallest, 0
	for _, t := range tiles {
		groups = models * ceil(m, t.rows()) * ceil(n, t.columns())
		area := ceil(m, t.rows()) * t.rows() * ceil(n, t.columns()) * t.columns()
		chosen = t
		if t.fits(l) && area <= least+least/4 && groups*most*t.threads >= fillThreads {
			break
		}
	}
	splits := min(most, ceil(fillThreads/chosen.threads, groups))
	span := ceil(ceil(inner, splits), chosen.depth) * chosen.depth
	return plan{chosen, ceil(inner, span), span}
}

// Partials is the number of elements that Parts must have for a product of this size.
func Partials(m, n, inner, models int, l gpu.Limits) int {
	if p := planMatmul(m, n, inner, models, true, l); p.splits > 1 {
		return p.splits * models * m * n
	}
	return 0
}

// Record appends the dispatch to rec, or two where the sum is cut. It panics if a buffer is smaller than its shape.
func (k Matmul) Record(rec *gpu.Recording) {
	split := k.Parts != f32{}
	if split && k.Bias {
		panic("kernel: matmul: Bias with Parts")
	}
	if _, _, _, ok := MatmulHalf(k).plan(split, rec.Limits()); ok {
		MatmulHalf(k).Record(rec)
		return
	}
	p := planMatmul(k.M, k.N, k.Inner, k.Models, split, rec.Limits())
	k.inParts(rec, p.splits, func(k Matmul) { k.record(rec, p) })
}

// inParts records the product, or where there are several splits their sums in Parts, and then what adds them up.
func (k Matmul) inParts(rec *gpu.Recording, splits int, record func(Matmul)) {
	if splits == 1 {
		record(k)
		return
	}
	part := k
	part.C, part.OffsetC, part.StrideC, part.Accumulate = k.Parts, 0, k.M*k.N, false
	record(part)
	SplitSum{
		Parts: k.Parts, Out: k.C, K: k.Models, Splits: splits, Size: k.M * k.N, Accumulate: k.Accumulate,
		OutOffset: k.OffsetC, OutStride: k.StrideC,
	}.Record(rec)
}

func (k Matmul) record(rec *gpu.Recording, p plan) {
	bias := gpu.Read(k.B) // something must be bound
	if k.Bias {
		bias = gpu.Read(k.BiasVector, span(k.OffsetBias, k.Models, k.StrideBias, k.N))
	}
	scale := gpu.Read(k.B)
	if k.Half {
		scale = gpu.Read(k.Scale, k.Models, 2)
	}
	groups := k.Models * p.splits * ceil(k.M, p.rows()) * ceil(k.N, p.columns())
	work(rec, 2*k.Models*k.M*k.N*k.Inner, k.Models*((k.M+k.N)*k.Inner+p.splits*k.M*k.N*(1+int(word(k.Accumulate)))))
	rec.DispatchWith(k.constants(p.tile), "matmul", gpu.Groups(groups),
		gpu.Push(k.M, k.N, k.Inner, k.Models, k.OffsetA, k.StrideA, k.OffsetB, k.StrideB, k.OffsetC, k.StrideC, k.OffsetBias, k.StrideBias,
			p.splits, p.span, word(k.Accumulate), word(k.Bias)),
		gpu.Read(k.A, span(k.OffsetA, k.Models, k.StrideA, k.M*k.Inner)),
		gpu.Read(k.B, span(k.OffsetB, k.Models, k.StrideB, k.Inner*k.N)),
		bias, gpu.ReadWrite(k.C, span(k.OffsetC, k.Models*p.splits, k.StrideC, k.M*k.N)), scale)
}

// constants are the specialisation constants of the product with a tile.
func (k Matmul) constants(t tile) []uint32 {
	// fours reports whether lines of a matrix start at multiples of 4 elements and have a multiple of 4.
	fours := func(offset, stride, line int) bool { return offset%4 == 0 && stride%4 == 0 && line%4 == 0 }
	lineA, lineB := k.Inner, k.N
	if k.TransposeA {
		lineA = k.M
	}
	if k.TransposeB {
		lineB = k.Inner
	}
	return MatmulVariant{
		Half: k.Half, TransposeA: k.TransposeA, TransposeB: k.TransposeB,
		FoursA: fours(k.OffsetA, k.StrideA, lineA), FoursB: fours(k.OffsetB, k.StrideB, lineB), FoursC: fours(k.OffsetC, k.StrideC, k.N),
	}.constants(t)
}

// MatmulVariant says which form of the kernel a product takes.
type MatmulVariant struct {
	Half                   bool // operands are rounded to float16
	TransposeA, TransposeB bool
	FoursA, FoursB, FoursC bool // lines of the matrix start at multiples of 4 elements and have a multiple of 4
}

func (v MatmulVariant) constants(t tile) []uint32 {
	return []uint32{
		word(v.TransposeA), word(v.TransposeB),
		uint32(t.threads), uint32(t.threadsN), uint32(t.rows4), uint32(t.columns4), uint32(t.depth),
		word(v.FoursA), word(v.FoursB), word(v.FoursC), word(v.Half),
	}
}

// Constants lists the specialisation constants that the form may have on a device, one set for each tile.
func (v MatmulVariant) Constants(l gpu.Limits) [][]uint32 {
	var list [][]uint32
	for i, t := range tiles {
		if t.fits(l) || i == len(tiles)-1 {
			list = append(list, v.constants(t))
		}
	}
	return list
}
