package kernel

import (
	"fmt"

	"vklstm/gpu"
)

// f32 and u32 shorten the buffer types.
type (
	f32 = gpu.Buffer[float32]
	u32 = gpu.Buffer[uint32]
)

// word is a truth value as shaders take it.
func word(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// span is the number of elements that a buffer must have to hold size elements for each of k models, the first at
// offset, the others stride apart.
func span(offset, k, stride, size int) int {
	if offset < 0 || stride < 0 {
		panic(fmt.Sprintf("kernel: offset %d and stride %d may not be negative", offset, stride))
	}
	return offset + (k-1)*stride + size
}

// within panics unless the rows of a pass lie inside the places of a step.
func within(name string, row0, r, b int) {
	if row0 < 0 || row0+r > b {
		panic(fmt.Sprintf("kernel: %s: rows %d to %d of a step of %d", name, row0, row0+r, b))
	}
}

// work says what the next dispatch does, where the sizes of its buffers do not tell it: floating-point operations, an
// exponential or a root counted as one, and the 32-bit words that it must read and write, each once.
func work(rec *gpu.Recording, flop, words int) { rec.Work(float64(flop), 4*float64(words)) }
