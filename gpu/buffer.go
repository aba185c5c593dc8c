package gpu

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Buffer is a named, typed, sized piece of device memory: n elements of T, which is float32, uint32, int32 or an array
// of them (an mgl32.Vec4 is a vec4 of GLSL). It is a value; copies and views mean the same memory. The memory is not
// zeroed.
type Buffer[T any] struct {
	a      *allocation
	off, n int // elements
	view   bool
}

// AnyBuffer is a Buffer of any element type.
type AnyBuffer interface {
	Name() string
	region() region
}

// region is a range of bytes of an allocation.
type region struct {
	a         *allocation
	off, size uint64
}

// elementSize is the size of T in bytes; it panics for a T that a kernel cannot see.
func elementSize[T any]() int {
	t := reflect.TypeFor[T]()
	base := t
	for base.Kind() == reflect.Array {
		base = base.Elem()
	}
	switch base.Kind() {
	case reflect.Float32, reflect.Uint32, reflect.Int32:
		if t.Size() > 0 {
			return int(t.Size())
		}
	}
	panic(fmt.Sprintf("gpu: a buffer of %v: its elements must be float32, uint32 or int32, or arrays of them", t))
}

// NewBuffer allocates n ≥ 1 elements. The name appears in errors and in validation messages. The error wraps
// ErrOutOfMemory when the device has no room, with what was asked, what is in use, and what there is.
func NewBuffer[T any](d *Device, name string, n int) (Buffer[T], error) {
	size := elementSize[T]()
	if n < 1 {
		panic(fmt.Sprintf("gpu: buffer %q of %d elements", name, n))
	}
	if n > int(^uint(0)>>1)/size {
		return Buffer[T]{}, fmt.Errorf("gpu: allocate %q, %d elements of %d bytes: %w", name, n, size, ErrOutOfMemory)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.allocate(name, uint64(n)*uint64(size), forKernels)
	if err != nil {
		return Buffer[T]{}, fmt.Errorf("gpu: allocate %q, %d bytes: %w", name, n*size, err)
	}
	return Buffer[T]{a: a, n: n}, nil
}

// Len is the number of elements; 0 for the zero Buffer.
func (b Buffer[T]) Len() int { return b.n }

// Name is the name given to NewBuffer, with the range in brackets for a view.
func (b Buffer[T]) Name() string {
	switch {
	case b.a == nil:
		return "(no buffer)"
	case b.view:
		return fmt.Sprintf("%s[%d:%d]", b.a.name, b.off, b.off+b.n)
	}
	return b.a.name
}

// Free returns the memory, waiting first for work that uses it. Every copy and view becomes invalid. Freeing the zero
// Buffer, twice, or after the device's Close does nothing; freeing a view panics, since others may use the rest.
func (b Buffer[T]) Free() {
	if b.a == nil {
		return
	}
	if b.view {
		panic(fmt.Sprintf("gpu: free %s: it is a view; free the whole buffer", b.Name()))
	}
	d := b.a.d
	d.settle(b.a)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		b.a.release()
	}
}

// Slice is a view of n ≥ 1 elements from offset. It panics when they lie outside, or when the view would not start at a
// multiple of Limits.OffsetAlignment bytes of the underlying buffer.
func (b Buffer[T]) Slice(offset, n int) Buffer[T] {
	if offset < 0 || n < 1 || offset > b.n-n {
		panic(fmt.Sprintf("gpu: slice [%d:%d] of %s, which has %d elements", offset, offset+n, b.Name(), b.n))
	}
	v := Buffer[T]{a: b.a, off: b.off + offset, n: n, view: true}
	if r, align := v.region(), b.a.d.info.Limits.OffsetAlignment; r.off%align != 0 {
		panic(fmt.Sprintf("gpu: slice %s starts at byte %d, which is no multiple of the device's offset alignment %d", v.Name(), r.off, align))
	}
	return v
}

func (b Buffer[T]) region() region {
	if b.a == nil {
		panic("gpu: use of a Buffer that was never allocated")
	}
	size := uint64(unsafe.Sizeof(*new(T)))
	return region{b.a, uint64(b.off) * size, uint64(b.n) * size}
}

// Write copies src to the start of the buffer and returns when it is there. It waits for running work that uses the
// buffer. It panics when src is longer than the buffer.
func (b Buffer[T]) Write(src []T) error { return b.WriteAt(0, src) }

// WriteAt is Write from an element on.
func (b Buffer[T]) WriteAt(offset int, src []T) error {
	r, ok := b.part("write", offset, len(src))
	if !ok {
		return nil
	}
	if err := r.a.d.upload(r, bytesOf(src)); err != nil {
		return fmt.Errorf("gpu: write %q, %d bytes: %w", b.Name(), r.size, err)
	}
	return nil
}

// Read copies the start of the buffer to dst, after the work that was started before. It panics when dst is longer than
// the buffer.
func (b Buffer[T]) Read(dst []T) error { return b.ReadAt(0, dst) }

// ReadAt is Read from an element on.
func (b Buffer[T]) ReadAt(offset int, dst []T) error {
	r, ok := b.part("read", offset, len(dst))
	if !ok {
		return nil
	}
	if err := r.a.d.download(bytesOf(dst), r); err != nil {
		return fmt.Errorf("gpu: read %q, %d bytes: %w", b.Name(), r.size, err)
	}
	return nil
}

// part is the region of n elements from offset; false when there are none.
func (b Buffer[T]) part(act string, offset, n int) (region, bool) {
	r := b.region()
	if offset < 0 || offset > b.n-n {
		panic(fmt.Sprintf("gpu: %s elements [%d:%d] of %s, which has %d", act, offset, offset+n, b.Name(), b.n))
	}
	size := uint64(unsafe.Sizeof(*new(T)))
	return region{r.a, r.off + uint64(offset)*size, uint64(n) * size}, n > 0
}

// bytesOf is the memory of a slice.
func bytesOf[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// As is the same memory seen as elements of another type of the same size: float32 values as their bits, say, which a
// kernel that must tell NaN from numbers reads as uint32. It panics when the sizes differ.
func As[U, T any](b Buffer[T]) Buffer[U] {
	if elementSize[U]() != elementSize[T]() {
		panic(fmt.Sprintf("gpu: %s as elements of %d bytes; it has elements of %d", b.Name(), elementSize[U](), elementSize[T]()))
	}
	return Buffer[U]{a: b.a, off: b.off, n: b.n, view: true}
}
