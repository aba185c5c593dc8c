package kernel

import "vklstm/gpu"

// GradientScale is gradient_scale.comp: the power of two by which each model's dz is multiplied where a product takes it in
// float16, and its inverse.
type GradientScale struct {
	D     u32 // d[K][N], bits of float32: the gradient that comes in, at the last step or at all of them
	Scale u32 // scale[K][2], bits of float32
	Parts u32 // room for the largest of each part of many elements, so that they fill a device: ScaleParts elements; may be left out
	K, N  int
}

// scaleSpan is the least part whose largest element is looked for alone.
const scaleSpan = 4096

// planScale cuts n elements into parts of span.
func planScale(k, n int) (parts, span int) {
	parts = min(max(1, n/scaleSpan), ceil(2*fillGroups, k))
	span = ceil(n, parts)
	return ceil(n, span), span
}

// ScaleParts is the number of elements that Parts must have for k models of n elements; 0: none are needed.
func ScaleParts(k, n int) int {
	if parts, _ := planScale(k, n); parts > 1 {
		return k * parts
	}
	return 0
}

// Record appends the dispatch to rec, or two where there are many elements. It panics if a buffer is smaller than its shape.
func (k GradientScale) Record(rec *gpu.Recording) {
	if parts, span := planScale(k.K, k.N); parts > 1 && k.Parts != (u32{}) {
		work(rec, 0, k.K*(k.N+parts))
		rec.DispatchWith([]uint32{1}, "gradient_scale", gpu.Groups(k.K*parts), gpu.Push(k.K, k.N, parts, span),
			gpu.Read(k.D, k.K, k.N), gpu.Write(k.Parts, k.K, parts))
		k.D, k.N = k.Parts, parts
	}
	work(rec, 0, k.K*(k.N+2))
	rec.DispatchWith([]uint32{0}, "gradient_scale", gpu.Groups(k.K), gpu.Push(k.K, k.N, 1, k.N), gpu.Read(k.D, k.K, k.N), gpu.Write(k.Scale, k.K, 2))
}
