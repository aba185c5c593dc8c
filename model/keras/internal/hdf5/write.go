package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Group is a group to be written: attributes in the order in which they were set, children by name. The zero value
// is an empty group.
type Group struct {
	attributes []attributeOut
	children   map[string]any // *Group or *array
	err        error          // the first mistake of the calls that built the group
}

type attributeOut struct {
	name   string
	scalar bool
	values []string
}

type array struct {
	shape []int
	data  []float32
}

// SetString adds a scalar string attribute.
func (g *Group) SetString(name, value string) { g.set(attributeOut{name, true, []string{value}}) }

// SetStrings adds an attribute that is an array of strings, possibly empty.
func (g *Group) SetStrings(name string, values []string) {
	g.set(attributeOut{name, false, slices.Clone(values)})
}

func (g *Group) set(a attributeOut) {
	for _, b := range g.attributes {
		if b.name == a.name {
			g.fail(fmt.Errorf("attribute %q is set twice", a.name))
		}
	}
	for _, s := range append([]string{a.name}, a.values...) {
		if strings.ContainsRune(s, 0) {
			g.fail(fmt.Errorf("attribute %q holds a zero byte, which HDF5's strings cannot", a.name))
		}
	}
	if a.name == "" {
		g.fail(fmt.Errorf("an attribute has no name"))
	}
	g.attributes = append(g.attributes, a)
}

// Group returns the child group of that name, which it makes if need be.
func (g *Group) Group(name string) *Group {
	if c, ok := g.children[name].(*Group); ok {
		return c
	}
	c := &Group{}
	g.add(name, c)
	return c
}

// Array adds a float32 array at a path below g, whose parts are separated by slashes; the groups on the way are made.
// It panics when data is not as long as shape says.
func (g *Group) Array(path string, shape []int, data []float32) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		panic(fmt.Sprintf("hdf5: array %q of shape %v with %d elements", path, shape, len(data)))
	}
	parts := strings.Split(path, "/")
	for _, p := range parts[:len(parts)-1] {
		g = g.Group(p)
	}
	g.add(parts[len(parts)-1], &array{shape, data})
}

// Scalar adds a float32 at a path below g, as Array does.
func (g *Group) Scalar(path string, value float32) { g.Array(path, nil, []float32{value}) }

// Int adds an int64 at a path below g, as Array does.
func (g *Group) Int(path string, value int64) {
	parts := strings.Split(path, "/")
	for _, p := range parts[:len(parts)-1] {
		g = g.Group(p)
	}
	g.add(parts[len(parts)-1], integer(value))
}

// integer is an int64 that is to be written.
type integer int64

func (g *Group) add(name string, child any) {
	if name == "" || name == "." || strings.ContainsAny(name, "/\x00") {
		g.fail(fmt.Errorf("%q cannot be a name in an HDF5 file", name))
	}
	if _, ok := g.children[name]; ok {
		g.fail(fmt.Errorf("two objects are named %q", name))
	}
	if g.children == nil {
		g.children = map[string]any{}
	}
	g.children[name] = child
}

func (g *Group) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// The sizes of nodes that the superblock declares; the HDF5 library's defaults.
const (
	leafK     = 4  // a symbol table node has room for 2·leafK links
	internalK = 16 // a B-tree node has room for 2·internalK children
)

// maxMessage is the largest body of a header message, whose size is a uint16 and a multiple of 8.
const maxMessage = 65528

// Encode returns the file whose root group is g. The same group gives the same bytes.
func (g *Group) Encode() ([]byte, error) {
	w := &writer{}
	w.bytes(make([]byte, 96)) // the superblock, which needs addresses from below
	header, tree, heap, err := w.group(g)
	if err != nil {
		return nil, err
	}
	end := w.pos()
	s := &writer{}
	s.bytes([]byte(Signature))
	s.bytes([]byte{0, 0, 0, 0, 0, 8, 8, 0}) // versions; sizes of offsets and lengths
	s.u16(leafK)
	s.u16(internalK)
	s.u32(0)
	s.u64(0) // base address
	s.u64(undefined)
	s.u64(end)
	s.u64(undefined)
	s.u64(0) // the root group's symbol table entry
	s.u64(header)
	s.u32(1) // with the addresses of its B-tree and heap
	s.u32(0)
	s.u64(tree)
	s.u64(heap)
	copy(w.buf, s.buf)
	return w.buf, nil
}

