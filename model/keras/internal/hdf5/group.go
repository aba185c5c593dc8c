package hdf5

import (
	"bytes"
	"fmt"
)

// links returns the object header addresses of a group's children by name; undefined for links that are not hard.
func (o *Object) links() (map[string]uint64, error) {
	if !o.has(msgSymbolTable) {
		return o.compactLinks()
	}
	body, err := o.find(msgSymbolTable)
	if err != nil {
		return nil, err
	}
	c := &cursor{data: body}
	tree, heap := c.u64(), c.u64()
	if c.err != nil {
		return nil, fmt.Errorf("group %q: %w", o.path, c.err)
	}
	if links, ok := o.f.groups[tree]; ok {
		return links, nil
	}
	names, err := o.f.localHeap(heap)
	if err != nil {
		return nil, fmt.Errorf("group %q: %w", o.path, err)
	}
	links := map[string]uint64{}
	if err := o.f.groupTree(tree, -1, names, links); err != nil {
		return nil, fmt.Errorf("group %q: %w", o.path, err)
	}
	o.f.groups[tree] = links
	return links, nil
}

// localHeap returns the data segment of a local heap (section III.D), which holds the names of a group's links.
func (f *File) localHeap(a uint64) ([]byte, error) {
	c := f.at(a)
	c.expect("HEAP")
	c.version("local heap", 0)
	c.skip(3)
	size := c.u64()
	c.skip(8)
	data := c.u64()
	if c.err != nil {
		return nil, c.err
	}
	return f.piece(data, size)
}

// groupTree walks a version 1 B-tree of a group (section III.A.1) and adds its links. Each node's level must be one
// below its parent's, so that the tree ends; level -1 stands for the root's, which is free.
func (f *File) groupTree(a uint64, level int, names []byte, links map[string]uint64) error {
	if err := f.step(1); err != nil {
		return err
	}
	c := f.at(a)
	c.expect("TREE")
	kind, l, n := c.u8(), int(c.u8()), int(c.u16())
	c.skip(16)
	if c.err == nil && (kind != 0 || level >= 0 && l != level) {
		c.err = fmt.Errorf("%w: B-tree node of kind %d, level %d", ErrFormat, kind, l)
	}
	for range n {
		c.skip(8) // the key
		child := c.u64()
		if c.err != nil {
			break
		}
		var err error
		if l > 0 {
			err = f.groupTree(child, l-1, names, links)
		} else {
			err = f.symbolNode(child, names, links)
		}
		if err != nil {
			return err
		}
	}
	return c.err
}

// symbolNode adds the links of a symbol table node (sections III.B and III.C).
func (f *File) symbolNode(a uint64, names []byte, links map[string]uint64) error {
	c := f.at(a)
	c.expect("SNOD")
	c.version("symbol table node", 1)
	c.skip(1)
	n := int(c.u16())
	for range n {
		if err := f.step(1); err != nil {
			return err
		}
		name, header, cache := c.u64(), c.u64(), c.u32()
		c.skip(4 + 16)
		if c.err != nil {
			break
		}
		if name >= uint64(len(names)) {
			return fmt.Errorf("%w: the name of a link lies outside of its heap", ErrFormat)
		}
		s := names[name:]
		end := bytes.IndexByte(s[:min(len(s), maxName)], 0)
		if end < 0 {
			return fmt.Errorf("%w: the name of a link has no end", ErrFormat)
		}
		if err := f.take(int64(end)); err != nil {
			return err
		}
		if cache == 2 {
			header = undefined // a soft link
		}
		links[string(s[:end])] = header
	}
	return c.err
}

// maxName bounds the length of a link's name.
const maxName = 4096

// compactLinks returns the links of a group that keeps them as messages in its header (section IV.A.2.g).
func (o *Object) compactLinks() (map[string]uint64, error) {
	links := map[string]uint64{}
	for _, m := range o.messages {
		switch m.kind {
		case msgLinkInfo: // section IV.A.2.c
			c := &cursor{data: m.body}
			c.version("link info", 0)
			if c.u8()&1 != 0 {
				c.skip(8)
			}
			if heap := c.u64(); c.err != nil {
				return nil, fmt.Errorf("group %q: %w", o.path, c.err)
			} else if heap != undefined {
				return nil, fmt.Errorf("group %q: %w: dense storage of links; save the model with h5py's default libver", o.path, ErrUnsupported)
			}
		case msgLink:
			if err := o.f.step(1); err != nil {
				return nil, err
			}
			c := &cursor{data: m.body}
			c.version("link", 1)
			flags := c.u8()
			kind := uint8(0)
			if flags&0x08 != 0 {
				kind = c.u8()
			}
			if flags&0x04 != 0 {
				c.skip(8)
			}
			if flags&0x10 != 0 {
				c.skip(1)
			}
			name := string(c.bytes(c.sized(1 << (flags & 3))))
			a := undefined
			if kind == 0 {
				a = c.u64()
			}
			if c.err != nil {
				return nil, fmt.Errorf("group %q: %w", o.path, c.err)
			}
			links[name] = a
		}
	}
	return links, nil
}
