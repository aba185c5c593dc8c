package hdf5

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// The classes of datatypes that are read (section IV.A.2.d).
const (
	classInteger = 0
	classFloat   = 1
	classString  = 3
	classVlen    = 9
)

// datatype is what a value is made of.
type datatype struct {
	class     uint8
	size      uint32 // bytes of one element; of a variable-length one: of its reference
	bigEndian bool
	signed    bool // integers
	padding   uint8
}

// readDatatype reads a datatype message.
func readDatatype(body []byte) (datatype, error) {
	c := &cursor{data: body}
	head, b0, b1 := c.u8(), c.u8(), c.u8()
	c.skip(1)
	t := datatype{class: head & 15, size: c.u32(), bigEndian: b0&1 != 0}
	if c.err != nil {
		return t, c.err
	}
	switch t.class {
	case classInteger:
		t.signed = b0&8 != 0
		offset, precision := c.u16(), c.u16()
		if c.err == nil && (offset != 0 || uint32(precision) != 8*t.size || t.size != 1 && t.size != 2 && t.size != 4 && t.size != 8) {
			return t, fmt.Errorf("%w: integer of %d bits in %d bytes", ErrUnsupported, precision, t.size)
		}
	case classFloat:
		c.skip(4) // bit offset and precision
		layout := [4]byte{c.u8(), c.u8(), c.u8(), c.u8()}
		bias := c.u32()
		want := map[uint32]struct {
			sign   uint8
			layout [4]byte // exponent's place and size, mantissa's place and size
			bias   uint32
		}{2: {15, [4]byte{10, 5, 0, 10}, 15}, 4: {31, [4]byte{23, 8, 0, 23}, 127}, 8: {63, [4]byte{52, 11, 0, 52}, 1023}}
		if w, ok := want[t.size]; c.err == nil && (!ok || w.sign != b1 || w.layout != layout || w.bias != bias || b0&0x70 != 0x20) {
			return t, fmt.Errorf("%w: floating-point type of %d bytes that is not IEEE 754", ErrUnsupported, t.size)
		}
	case classString:
		t.padding = b0 & 15
		if t.size == 0 {
			return t, fmt.Errorf("%w: strings of no bytes", ErrFormat)
		}
	case classVlen:
		if b0&15 != 1 {
			return t, fmt.Errorf("%w: variable-length sequence", ErrUnsupported)
		}
		if t.size != 16 {
			return t, fmt.Errorf("%w: reference of %d bytes to a string", ErrFormat, t.size)
		}
	default:
		return t, fmt.Errorf("%w: datatype class %d", ErrUnsupported, t.class)
	}
	return t, c.err
}

// maxRank is HDF5's own limit.
const maxRank = 32

// maxElements bounds the product of an array's sizes, so that its bytes fit an int64 with room.
const maxElements = 1 << 40

// readDataspace reads a dataspace message (section IV.A.2.b): the sizes of an array (none for a scalar) and their
// product, which is 0 for an empty one.
func readDataspace(body []byte) (shape []int, n int64, err error) {
	c := &cursor{data: body}
	version, rank, flags := c.u8(), c.u8(), c.u8()
	null := false
	switch version {
	case 1:
		c.skip(5)
	case 2:
		null = c.u8() == 2
	default:
		return nil, 0, fmt.Errorf("%w: dataspace of version %d", ErrUnsupported, version)
	}
	if rank > maxRank {
		return nil, 0, fmt.Errorf("%w: array of %d dimensions", ErrFormat, rank)
	}
	_ = flags // says whether maximal sizes follow
	n = 1
	for range rank {
		d := c.u64()
		if d > maxElements {
			return nil, 0, fmt.Errorf("%w: array of size %d", ErrTooLarge, d)
		}
		if n *= int64(d); n > maxElements {
			return nil, 0, fmt.Errorf("%w: array of more than %d elements", ErrTooLarge, int64(maxElements))
		}
		shape = append(shape, int(d))
	}
	if null {
		n = 0
	}
	return shape, n, c.err
}

// attribute is a named value in an object's header.
type attribute struct {
	name  string
	dtype []byte
	space []byte
	data  []byte
	bad   error // the datatype cannot be read
}

// attributes returns the attributes of an object (section IV.A.2.m).
func (o *Object) attributes() ([]attribute, error) {
	var list []attribute
	for _, m := range o.messages {
		switch m.kind {
		case msgAttributeInfo:
			c := &cursor{data: m.body}
			c.version("attribute info", 0)
			if c.u8()&1 != 0 {
				c.skip(2)
			}
			if heap := c.u64(); c.err != nil {
				return nil, fmt.Errorf("attributes of %q: %w", o.path, c.err)
			} else if heap != undefined {
				return nil, fmt.Errorf("attributes of %q: %w: dense storage; save the model with h5py's default libver", o.path, ErrUnsupported)
			}
		case msgAttribute:
			if m.shared {
				continue // in a shared heap, which h5py never makes
			}
			if err := o.f.step(1); err != nil {
				return nil, err
			}
			a, err := readAttribute(m.body)
			if err != nil {
				return nil, fmt.Errorf("attributes of %q: %w", o.path, err)
			}
			list = append(list, a)
		}
	}
	return list, nil
}

