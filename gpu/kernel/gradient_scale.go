package kernel

import "vklstm/gpu"

// GradientScale is gradient_scale.comp: the power of two by which each model's dz is multiplied where a product takes it in
// float16, and its inverse.
type GradientScale struct {
	D     u32 // d[K][N], bits of float32: the gradient at the last step
	Scale u32 // scale[K][2], bits of float32
	K, N  int
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k GradientScale) Record(rec *gpu.Recording) {
	work(rec, 0, k.K*(k.N+2))
	rec.Dispatch("gradient_scale", gpu.Groups(k.K), gpu.Push(k.K, k.N), gpu.Read(k.D, k.K, k.N), gpu.Write(k.Scale, k.K, 2))
}
