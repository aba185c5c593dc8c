package kernel

import "vklstm/gpu"

// MatmulHalf is matmul_half.comp: a Matmul with Half, TransposeA and nothing else, on cooperative matrices. Matmul.Record takes it
// where the device has them and lines of A and B lie at multiples of 4 elements.
type MatmulHalf Matmul

// plan is how the product is divided; false where the kernel cannot take it.
func (k MatmulHalf) plan(split bool, l gpu.Limits) (p halfPlan, splits, span int, ok bool) {
	for _, n := range []int{k.M, k.N, k.OffsetA, k.StrideA, k.OffsetB, k.StrideB} {
		if n%4 != 0 {
			return p, 0, 0, false
		}
	}
	if !k.Half || !k.TransposeA || k.TransposeB || k.Bias {
		return p, 0, 0, false
	}
	most := 1
	if split {
		most = max(1, k.Inner/leastSpan)
	}
	groups := func(rows, columns int) int { return k.Models * ceil(k.M, rows) * ceil(k.N, columns) }
	if p, ok = planHalf(l, func(rows, columns int) int { return most * groups(rows, columns) }); !ok {
		return p, 0, 0, false
	}
	splits = min(most, ceil(2*fillGroups, groups(p.rows(), p.columns())))
	span = ceil(ceil(k.Inner, splits), halfDepth) * halfDepth
	return p, ceil(k.Inner, span), span, true
}

// HalfPartials is the number of elements that Parts must have for a product of float16 of this size.
func HalfPartials(m, n, inner, models int, l gpu.Limits) int {
	k := MatmulHalf{M: m, N: n, Inner: inner, Models: models, Half: true, TransposeA: true}
	if _, splits, _, ok := k.plan(true, l); ok && splits > 1 {
		return splits * models * m * n
	}
	return 0
}

// Record appends the dispatch to rec, or two where the sum is cut. It panics if the device or the product is not as the kernel
// needs it, or a buffer is smaller than its shape.
func (k MatmulHalf) Record(rec *gpu.Recording) {
	p, splits, length, ok := k.plan(k.Parts != f32{}, rec.Limits())
	if !ok {
		panic("kernel: matmul_half: a product or a device that it is not for")
	}
	Matmul(k).inParts(rec, splits, func(k Matmul) {
		work(rec, 2*k.Models*k.M*k.N*k.Inner, k.Models*((k.M+k.N)*k.Inner+splits*k.M*k.N*(1+int(word(k.Accumulate)))))
		rec.DispatchWith(p.constants(), "matmul_half", gpu.Groups(k.Models*splits*ceil(k.M, p.rows())*ceil(k.N, p.columns())),
			gpu.Push(k.M, k.N, k.Inner, k.Models, k.OffsetA, k.StrideA, k.OffsetB, k.StrideB, k.OffsetC, k.StrideC, splits, length, word(k.Accumulate)),
			gpu.Read(k.A, span(k.OffsetA, k.Models, k.StrideA, k.M*k.Inner)),
			gpu.Read(k.B, span(k.OffsetB, k.Models, k.StrideB, k.Inner*k.N)),
			gpu.ReadWrite(k.C, span(k.OffsetC, k.Models*splits, k.StrideC, k.M*k.N)), gpu.Read(k.Scale, k.Models, 2))
	})
}