// readAttribute reads an attribute message, of version 1 (padded to 8 bytes), 2 or 3.
func readAttribute(body []byte) (attribute, error) {
	var a attribute
	c := &cursor{data: body}
	version, flags := c.u8(), c.u8()
	if c.err == nil && (version < 1 || version > 3) {
		return a, fmt.Errorf("%w: attribute of version %d", ErrUnsupported, version)
	}
	if version == 1 {
		flags = 0
	}
	name, dtype, space := c.u16(), c.u16(), c.u16()
	if version == 3 {
		c.skip(1) // character set of the name
	}
	part := func(n uint16) []byte {
		b := c.bytes(uint64(n))
		if version == 1 && c.err == nil {
			c.align()
		}
		return b
	}
	a.name = string(bytes.TrimRight(part(name), "\x00"))
	a.dtype, a.space = part(dtype), part(space)
	if c.err == nil {
		a.data = c.data[c.pos:]
	}
	if flags != 0 {
		a.bad = fmt.Errorf("%w: shared datatype of attribute %q", ErrUnsupported, a.name)
	}
	return a, c.err
}

// maxText bounds the bytes of all strings of one attribute.
const maxText = 4 << 20

// Strings returns the strings of an attribute, in order, whatever its shape. An empty array of any type has none.
// The error wraps ErrNotFound when there is no such attribute.
func (o *Object) Strings(name string) ([]string, error) {
	list, err := o.attributes()
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if a.name == name {
			_, s, err := o.f.strings(a)
			if err != nil {
				return nil, fmt.Errorf("attribute %q of %q: %w", name, o.path, err)
			}
			return s, nil
		}
	}
	return nil, fmt.Errorf("attribute %q of %q is %w", name, o.path, ErrNotFound)
}

// ScalarStrings returns all attributes that are single strings, by name, and leaves out those that are anything else.
func (o *Object) ScalarStrings() (map[string]string, error) {
	list, err := o.attributes()
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, a := range list {
		if scalar, s, err := o.f.strings(a); err == nil && scalar && len(s) == 1 {
			m[a.name] = s[0]
		}
	}
	return m, nil
}

// strings decodes an attribute's strings.
func (f *File) strings(a attribute) (scalar bool, list []string, err error) {
	if a.bad != nil {
		return false, nil, a.bad
	}
	shape, n, err := readDataspace(a.space)
	if err != nil || n == 0 {
		return false, nil, err
	}
	t, err := readDatatype(a.dtype)
	if err != nil {
		return false, nil, err
	}
	if t.class != classString && t.class != classVlen {
		return false, nil, fmt.Errorf("%w: it is no string", ErrFormat)
	}
	if n > int64(len(a.data))/int64(t.size) {
		return false, nil, fmt.Errorf("%w: %d strings in %d bytes", ErrFormat, n, len(a.data))
	}
	total := 0
	for c := (&cursor{data: a.data}); n > 0; n-- {
		b := c.bytes(uint64(t.size))
		if t.class == classVlen {
			if b, err = f.heapObject(&cursor{data: b}); err != nil {
				return false, nil, err
			}
		} else if i := bytes.IndexByte(b, 0); t.padding == 0 && i >= 0 {
			b = b[:i]
		} else if t.padding == 1 {
			b = bytes.TrimRight(b, "\x00")
		} else if t.padding == 2 {
			b = bytes.TrimRight(b, " ")
		}
		if total += len(b); total > maxText {
			return false, nil, fmt.Errorf("%w: text of more than %d bytes", ErrTooLarge, maxText)
		}
		if err := f.take(int64(len(b))); err != nil {
			return false, nil, err
		}
		if !utf8.Valid(b) {
			return false, nil, fmt.Errorf("%w: text that is not UTF-8", ErrFormat)
		}
		list = append(list, string(b))
	}
	return len(shape) == 0, list, nil
}

// heapObject returns the bytes that a variable-length reference points to: a length, the address of a global heap
// collection and an index in it (section III.E).
func (f *File) heapObject(ref *cursor) ([]byte, error) {
	n, a, index := ref.u32(), ref.u64(), ref.u32()
	if ref.err != nil || n == 0 {
		return nil, ref.err
	}
	objects, ok := f.heaps[a]
	if !ok {
		c := f.at(a)
		c.expect("GCOL")
		c.version("global heap", 1)
		c.skip(3)
		size := c.u64()
		if c.err != nil {
			return nil, c.err
		}
		all, err := f.piece(a, size)
		if err != nil {
			return nil, err
		}
		objects = map[uint16][]byte{}
		for c = (&cursor{data: all, pos: min(16, len(all))}); len(all)-c.pos >= 16; {
			if err := f.step(1); err != nil {
				return nil, err
			}
			i := c.u16()
			c.skip(6)
			size := c.u64()
			if i == 0 {
				break // the free space at the end
			}
			objects[i] = c.bytes(size)
			if c.err != nil {
				return nil, c.err
			}
			c.align()
		}
		f.heaps[a] = objects
	}
	b, ok := objects[uint16(index)]
	if !ok || index > 0xffff || uint64(n) > uint64(len(b)) {
		return nil, fmt.Errorf("%w: string %d of %d bytes is not in its heap", ErrFormat, index, n)
	}
	return b[:n], nil
}
