package vulkan

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/model"
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

// shape is what a workspace is made for.
type shape struct {
	T, F, D int // of the Chain
	K       int // models
	P       int // floats per model in params, grads, m, v: a multiple of 64, so that views are aligned on every device
	B       int // places of a step, passes·R
	R       int // rows of a pass
}

func newShape(c model.Chain, k, p, b, r int) shape {
	return shape{T: c.T, F: c.F, D: c.D, K: k, P: p, B: b, R: r}
}

// passes returns how many passes of R rows a step takes.
func (s shape) passes() int { return s.B / s.R }

// planShape chooses the rows per pass for a batch: all of them, or as few passes as keep every activation buffer
// within the device's binding range and the sum of them within a quarter of its memory.
func planShape(c model.Chain, walkers bool, k, p, batch int, limits gpu.Limits, memory uint64) (shape, error) {
	// Of a row: the largest buffer, and all of them.
	widest, total := c.F, uint64(c.T)*uint64(2*c.F+2)+uint64(2*c.Out()+4*c.D)
	for i, r := range c.LSTMs {
		widest = max(widest, 4*r.Units)
		walk := uint64(c.T)*uint64(4*r.Units) + uint64(c.T+1)*uint64(2*r.Units) + uint64(2*r.Units)
		if walkers { // pairs in place of c
			walk += uint64(c.T-1) * uint64(r.Units)
		}
		if i+1 < len(c.LSTMs) {
			walk += uint64(c.T) * uint64(r.Units)
		}
		total += uint64(r.Directions()) * walk
	}
	perRow := max(uint64(k)*uint64(c.T+1)*uint64(widest)*4, uint64(k)*uint64(max(c.D, c.Out()))*4)
	room := limits.StorageRange / perRow
	total *= uint64(k) * 4
	if memory > 0 {
		room = min(room, max(1, memory/4/total))
	}
	if room == 0 {
		return shape{}, fmt.Errorf("vulkan: one window of %d steps with %s and %d models needs %d bytes in one binding, the device's limit is %d; use fewer units or a shorter window",
			c.T, units(c), k, perRow, limits.StorageRange)
	}
	passes := (batch + int(min(room, uint64(batch))) - 1) / int(min(room, uint64(batch)))
	r := (batch + passes - 1) / passes
	return newShape(c, k, p, passes*r, r), nil
}

// activations are the buffers of one pass.
type activations struct {
	cells, warped u32      // [K][T][R][F], bits of float32: the network's input, and the input before the time warp
	mask          u32      // [K][T][R], 1 = valid
	rows, count   u32      // [K][T][R], [K][T]: each step's valid rows first, and how many they are
	walks         [][]walk // of each LSTM layer, its directions
	dropped       f32      // [K][R][Out], of the last layer
	dense         f32      // [K][R][D]
	logit         f32      // [K][R]
	dLogit        f32      // [K][R]
	dDense        f32      // [K][R][D], before the relu
	dDropped      f32      // [K][R][Out]
	parts         f32      // partial sums of one variable's gradient; none where no sum is cut
}

// newActivations makes the buffers of shape s; those of the backward pass only with train set.
func newActivations(a *alloc, c model.Chain, s shape, train, walkers bool) activations {
	rows := s.K * s.R
	v := activations{
		cells:   a.words("lstm.x", rows*s.T*s.F),
		mask:    a.words("lstm.mask", rows*s.T),
		dropped: a.floats("dropout.out", rows*c.Out()),
		dense:   a.floats("dense.out", rows*s.D),
		logit:   a.floats("dense_1.logit", rows),
		dLogit:  a.floats("dense_1.dlogit", rows),
	}
	if !walkers {
		v.rows = a.words("lstm.rows", rows*s.T)
		v.count = a.words("lstm.count", s.K*s.T)
	}
	for i, r := range c.LSTMs {
		var both []walk
		for range r.Directions() {
			both = append(both, newWalk(a, r.Units, s, train, i+1 < len(c.LSTMs), walkers))
		}
		v.walks = append(v.walks, both)
	}
	if train {
		v.warped = a.words("lstm.x_warped", rows*s.T*s.F)
		v.dDense = a.floats("dense.d", rows*s.D)
		v.dDropped = a.floats("dropout.d", rows*c.Out())
		if n := s.parts(c, a.dev.Limits()); n > 0 {
			v.parts = a.floats("grads.parts", n)
		}
	}
	return v
}