// writer appends little-endian numbers. Everything that has an address starts at a multiple of 8.
type writer struct{ buf []byte }

func (w *writer) pos() uint64    { return uint64(len(w.buf)) }
func (w *writer) bytes(b []byte) { w.buf = append(w.buf, b...) }
func (w *writer) u16(v int)      { w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(v)) }
func (w *writer) u32(v int)      { w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(v)) }
func (w *writer) u64(v uint64)   { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }
func (w *writer) align() {
	for len(w.buf)%8 != 0 {
		w.buf = append(w.buf, 0)
	}
}

// link is a child that has been written.
type link struct {
	name               string
	header, tree, heap uint64 // tree and heap: groups only
}

// group writes a group, children first, and returns where its header, its B-tree and its local heap are.
func (w *writer) group(g *Group) (header, tree, heap uint64, err error) {
	if g.err != nil {
		return 0, 0, 0, g.err
	}
	var links []link
	for name := range g.children {
		links = append(links, link{name: name})
	}
	// Byte order: readers search the tree by strcmp.
	slices.SortFunc(links, func(a, b link) int { return strings.Compare(a.name, b.name) })
	for i := range links {
		l := &links[i]
		switch c := g.children[l.name].(type) {
		case *Group:
			l.header, l.tree, l.heap, err = w.group(c)
		case *array:
			l.header, err = w.array(c)
		case integer:
			l.header = w.data(nil, int64LE, binary.LittleEndian.AppendUint64(nil, uint64(c)))
		}
		if err != nil {
			return 0, 0, 0, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	tree, heap, err = w.links(links)
	if err != nil {
		return 0, 0, 0, err
	}
	table := &writer{}
	table.u64(tree)
	table.u64(heap)
	messages := []message{{kind: msgSymbolTable, body: table.buf}}
	for _, a := range g.attributes {
		body, err := a.encode()
		if err != nil {
			return 0, 0, 0, err
		}
		messages = append(messages, message{kind: msgAttribute, body: body})
	}
	return w.header(messages), tree, heap, nil
}

// links writes what leads from names to objects: the heap of names, the symbol table nodes and the B-tree over them.
func (w *writer) links(links []link) (tree, heap uint64, err error) {
	const room = 2 * leafK
	nodes := slices.Collect(slices.Chunk(links, room))
	if len(nodes) > 2*internalK {
		return 0, 0, fmt.Errorf("%d objects in one group; at most %d", len(links), 2*internalK*room)
	}
	names := &writer{buf: make([]byte, 8)} // offset 0 is the empty string, the tree's first key
	keys := []uint64{0}
	var at []uint64
	for _, node := range nodes {
		at = append(at, w.pos())
		w.bytes([]byte("SNOD\x01\x00"))
		w.u16(len(node))
		for _, l := range node {
			keys = append(keys[:len(at)], names.pos()) // the last name of the node remains
			w.u64(names.pos())
			w.u64(l.header)
			if l.tree != 0 {
				w.u32(1)
			} else {
				w.u32(0)
			}
			w.u32(0)
			w.u64(l.tree)
			w.u64(l.heap)
			names.bytes([]byte(l.name + "\x00"))
			names.align()
		}
		w.bytes(make([]byte, 40*(room-len(node))))
	}
	heap = w.pos()
	w.bytes([]byte("HEAP\x00\x00\x00\x00"))
	w.u64(names.pos())
	w.u64(1) // no free space
	w.u64(heap + 32)
	w.bytes(names.buf)
	tree = w.pos()
	w.bytes([]byte("TREE\x00\x00"))
	w.u16(len(nodes))
	w.u64(undefined) // no siblings
	w.u64(undefined)
	for i, a := range at {
		w.u64(keys[i])
		w.u64(a)
	}
	w.u64(keys[len(nodes)])
	w.bytes(make([]byte, 16*(2*internalK-len(nodes))))
	return tree, heap, nil
}

// header writes an object header of version 1.
func (w *writer) header(messages []message) uint64 {
	size := 0
	for _, m := range messages {
		size += 8 + len(m.body)
	}
	a := w.pos()
	w.bytes([]byte{1, 0})
	w.u16(len(messages))
	w.u32(1) // one link leads here
	w.u32(size)
	w.u32(0)
	for _, m := range messages {
		w.u16(int(m.kind))
		w.u16(len(m.body))
		w.u32(0)
		w.bytes(m.body)
	}
	return a
}

// encode returns the body of an attribute message of version 1. Strings are fixed-length, padded with zeros, and
// marked as UTF-8 where they are not ASCII.
func (a attributeOut) encode() ([]byte, error) {
	width, utf8 := 1, byte(0)
	for _, s := range a.values {
		width = max(width, len(s))
		if strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) {
			utf8 = 0x10
		}
	}
	space := dataspace([]int{len(a.values)})
	if a.scalar {
		space = dataspace(nil)
	}
	if size := 8 + len(a.name) + 8 + 8 + len(space) + width*len(a.values); size > maxMessage-8 {
		return nil, fmt.Errorf("attribute %q of %d bytes; HDF5 takes at most 64 KiB, its description included", a.name, width*len(a.values))
	}
	w := &writer{buf: []byte{1, 0}}
	w.u16(len(a.name) + 1)
	w.u16(8)
	w.u16(len(space))
	w.bytes([]byte(a.name + "\x00"))
	w.align()
	w.bytes([]byte{0x10 | classString, 1 | utf8, 0, 0})
	w.u32(width)
	w.bytes(space)
	for _, s := range a.values {
		w.bytes([]byte(s))
		w.bytes(make([]byte, width-len(s)))
	}
	w.align()
	return w.buf, nil
}

// dataspace returns the body of a dataspace message of version 1; the maximal sizes are the sizes.
func dataspace(shape []int) []byte {
	w := &writer{buf: []byte{1, byte(len(shape)), 0, 0, 0, 0, 0, 0}}
	if len(shape) > 0 {
		w.buf[2] = 1
	}
	for range 2 {
		for _, d := range shape {
			w.u64(uint64(d))
		}
	}
	return w.buf
}

// float32LE is the body of a datatype message: IEEE 754 binary32, little-endian.
var float32LE = []byte{0x10 | classFloat, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0, 0, 0, 0, 0}

// int64LE is the body of a datatype message: a signed integer of 8 bytes, little-endian.
var int64LE = []byte{0x10 | classInteger, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0}

// array writes an array in one piece, then its header.
func (w *writer) array(a *array) (uint64, error) {
	if len(a.data) == 0 || len(a.shape) > maxRank {
		return 0, fmt.Errorf("array of shape %v", a.shape)
	}
	raw := make([]byte, 0, 4*len(a.data))
	for _, v := range a.data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return w.data(a.shape, float32LE, raw), nil
}

// data writes the bytes of an array of a type, then its header.
func (w *writer) data(shape []int, datatype, raw []byte) uint64 {
	at := w.pos()
	w.bytes(raw)
	w.align()
	layout := &writer{buf: []byte{3, 1}}
	layout.u64(at)
	layout.u64(uint64(len(raw)))
	layout.align()
	return w.header([]message{
		{kind: msgDataspace, body: dataspace(shape)},
		{kind: msgDatatype, body: datatype},
		{kind: msgFillValue, body: []byte{2, 2, 2, 1, 0, 0, 0, 0}}, // the default
		{kind: msgLayout, body: layout.buf},
	})
}
