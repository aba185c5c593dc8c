package hdf5

import (
	"fmt"
	"strings"
)

// The header messages that are read (section IV.A.2).
const (
	msgDataspace     = 0x01
	msgLinkInfo      = 0x02
	msgDatatype      = 0x03
	msgFillValue     = 0x05 // written only
	msgLink          = 0x06
	msgLayout        = 0x08
	msgFilters       = 0x0b
	msgAttribute     = 0x0c
	msgContinuation  = 0x10
	msgSymbolTable   = 0x11
	msgAttributeInfo = 0x15
)

// message is one message of an object header.
type message struct {
	kind   uint16
	shared bool // the body is only a reference to it
	body   []byte
}

// Object is a group or an array.
type Object struct {
	f        *File
	path     string
	messages []message
}

// Root returns the root group.
func (f *File) Root() (*Object, error) { return f.object(f.root, "/") }

// object reads the header at address a.
func (f *File) object(a uint64, path string) (*Object, error) {
	o := &Object{f: f, path: path}
	c := f.at(a)
	var err error
	if b := c.bytes(4); string(b) == "OHDR" {
		err = o.readV2(c)
	} else {
		err = o.readV1(f.at(a))
	}
	if err != nil {
		return nil, fmt.Errorf("header of %q: %w", path, err)
	}
	return o, nil
}

// readV1 reads a version 1 header (section IV.A.1.a): a prefix, then messages, continued elsewhere.
func (o *Object) readV1(c *cursor) error {
	c.version("object header", 1)
	c.skip(1)
	left := int(c.u16())
	c.skip(4)
	size := c.u32()
	c.skip(4)
	blocks := [][]byte{c.bytes(uint64(size))}
	if c.err != nil {
		return c.err
	}
	for ; len(blocks) > 0 && left > 0; blocks = blocks[1:] {
		for b := (&cursor{data: blocks[0]}); left > 0 && len(b.data)-b.pos >= 8; left-- {
			kind, n, flags := b.u16(), b.u16(), b.u8()
			b.skip(3)
			more, err := o.add(b, kind, n, flags)
			if err != nil {
				return err
			}
			if more != nil {
				blocks = append(blocks, more)
			}
		}
	}
	return nil
}

// readV2 reads a version 2 header (section IV.A.1.b), after its signature. The checksums are not looked at.
func (o *Object) readV2(c *cursor) error {
	c.version("object header", 2)
	flags := c.u8()
	if flags&0x20 != 0 {
		c.skip(16) // times
	}
	if flags&0x10 != 0 {
		c.skip(4) // when attributes move to dense storage
	}
	blocks := [][]byte{c.bytes(c.sized(1 << (flags & 3)))}
	if c.err != nil {
		return c.err
	}
	prefix := 4
	if flags&0x04 != 0 {
		prefix = 6 // with creation order
	}
	for first := true; len(blocks) > 0; blocks, first = blocks[1:], false {
		b := &cursor{data: blocks[0]}
		if !first {
			b.expect("OCHK")
			if b.err != nil || len(b.data) < 8 {
				return fmt.Errorf("%w: continuation block", ErrFormat)
			}
			b.data = b.data[:len(b.data)-4]
		}
		for len(b.data)-b.pos >= prefix {
			kind, n, mflags := uint16(b.u8()), b.u16(), b.u8()
			b.skip(uint64(prefix - 4))
			more, err := o.add(b, kind, n, mflags)
			if err != nil {
				return err
			}
			if more != nil {
				blocks = append(blocks, more)
			}
		}
	}
	return nil
}

// add reads one message's body from b. It returns the block that a continuation message points to.
func (o *Object) add(b *cursor, kind, n uint16, flags uint8) ([]byte, error) {
	if err := o.f.step(1); err != nil {
		return nil, err
	}
	body := b.bytes(uint64(n))
	if b.err != nil {
		return nil, b.err
	}
	if kind == msgContinuation {
		c := &cursor{data: body}
		at, size := c.u64(), c.u64()
		if c.err != nil {
			return nil, c.err
		}
		return o.f.piece(at, size)
	}
	o.messages = append(o.messages, message{kind: kind, shared: flags&2 != 0, body: body})
	return nil, nil
}

// find returns the body of the first message of a kind.
func (o *Object) find(kind uint16) ([]byte, error) {
	for _, m := range o.messages {
		if m.kind == kind {
			if m.shared {
				return nil, fmt.Errorf("%q: %w: shared message %#x", o.path, ErrUnsupported, kind)
			}
			return m.body, nil
		}
	}
	return nil, fmt.Errorf("%q: header message %#x is %w", o.path, kind, ErrNotFound)
}

// has says whether the header has a message of a kind.
func (o *Object) has(kind uint16) bool {
	for _, m := range o.messages {
		if m.kind == kind {
			return true
		}
	}
	return false
}

// Child returns the object at a path below o, its parts separated by slashes. The error wraps ErrNotFound, with the
// full path, when there is none.
func (o *Object) Child(path string) (*Object, error) {
	for _, name := range strings.Split(path, "/") {
		if name == "" {
			continue
		}
		full := strings.TrimSuffix(o.path, "/") + "/" + name
		links, err := o.links()
		if err != nil {
			return nil, err
		}
		a, ok := links[name]
		if !ok {
			return nil, fmt.Errorf("%q is %w", full, ErrNotFound)
		}
		if a == undefined {
			return nil, fmt.Errorf("%q: %w: soft or external link", full, ErrUnsupported)
		}
		if o, err = o.f.object(a, full); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Has says whether o is a group with a child of that name.
func (o *Object) Has(name string) bool {
	links, err := o.links()
	_, ok := links[name]
	return err == nil && ok
}
