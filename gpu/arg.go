package gpu

import (
	"fmt"
	"math"
)

// access is what a dispatch does with a buffer.
type access uint8

const (
	reads access = 1 << iota
	writes
)

func (a access) String() string {
	return [...]string{"nothing", "Read", "Write", "ReadWrite"}[a]
}

// Arg is one buffer of a dispatch: what it is, what shape the kernel takes it for, and what the kernel does with it.
type Arg struct {
	region
	name   func() string
	len    int // elements bound
	shape  []int
	access access
}

// Read says that the kernel only reads b, as an array of the given shape, slowest dimension first; its product may not
// exceed b.Len(). Without a shape no size is checked. The whole view is bound.
func Read[T any](b Buffer[T], shape ...int) Arg { return argument(b, reads, shape) }

// Write says that the kernel only writes b; the shape is as for Read.
func Write[T any](b Buffer[T], shape ...int) Arg { return argument(b, writes, shape) }

// ReadWrite says that the kernel reads and writes b; the shape is as for Read.
func ReadWrite[T any](b Buffer[T], shape ...int) Arg { return argument(b, reads|writes, shape) }

func argument[T any](b Buffer[T], a access, shape []int) Arg {
	g := Arg{name: b.Name, len: b.n, shape: shape, access: a}
	if b.a != nil {
		g.region = b.region()
	}
	return g
}

// problem says why the argument cannot be bound on a device with these limits, "" when it can. It is asked for every
// argument of every dispatch, so nothing is formatted before something is wrong.
func (a *Arg) problem(l *Limits) string {
	if a.a == nil {
		return "it is a Buffer that was never allocated"
	}
	if a.a.freed {
		return fmt.Sprintf("buffer %q was freed", a.a.name)
	}
	need := uint64(1)
	for _, n := range a.shape {
		if n < 0 {
			return fmt.Sprintf("%s has shape %v", a.name(), a.shape)
		}
		if n > 0 && need > math.MaxUint64/uint64(n) {
			return fmt.Sprintf("%s: shape %v overflows", a.name(), a.shape)
		}
		need *= uint64(n)
	}
	if len(a.shape) > 0 && need > uint64(a.len) {
		return fmt.Sprintf("%s: shape %v needs %d elements, the buffer has %d", a.name(), a.shape, need, a.len)
	}
	if a.size > l.StorageRange {
		return fmt.Sprintf("%s: %d bytes are bound, the device allows %d; bind a Slice", a.name(), a.size, l.StorageRange)
	}
	return ""
}

// mustLive panics when the buffer was freed, by itself or with its device.
func (a *allocation) mustLive(where string) {
	if a.freed {
		panic(fmt.Sprintf("gpu: %s: buffer %q was freed", where, a.name))
	}
}

// PushData is the push constants of a dispatch, 32-bit words in the order of the shader's block.
type PushData struct{ words []uint32 }

// Push makes push constants of int, uint32, int32 and float32 values. An int must fit into 32 bits, signed or unsigned.
func Push(values ...any) PushData {
	p := PushData{make([]uint32, len(values))}
	for i, v := range values {
		switch v := v.(type) {
		case int:
			if v < math.MinInt32 || v > math.MaxUint32 {
				panic(fmt.Sprintf("gpu: push constant %d, %d, does not fit into 32 bits", i, v))
			}
			p.words[i] = uint32(v)
		case uint32:
			p.words[i] = v
		case int32:
			p.words[i] = uint32(v)
		case float32:
			p.words[i] = math.Float32bits(v)
		default:
			panic(fmt.Sprintf("gpu: push constant %d is a %T; int, uint32, int32 and float32 are possible", i, v))
		}
	}
	return p
}

// Size is how much of a kernel a dispatch runs.
type Size struct {
	n      uint64
	groups bool
}

// Threads is at least n invocations, 0 ≤ n < 2³²; the kernel's threadIndex() takes each value below n exactly once.
func Threads(n int) Size { return Size{count("Threads", n), false} }

// Groups is at least n workgroups, 0 ≤ n < 2³²; the kernel's groupIndex() takes each value below n exactly once.
func Groups(n int) Size { return Size{count("Groups", n), true} }

func count(of string, n int) uint64 {
	if n < 0 || uint64(n) > math.MaxUint32 {
		panic(fmt.Sprintf("gpu: %s(%d): the count must lie in [0, 2³²)", of, n))
	}
	return uint64(n)
}

// fold is the number of workgroups in x and y for workgroups of that many threads: one row where a row is enough, else as
// few rows as there must be, as full as they can be. It fails when the device's limits do not hold them, or when an index
// of 32 bits would wrap, so that two threads were one.
func (s Size) fold(threads uint64, limit [3]uint32) (x, y uint32, err error) {
	groups := s.n
	if !s.groups {
		groups = (s.n + threads - 1) / threads
	}
	if groups == 0 {
		return 0, 0, nil
	}
	rows := (groups + uint64(limit[0]) - 1) / uint64(limit[0])
	if rows > uint64(limit[1]) {
		return 0, 0, fmt.Errorf("%d workgroups are needed, the device allows %d × %d", groups, limit[0], limit[1])
	}
	row := (groups + rows - 1) / rows
	if span := threads; !s.groups && rows*row*span > 1<<32 || s.groups && rows*row > 1<<32 {
		return 0, 0, fmt.Errorf("%d × %d workgroups of %d threads exceed a 32-bit index", row, rows, threads)
	}
	return uint32(row), uint32(rows), nil
}
