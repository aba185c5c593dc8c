package gpu

import (
	"fmt"
	"slices"
	"unsafe"

	"vklstm/gpu/internal/vk"
)

// blockSize is the size of the pieces that are asked of the driver, which may give as few as 4,096 of them. Larger
// buffers have a block of their own.
const blockSize = 64 << 20

// purpose says where memory should be.
type purpose int

const (
	forKernels  purpose = iota // as near to the kernels as possible, mapped too on devices that share memory with the host
	forTransfer                // mapped, for staging
)

// block is one piece of memory from the driver.
type block struct {
	memory vk.Handle
	size   uint64
	typ    uint32
	heap   int
	mapped unsafe.Pointer // nil: not visible to the host
	free   []span         // ordered, never touching each other
}

// span is a range of bytes [off, off+size).
type span struct{ off, size uint64 }

// allocator divides blocks among buffers, first fit. The device's lock guards it.
type allocator struct {
	d      *Device
	blocks []*block
	held   uint64   // bytes of all blocks
	inHeap []uint64 // bytes of the blocks in each heap
}

func (m *allocator) init(d *Device) { m.d, m.inHeap = d, make([]uint64, len(d.physical.Heaps)) }

// candidates are the memory types for a purpose, best first.
func (m *allocator) candidates(p purpose, allowed uint32) []uint32 {
	score := func(t vk.MemoryType) int {
		mapped := t.HostVisible && t.Coherent
		s := 0
		switch {
		case t.Special:
			return -1
		case p == forTransfer && !mapped:
			return -1
		case p == forTransfer:
			if t.Cached {
				s += 2 // reading back uncached memory is slow
			}
			if !t.DeviceLocal {
				s++
			}
		case !t.DeviceLocal:
			return -1 // a full card is an error, not a reason to run over the bus
		case m.d.direct:
			if mapped {
				s += 2
			}
			if t.Cached {
				s++
			}
		default:
			if !t.HostVisible {
				s++ // the mapped part of a card's memory may be small
			}
		}
		return s
	}
	var list []uint32
	for i, t := range m.d.physical.Types {
		if allowed&(1<<i) != 0 && score(t) >= 0 {
			list = append(list, uint32(i))
		}
	}
	slices.SortStableFunc(list, func(a, b uint32) int {
		return score(m.d.physical.Types[b]) - score(m.d.physical.Types[a])
	})
	return list
}

// take finds memory for a buffer. The error wraps ErrOutOfMemory and has the sizes.
func (m *allocator) take(need vk.Requirements, p purpose) (*block, span, error) {
	align := max(need.Align, 1)
	types := m.candidates(p, need.Types)
	var first error // of the best type: the others may be small heaps that say little
	for _, t := range types {
		for _, b := range m.blocks {
			if b.typ == t {
				if s, ok := b.carve(need.Size, align); ok {
					return b, s, nil
				}
			}
		}
		b, err := m.grow(t, need.Size)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		s, _ := b.carve(need.Size, align)
		return b, s, nil
	}
	if first == nil {
		first = fmt.Errorf("%s offers no memory of a fitting type", m.d.info.Name)
	}
	return nil, span{}, first
}

// grow asks the driver for a block of at least size bytes.
func (m *allocator) grow(t uint32, size uint64) (*block, error) {
	mt := m.d.physical.Types[t]
	total := m.d.physical.Heaps[mt.Heap].Size
	full := func(why error) error {
		return fmt.Errorf("%w (%d bytes more, %d in use by this device, heap of %d)", why, size, m.inHeap[mt.Heap], total)
	}
	want := size
	if size <= blockSize/2 {
		want = max(size, min(blockSize, total/16)) // a small heap is not spent on a few blocks
	}
	if m.inHeap[mt.Heap]+size > total {
		return nil, full(ErrOutOfMemory)
	}
	memory, err := m.d.vk.Allocate(want, t)
	if err != nil && want > size {
		want = size
		memory, err = m.d.vk.Allocate(want, t)
	}
	if err != nil {
		return nil, full(m.d.failed(err))
	}
	b := &block{memory: memory, size: want, typ: t, heap: mt.Heap, free: []span{{0, want}}}
	if mt.HostVisible && mt.Coherent {
		if b.mapped, err = m.d.vk.Map(memory); err != nil {
			m.d.vk.Destroy(vk.KindMemory, memory)
			return nil, full(m.d.failed(err))
		}
	}
	m.blocks = append(m.blocks, b)
	m.held += want
	m.inHeap[b.heap] += want
	return b, nil
}

