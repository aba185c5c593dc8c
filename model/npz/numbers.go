package npz

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
)

// Float32 returns the named array of numbers in C order, and its shape. A finite value beyond float32's range is an
// error; integers and float64 values are rounded to the nearest float32.
func (f *File) Float32(name string) ([]float32, []int, error) { return numbers[float32](f, name) }

// Float64 is Float32 in double precision: only integers beyond 2⁵³ are rounded.
func (f *File) Float64(name string) ([]float64, []int, error) { return numbers[float64](f, name) }

type float interface{ float32 | float64 }

const (
	chunk     = 256 << 10 // bytes converted at a time, a multiple of every item size
	firstGrow = 16 << 20  // elements allocated before any was read, whatever the file's size
	usual     = 16        // bytes of numbers that a packed byte may stand for before memory waits for them
)

func numbers[T float](f *File, name string) ([]T, []int, error) {
	h, r, err := f.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if !h.Number() {
		return nil, nil, f.errorf(name, "is %s, not numbers; save it with .astype(\"float32\")", h.Type)
	}
	if err := f.checkWhole(name, h); err != nil {
		return nil, nil, err
	}
	n, _ := product(h.Shape) // fits: check multiplied it by ItemSize
	// A packed entry may claim 1032 times its size: beyond what numbers usually pack to, memory follows what was really
	// unpacked. Below, it is taken at once, for growing would need it twice.
	room := firstGrow
	if packed := f.entry(name).CompressedSize64; packed < 1<<48 { // check has compared it with the file's size
		room = max(room, int(packed)*usual/h.ItemSize)
	}
	out := make([]T, 0, min(n, room))
	buf := make([]byte, min(chunk, n*h.ItemSize))
	for len(out) < n {
		part := min(n-len(out), chunk/h.ItemSize)
		raw := buf[:part*h.ItemSize]
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, nil, f.damaged(name, err)
		}
		at := len(out)
		out = slices.Grow(out, part)[:at+part]
		if i := decode(out[at:], raw, h); i >= 0 {
			return nil, nil, f.errorf(name, "holds a value beyond float32's range at %s; scale it down", indexText(at+i, h))
		}
	}
	if err := f.finish(name, r); err != nil {
		return nil, nil, err
	}
	if h.Fortran && len(h.Shape) > 1 {
		out = cOrder(out, h.Shape)
	}
	return out, h.Shape, nil
}

// decode converts the elements in raw, which it may change, and returns the index of the first that is finite but
// too large for T, or -1.
func decode[T float](dst []T, raw []byte, h Header) int {
	if h.Big {
		swap(raw, h.ItemSize)
	}
	le := binary.LittleEndian
	switch {
	case h.Kind == 'f' && h.ItemSize == 4:
		for i := range dst {
			dst[i] = T(math.Float32frombits(le.Uint32(raw[4*i:])))
		}
	case h.Kind == 'f' && h.ItemSize == 8:
		for i := range dst {
			v := math.Float64frombits(le.Uint64(raw[8*i:]))
			dst[i] = T(v)
			if math.IsInf(float64(dst[i]), 0) && !math.IsInf(v, 0) {
				return i
			}
		}
	case h.Kind == 'f':
		for i := range dst {
			dst[i] = T(half(le.Uint16(raw[2*i:])))
		}
	case h.Kind == 'b':
		for i := range dst {
			dst[i] = 0
			if raw[i] != 0 {
				dst[i] = 1
			}
		}
	case h.Kind == 'i':
		for i := range dst {
			switch h.ItemSize {
			case 1:
				dst[i] = T(int8(raw[i]))
			case 2:
				dst[i] = T(int16(le.Uint16(raw[2*i:])))
			case 4:
				dst[i] = T(int32(le.Uint32(raw[4*i:])))
			case 8:
				dst[i] = T(int64(le.Uint64(raw[8*i:])))
			}
		}
	case h.Kind == 'u':
		for i := range dst {
			switch h.ItemSize {
			case 1:
				dst[i] = T(raw[i])
			case 2:
				dst[i] = T(le.Uint16(raw[2*i:]))
			case 4:
				dst[i] = T(le.Uint32(raw[4*i:]))
			case 8:
				dst[i] = T(le.Uint64(raw[8*i:]))
			}
		}
	}
	return -1
}

// swap reverses the bytes of each element.
func swap(raw []byte, size int) {
	if size == 1 {
		return
	}
	for i := 0; i+size <= len(raw); i += size {
		slices.Reverse(raw[i : i+size])
	}
}

// half returns the value of an IEEE 754 binary16 number.
func half(u uint16) float32 {
	sign, exp, frac := float32(1), int(u>>10&31), float32(u&1023)
	if u>>15 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * frac * 0x1p-24
	case 31:
		if frac != 0 {
			return float32(math.NaN())
		}
		return sign * float32(math.Inf(1))
	}
	return sign * float32(math.Ldexp(float64(1024+frac), exp-25))
}

// cOrder returns the elements of an array in Fortran order, the last index fastest.
func cOrder[T any](in []T, shape []int) []T {
	out := make([]T, len(in))
	index := make([]int, len(shape))
	strides := make([]int, len(shape)) // in out
	stride := 1
	for d := len(shape) - 1; d >= 0; d-- {
		strides[d] = stride
		stride *= shape[d]
	}
	at := 0
	for _, v := range in {
		out[at] = v
		for d := range index {
			index[d]++
			at += strides[d]
			if index[d] < shape[d] {
				break
			}
			at -= index[d] * strides[d]
			index[d] = 0
		}
	}
	return out
}

// indexText returns the index of the element that lies at flat in the file: "[3][0][5]".
func indexText(flat int, h Header) string {
	shape := slices.Clone(h.Shape)
	if !h.Fortran {
		slices.Reverse(shape)
	}
	index := make([]int, len(shape))
	for i, n := range shape {
		index[i] = flat % n
		flat /= n
	}
	if !h.Fortran {
		slices.Reverse(index)
	}
	return Index(index...)
}
