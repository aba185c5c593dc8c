package gpu

import "fmt"

// As is the same memory seen as elements of another type of the same size: float32 values as their bits, say, which a
// kernel that must tell NaN from numbers reads as uint32. It panics when the sizes differ.
func As[U, T any](b Buffer[T]) Buffer[U] {
	if elementSize[U]() != elementSize[T]() {
		panic(fmt.Sprintf("gpu: %s as elements of %d bytes; it has elements of %d", b.Name(), elementSize[U](), elementSize[T]()))
	}
	return Buffer[U]{a: b.a, off: b.off, n: b.n, view: true}
}
