package hdf5

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
)

// The filters that are undone (section VI).
const (
	filterDeflate = 1
	filterShuffle = 2
)

// chunks is an array under reconstruction from its chunks.
type chunks struct {
	f       *File
	shape   []int // of the array
	chunk   []int // of one chunk
	element int   // bytes
	size    int64 // bytes of one chunk, unpacked
	filters []uint16
	out     []byte
	filled  int64        // elements written so far
	seen    map[int]bool // chunks by their first element
}

// chunked reads the rest of a chunked layout message and puts the array together. Every chunk must be there: one
// that is missing would stand for a fill value, which Keras never leaves to HDF5.
func (o *Object) chunked(c *cursor, shape []int, t datatype, size uint64) ([]byte, error) {
	rank := int(c.u8()) - 1
	tree := c.u64()
	k := &chunks{f: o.f, shape: shape, element: int(t.size), size: int64(t.size), seen: map[int]bool{}}
	if c.err == nil && (rank != len(shape) || rank == 0) {
		return nil, fmt.Errorf("%w: chunks of %d dimensions", ErrFormat, rank)
	}
	for range rank {
		d := int64(c.u32())
		if k.size *= d; d == 0 || k.size > 1<<32 {
			return nil, fmt.Errorf("%w: size of a chunk", ErrFormat)
		}
		k.chunk = append(k.chunk, int(d))
	}
	if e := c.u32(); c.err == nil && e != t.size {
		return nil, fmt.Errorf("%w: chunks of %d-byte elements", ErrFormat, e)
	}
	if c.err != nil {
		return nil, c.err
	}
	if size == 0 {
		return nil, nil
	}
	if tree == undefined {
		return nil, fmt.Errorf("%w: it was never written", ErrFormat)
	}
	var err error
	if k.filters, err = o.filters(); err != nil {
		return nil, err
	}
	if err := o.f.take(int64(size)); err != nil {
		return nil, err
	}
	k.out = make([]byte, size)
	if err := k.walk(tree, -1); err != nil {
		return nil, err
	}
	if k.filled*int64(k.element) != int64(size) {
		return nil, fmt.Errorf("%w: %d of %d bytes are in its chunks", ErrFormat, k.filled*int64(k.element), size)
	}
	return k.out, nil
}

// filters reads the filter pipeline (section IV.A.2.l), in the order in which the filters were applied.
func (o *Object) filters() ([]uint16, error) {
	if !o.has(msgFilters) {
		return nil, nil
	}
	body, err := o.find(msgFilters)
	if err != nil {
		return nil, err
	}
	c := &cursor{data: body}
	version, n := c.u8(), c.u8()
	if version == 1 {
		c.skip(6)
	}
	var list []uint16
	for range n {
		id, name := c.u16(), uint16(0)
		if version == 1 || id >= 256 {
			name = c.u16()
		}
		c.skip(2)
		values := int(c.u16())
		if version == 1 {
			name = (name + 7) &^ 7
		}
		c.skip(uint64(name))
		c.skip(uint64(4 * values))
		if version == 1 && values%2 == 1 {
			c.skip(4)
		}
		if c.err == nil && id != filterDeflate && id != filterShuffle {
			return nil, fmt.Errorf("%w: filter %d (deflate and shuffle are read)", ErrUnsupported, id)
		}
		list = append(list, id)
	}
	return list, c.err
}

// walk reads the chunks below a node of a version 1 B-tree (section III.A.1).
func (k *chunks) walk(a uint64, level int) error {
	if err := k.f.step(1); err != nil {
		return err
	}
	c := k.f.at(a)
	c.expect("TREE")
	kind, l, n := c.u8(), int(c.u8()), int(c.u16())
	c.skip(16)
	if c.err == nil && (kind != 1 || level >= 0 && l != level) {
		c.err = fmt.Errorf("%w: B-tree node of kind %d, level %d", ErrFormat, kind, l)
	}
	at := make([]uint64, len(k.shape))
	for range n {
		stored, skipped := c.u32(), c.u32()
		for i := range at {
			at[i] = c.u64()
		}
		c.skip(8)
		child := c.u64()
		if c.err != nil {
			break
		}
		var err error
		if l > 0 {
			err = k.walk(child, l-1)
		} else {
			err = k.place(child, stored, skipped, at)
		}
		if err != nil {
			return err
		}
	}
	return c.err
}

// place unpacks one chunk and copies it to its place; what lies beyond the array's edge is left out. Bit i of
// skipped says that filter i was not applied.
func (k *chunks) place(a uint64, stored, skipped uint32, at []uint64) error {
	if err := k.f.step(1); err != nil {
		return err
	}
	if err := k.f.take(k.size); err != nil {
		return err
	}
	raw, err := k.f.piece(a, uint64(stored))
	if err != nil {
		return err
	}
	for i := len(k.filters) - 1; i >= 0; i-- {
		if i < 32 && skipped>>i&1 != 0 {
			continue
		}
		if k.filters[i] == filterShuffle {
			raw, err = k.unshuffle(raw)
		} else {
			raw, err = k.inflate(raw)
		}
		if err != nil {
			return err
		}
	}
	if int64(len(raw)) != k.size {
		return fmt.Errorf("%w: a chunk has %d bytes instead of %d", ErrFormat, len(raw), k.size)
	}
	start, first := make([]int, len(at)), 0
	for i, x := range at {
		if x >= uint64(k.shape[i]) || x%uint64(k.chunk[i]) != 0 {
			return fmt.Errorf("%w: a chunk lies at %v of %v", ErrFormat, at, k.shape)
		}
		start[i], first = int(x), first*k.shape[i]+int(x)
	}
	if k.seen[first] {
		return fmt.Errorf("%w: two chunks lie at %v", ErrFormat, at)
	}
	k.seen[first] = true
	k.copy(raw, start, 0, 0, 0)
	return nil
}

// copy copies the part of a chunk from dimension d on; from and to count elements in the chunk and in the array.
func (k *chunks) copy(raw []byte, start []int, d, from, to int) {
	n := min(k.chunk[d], k.shape[d]-start[d])
	from, to = from*k.chunk[d], to*k.shape[d]+start[d]
	if d == len(k.shape)-1 {
		copy(k.out[to*k.element:(to+n)*k.element], raw[from*k.element:])
		k.filled += int64(n)
		return
	}
	for i := range n {
		k.copy(raw, start, d+1, from+i, to+i)
	}
}

// inflate undoes deflate, up to the size of a chunk.
func (k *chunks) inflate(raw []byte) ([]byte, error) {
	if err := k.f.take(k.size); err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: compressed chunk: %v", ErrFormat, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, k.size+1))
	if err != nil {
		return nil, fmt.Errorf("%w: compressed chunk: %v", ErrFormat, err)
	}
	return out, nil
}

// unshuffle puts the bytes of each element side by side again.
func (k *chunks) unshuffle(raw []byte) ([]byte, error) {
	if err := k.f.take(int64(len(raw))); err != nil {
		return nil, err
	}
	n := len(raw) / k.element
	out := make([]byte, len(raw))
	for i := range n {
		for j := range k.element {
			out[i*k.element+j] = raw[j*n+i]
		}
	}
	copy(out[n*k.element:], raw[n*k.element:])
	return out, nil
}