// carve takes size bytes at a multiple of align out of the first free span that has them.
func (b *block) carve(size, align uint64) (span, bool) {
	for i, f := range b.free {
		off := (f.off + align - 1) / align * align
		if off+size > f.off+f.size {
			continue
		}
		var rest []span
		if off > f.off {
			rest = append(rest, span{f.off, off - f.off})
		}
		if end := off + size; end < f.off+f.size {
			rest = append(rest, span{end, f.off + f.size - end})
		}
		b.free = slices.Replace(b.free, i, i+1, rest...)
		return span{off, size}, true
	}
	return span{}, false
}

// give returns a span to its block, and an empty block to the driver.
func (m *allocator) give(b *block, s span) {
	i, _ := slices.BinarySearchFunc(b.free, s.off, func(f span, off uint64) int {
		if f.off < off {
			return -1
		}
		return 1
	})
	b.free = slices.Insert(b.free, i, s)
	if i+1 < len(b.free) && b.free[i].off+b.free[i].size == b.free[i+1].off {
		b.free[i].size += b.free[i+1].size
		b.free = slices.Delete(b.free, i+1, i+2)
	}
	if i > 0 && b.free[i-1].off+b.free[i-1].size == b.free[i].off {
		b.free[i-1].size += b.free[i].size
		b.free = slices.Delete(b.free, i, i+1)
	}
	if b.free[0].size == b.size {
		m.drop(b)
	}
}

func (m *allocator) drop(b *block) {
	m.d.vk.Destroy(vk.KindMemory, b.memory)
	m.held -= b.size
	m.inHeap[b.heap] -= b.size
	m.blocks = slices.DeleteFunc(m.blocks, func(x *block) bool { return x == b })
}

// close returns every block, whatever still lies in it.
func (m *allocator) close() {
	for len(m.blocks) > 0 {
		m.drop(m.blocks[0])
	}
}

// allocation is a Vulkan buffer with its memory.
type allocation struct {
	d      *Device
	name   string
	handle vk.Handle
	bytes  uint64 // what was asked for
	block  *block
	span   span
	freed  bool
}

// allocate makes a buffer. The caller holds d.mu.
func (d *Device) allocate(name string, bytes uint64, p purpose) (*allocation, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	if bytes > d.info.Limits.MaxAllocation {
		return nil, fmt.Errorf("%w (one buffer may have %d bytes)", ErrOutOfMemory, d.info.Limits.MaxAllocation)
	}
	handle, need, err := d.vk.Buffer(bytes)
	if err != nil {
		return nil, d.failed(err)
	}
	b, s, err := d.memory.take(need, p)
	if err != nil {
		d.vk.Destroy(vk.KindBuffer, handle)
		return nil, err
	}
	a := &allocation{d: d, name: name, handle: handle, bytes: bytes, block: b, span: s}
	if err := d.vk.Bind(handle, b.memory, s.off); err != nil {
		d.buffers[a] = true
		a.release()
		return nil, d.failed(err)
	}
	d.vk.Name(vk.KindBuffer, handle, name)
	d.buffers[a] = true
	return a, nil
}

// release frees the buffer. The caller holds d.mu and has seen to it that nothing runs on it.
func (a *allocation) release() {
	if a.freed {
		return
	}
	a.freed = true
	delete(a.d.buffers, a)
	a.d.vk.Destroy(vk.KindBuffer, a.handle)
	a.d.memory.give(a.block, a.span)
}

// host is the buffer's memory as the host sees it, nil where it does not.
func (a *allocation) host() []byte {
	if a.block.mapped == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(a.block.mapped, a.span.off)), a.bytes)
}
