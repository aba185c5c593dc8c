package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors that say what kind of failure it was; the errors returned wrap one of them, and say more.
var (
	ErrFormat      = errors.New("damaged HDF5 file")                  // offsets, sizes or signatures contradict each other
	ErrNotHDF5     = errors.New("not an HDF5 file")                   // the signature is missing
	ErrTruncated   = errors.New("HDF5 file is cut off")               // the file says that it is longer
	ErrUnsupported = errors.New("HDF5 feature that is not supported") // valid HDF5, but outside of the part that is read here
	ErrNotFound    = errors.New("not in the file")                    // no such link or attribute
	ErrTooLarge    = errors.New("too large")                          // one of the budgets is used up
)

// Signature is the first eight bytes of an HDF5 file.
const Signature = "\x89HDF\r\n\x1a\n"

// undefined is the address of nothing.
const undefined = ^uint64(0)

// File is an HDF5 file in memory. It is used by one goroutine at a time, since its budgets and caches are its own.
type File struct {
	data    []byte
	steps   int   // header messages, links, heap objects and chunks that may still be visited
	decoded int64 // bytes of arrays and strings that may still be produced
	root    uint64
	groups  map[uint64]map[string]uint64 // links of the groups seen, by the address of their B-tree
	heaps   map[uint64]map[uint16][]byte // global heap collections seen
}

// Open reads the superblock. The file keeps data and does not change it.
func Open(data []byte) (*File, error) {
	if len(data) < len(Signature) || string(data[:len(Signature)]) != Signature {
		return nil, ErrNotHDF5
	}
	f := &File{
		data: data, steps: 1<<16 + len(data)/16, decoded: 64<<20 + 8*int64(len(data)),
		groups: map[uint64]map[string]uint64{}, heaps: map[uint64]map[uint16][]byte{},
	}
	c := f.at(uint64(len(Signature)))
	var base, end uint64
	switch version := c.u8(); version {
	case 0, 1: // section II.A
		c.skip(4)
		f.sizes(c)
		c.skip(1 + 2 + 2 + 4)
		if version == 1 {
			c.skip(4)
		}
		base = c.u64()
		c.skip(8)
		end = c.u64()
		c.skip(8 + 8)
		f.root = c.u64()
	case 2, 3: // section II.B
		f.sizes(c)
		c.skip(1)
		base = c.u64()
		c.skip(8)
		end = c.u64()
		f.root = c.u64()
	default:
		if c.err == nil {
			c.err = fmt.Errorf("%w: superblock version %d", ErrUnsupported, version)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	if base != 0 {
		return nil, fmt.Errorf("%w: base address %d", ErrUnsupported, base)
	}
	if end > uint64(len(data)) {
		return nil, fmt.Errorf("%w: it should have %d bytes and has %d", ErrTruncated, end, len(data))
	}
	return f, nil
}

// sizes reads the widths of offsets and lengths, which are 8 in every file that Keras has written.
func (f *File) sizes(c *cursor) {
	if o, l := c.u8(), c.u8(); c.err == nil && (o != 8 || l != 8) {
		c.err = fmt.Errorf("%w: offsets of %d and lengths of %d bytes", ErrUnsupported, o, l)
	}
}

// step takes n steps from the budget.
func (f *File) step(n int) error {
	if f.steps -= n; n < 0 || f.steps < 0 {
		f.steps = 0
		return fmt.Errorf("%w: it holds more objects than its length allows, or circles", ErrFormat)
	}
	return nil
}

// take takes n bytes from the budget of decoded bytes.
func (f *File) take(n int64) error {
	if n < 0 || n > f.decoded {
		return fmt.Errorf("%w: its arrays unpack to far more than the file's %d bytes", ErrTooLarge, len(f.data))
	}
	f.decoded -= n
	return nil
}

// piece returns n bytes at address a, or an error if the file has no such bytes.
func (f *File) piece(a, n uint64) ([]byte, error) {
	if size := uint64(len(f.data)); a > size || n > size-a {
		return nil, fmt.Errorf("%w: %d bytes at offset %d of %d", ErrFormat, n, a, size)
	}
	return f.data[a : a+n : a+n], nil
}

// at returns a cursor from address a to the end of the file.
func (f *File) at(a uint64) *cursor {
	if a > uint64(len(f.data)) {
		return &cursor{err: fmt.Errorf("%w: offset %d of %d", ErrFormat, a, len(f.data))}
	}
	return &cursor{data: f.data[a:]}
}

// cursor reads little-endian numbers one after the other. After the first failure it returns zeros and keeps err.
type cursor struct {
	data []byte
	pos  int
	err  error
}

func (c *cursor) bytes(n uint64) []byte {
	if c.err == nil && n > uint64(len(c.data)-c.pos) {
		c.err = fmt.Errorf("%w: %d bytes are asked of %d", ErrFormat, n, len(c.data)-c.pos)
	}
	if c.err != nil {
		return nil
	}
	b := c.data[c.pos : c.pos+int(n) : c.pos+int(n)]
	c.pos += int(n)
	return b
}

func (c *cursor) skip(n uint64) { c.bytes(n) }

// align skips to the next multiple of 8 from the cursor's start; at the end of the data it stays there.
func (c *cursor) align() { c.skip(min(uint64(-c.pos&7), uint64(len(c.data)-c.pos))) }

func (c *cursor) u8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// sized reads a number of 1, 2, 4 or 8 bytes.
func (c *cursor) sized(n int) uint64 {
	switch n {
	case 1:
		return uint64(c.u8())
	case 2:
		return uint64(c.u16())
	case 4:
		return uint64(c.u32())
	}
	return c.u64()
}

// expect reads the bytes of a signature.
func (c *cursor) expect(signature string) {
	if b := c.bytes(uint64(len(signature))); c.err == nil && string(b) != signature {
		c.err = fmt.Errorf("%w: %q where %q should stand", ErrFormat, b, signature)
	}
}

// version reads a version byte that must be want.
func (c *cursor) version(what string, want uint8) {
	if v := c.u8(); c.err == nil && v != want {
		c.err = fmt.Errorf("%w: %s of version %d", ErrUnsupported, what, v)
	}
}
