package vulkan

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/model"
)

// noWindow marks a place of a batch that holds no window.
const noWindow = 0xFFFFFFFF

// optionWords is the number of 32-bit words that options[K] holds per model (shaders/include/options.glsl).
const optionWords = 32

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

// shape is what a workspace is made for.
type shape struct {
	model.Dims
	K int // models
	P int // floats per model in params, grads, m, v: a multiple of 64, so that views are aligned on every device
	B int // places of a step, passes·R
	R int // rows of a pass
}

// passes returns how many passes of R rows a step takes.
func (s shape) passes() int { return s.B / s.R }

// planShape chooses the rows per pass for a batch: all of them, or as few passes as keep every activation buffer
// within the device's binding range and the sum of them within a quarter of its memory.
func planShape(d model.Dims, k, p, batch int, limits gpu.Limits, memory uint64) (shape, error) {
	perRow := uint64(k) * uint64(d.T+1) * uint64(max(4*d.H, d.F)) * 4
	perRow = max(perRow, uint64(k)*uint64(d.D)*4)
	room := limits.StorageRange / perRow
	total := uint64(k) * 4 * (uint64(d.T)*uint64(4*d.H+2*d.F+2) + uint64(d.T+1)*uint64(2*d.H) + uint64(4*d.H+4*d.D))
	if memory > 0 {
		room = min(room, max(1, memory/4/total))
	}
	if room == 0 {
		return shape{}, fmt.Errorf("vulkan: one window of %d steps with %d units and %d models needs %d bytes in one binding, the device's limit is %d; use fewer units or a shorter window",
			d.T, d.H, k, perRow, limits.StorageRange)
	}
	passes := (batch + int(min(room, uint64(batch))) - 1) / int(min(room, uint64(batch)))
	r := (batch + passes - 1) / passes
	return shape{Dims: d, K: k, P: p, B: passes * r, R: r}, nil
}

// activations are the buffers of one pass.
type activations struct {
	cells, warped u32 // [K][T][R][F], bits of float32: the network's input, and the input before the time warp
	mask          u32 // [K][T][R], 1 = valid
	rows, count   u32 // [K][T][R], [K][T]: each step's valid rows first, and how many they are
	gates         f32 // [K][T][R][4H]: z, then activated gates, then dz
	h, c          f32 // [K][T+1][R][H], slot 0 = 0
	dropped       f32 // [K][R][H]
	dense         f32 // [K][R][D]
	logit         f32 // [K][R]
	dLogit        f32 // [K][R]
	dDense        f32 // [K][R][D], before the relu
	dDropped      f32 // [K][R][H]
	dh, dc        f32 // [K][R][H]
	scale         f32 // [K][2]: what dz is multiplied by in float16, and the inverse
	parts         f32 // partial sums of one variable's gradient; none where no sum is cut
}

// newActivations makes the buffers of shape s; those of the backward pass only with train set.
func newActivations(a *alloc, s shape, train bool) activations {
	rows := s.K * s.R
	v := activations{
		cells:   a.words("lstm.x", rows*s.T*s.F),
		mask:    a.words("lstm.mask", rows*s.T),
		rows:    a.words("lstm.rows", rows*s.T),
		count:   a.words("lstm.count", s.K*s.T),
		gates:   a.floats("lstm.gates", rows*s.T*4*s.H),
		h:       a.floats("lstm.h", rows*(s.T+1)*s.H),
		c:       a.floats("lstm.c", rows*(s.T+1)*s.H),
		dropped: a.floats("dropout.out", rows*s.H),
		dense:   a.floats("dense.out", rows*s.D),
		logit:   a.floats("dense_1.logit", rows),
		dLogit:  a.floats("dense_1.dlogit", rows),
	}
	if train {
		v.warped = a.words("lstm.x_warped", rows*s.T*s.F)
		v.dDense = a.floats("dense.d", rows*s.D)
		v.dDropped = a.floats("dropout.d", rows*s.H)
		v.dh = a.floats("lstm.dh", rows*s.H)
		v.dc = a.floats("lstm.dc", rows*s.H)
		v.scale = a.floats("grads.scale", s.K*2)
		if n := s.parts(a.dev.Limits()); n > 0 {
			v.parts = a.floats("grads.parts", n)
		}
	}
	return v
}
