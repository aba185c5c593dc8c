package vulkan

import (
	"fmt"

	"vklstm/gpu"
)

// f32 and u32 shorten the buffer types.
type (
	f32 = gpu.Buffer[float32]
	u32 = gpu.Buffer[uint32]
)

// alloc makes buffers until one fails, and frees them together.
type alloc struct {
	dev   *gpu.Device
	frees []func()
	err   error
	plan  bool   // make nothing, only add up
	bytes uint64 // of all buffers
}

func (a *alloc) floats(name string, n int) f32 { return newBuffer[float32](a, name, n) }
func (a *alloc) words(name string, n int) u32  { return newBuffer[uint32](a, name, n) }

func newBuffer[E float32 | uint32](a *alloc, name string, n int) gpu.Buffer[E] {
	var b gpu.Buffer[E]
	if a.err != nil {
		return b
	}
	if limit := a.dev.Limits().StorageRange; uint64(n)*4 > limit {
		a.err = fmt.Errorf("vulkan: %q needs %d bytes in one binding, the device's limit is %d; use a smaller batch or fewer models",
			name, uint64(n)*4, limit)
		return b
	}
	if a.bytes += uint64(n) * 4; a.plan {
		return b
	}
	b, a.err = gpu.NewBuffer[E](a.dev, name, n)
	if a.err == nil {
		a.frees = append(a.frees, b.Free)
	}
	return b
}

// free releases all buffers; a may be used again.
func (a *alloc) free() {
	for _, f := range a.frees {
		f()
	}
	a.frees, a.err, a.bytes = nil, nil, 0
}

// chunk is a part of the loaded windows that fits one binding.
type chunk struct {
	first, n int
	raw      u32 // raw[n][T][F], bits of float32
	valid    u32 // valid[n][T]
}

// shape is what a pass is made for.
type shape struct {
	T, F int // of the Chain
	K    int // models
	P    int // floats per model in params, grads, m, v: a multiple of 64, so that views are aligned on every device
	B    int // places of a step, passes·R
	R    int // rows of a pass
}

func (s site) shape(k, b, r int) shape {
	return shape{T: s.chain.T, F: s.chain.F, K: k, P: s.stride, B: b, R: r}
}

func ceil(a, b int) int { return (a + b - 1) / b }
