package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Shape returns the sizes of an array, slowest first; empty for a scalar.
func (o *Object) Shape() ([]int, error) {
	shape, _, err := o.space()
	return shape, err
}

func (o *Object) space() ([]int, int64, error) {
	body, err := o.find(msgDataspace)
	if err != nil {
		return nil, 0, err
	}
	shape, n, err := readDataspace(body)
	if err != nil {
		return nil, 0, fmt.Errorf("array %q: %w", o.path, err)
	}
	return shape, n, nil
}

// Floats returns the elements of an array of floats, in row-major order, rounded to float32 if they are wider.
func (o *Object) Floats() ([]float32, error) {
	raw, t, n, err := o.read()
	if err != nil {
		return nil, err
	}
	if t.class != classFloat {
		return nil, fmt.Errorf("array %q: %w: it does not hold floats", o.path, ErrUnsupported)
	}
	if err := o.f.take(4 * n); err != nil {
		return nil, err
	}
	out := make([]float32, n)
	for i := range out {
		switch b := raw[i*int(t.size):]; t.size {
		case 2:
			out[i] = half(order(t).Uint16(b))
		case 4:
			out[i] = math.Float32frombits(order(t).Uint32(b))
		case 8:
			out[i] = float32(math.Float64frombits(order(t).Uint64(b)))
		}
	}
	return out, nil
}

// Int returns the value of an integer scalar.
func (o *Object) Int() (int64, error) {
	raw, t, n, err := o.read()
	if err != nil {
		return 0, err
	}
	if t.class != classInteger || n != 1 {
		return 0, fmt.Errorf("array %q: %w: it is no single integer", o.path, ErrUnsupported)
	}
	var v uint64
	switch t.size {
	case 1:
		v = uint64(raw[0])
	case 2:
		v = uint64(order(t).Uint16(raw))
	case 4:
		v = uint64(order(t).Uint32(raw))
	case 8:
		v = order(t).Uint64(raw)
	}
	if shift := 64 - 8*t.size; t.signed {
		return int64(v<<shift) >> shift, nil
	}
	if v > math.MaxInt64 {
		return 0, fmt.Errorf("array %q: %w: integer %d", o.path, ErrTooLarge, v)
	}
	return int64(v), nil
}

func order(t datatype) binary.ByteOrder {
	if t.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// half returns the value of an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, man := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch {
	case exp == 31:
		exp = 255
	case exp > 0:
		exp += 127 - 15
	case man > 0: // subnormal: normalise
		s := uint32(bits.LeadingZeros32(man)) - 21
		man, exp = man<<s&1023, 127-15+1-s
	}
	return math.Float32frombits(sign | exp<<23 | man<<13)
}

// read returns the bytes of an array, its element type and the number of elements.
func (o *Object) read() ([]byte, datatype, int64, error) {
	fail := func(err error) ([]byte, datatype, int64, error) {
		return nil, datatype{}, 0, fmt.Errorf("array %q: %w", o.path, err)
	}
	shape, n, err := o.space()
	if err != nil {
		return nil, datatype{}, 0, err
	}
	body, err := o.find(msgDatatype)
	if err != nil {
		return nil, datatype{}, 0, err
	}
	t, err := readDatatype(body)
	if err != nil {
		return fail(err)
	}
	if t.class != classFloat && t.class != classInteger {
		return fail(fmt.Errorf("%w: it does not hold numbers", ErrUnsupported))
	}
	if body, err = o.find(msgLayout); err != nil {
		return nil, datatype{}, 0, err
	}
	size := uint64(n) * uint64(t.size) // below 2^43 by maxElements
	raw, err := o.layout(body, shape, t, size)
	if err != nil {
		return fail(err)
	}
	return raw, t, n, nil
}

// layout finds an array's size bytes by its layout message (section IV.A.2.i).
func (o *Object) layout(body []byte, shape []int, t datatype, size uint64) ([]byte, error) {
	c := &cursor{data: body}
	version, class := c.u8(), c.u8()
	if c.err == nil && version != 3 && version != 4 {
		return nil, fmt.Errorf("%w: layout of version %d", ErrUnsupported, version)
	}
	if class < 2 && o.has(msgFilters) {
		return nil, fmt.Errorf("%w: filters without chunks", ErrFormat)
	}
	switch class {
	case 0: // in the header itself
		raw := c.bytes(uint64(c.u16()))
		if c.err == nil && uint64(len(raw)) != size {
			c.err = fmt.Errorf("%w: %d bytes instead of %d", ErrFormat, len(raw), size)
		}
		return raw, c.err
	case 1: // in one piece
		a, stored := c.u64(), c.u64()
		switch {
		case c.err != nil:
			return nil, c.err
		case stored < size:
			return nil, fmt.Errorf("%w: %d bytes instead of %d", ErrFormat, stored, size)
		case size == 0:
			return nil, nil
		case a == undefined:
			return nil, fmt.Errorf("%w: it was never written", ErrFormat)
		}
		return o.f.piece(a, size)
	case 2:
		if version != 3 {
			return nil, fmt.Errorf("%w: chunk index of version %d; save the model with h5py's default libver", ErrUnsupported, version)
		}
		return o.chunked(c, shape, t, size)
	}
	return nil, fmt.Errorf("%w: layout class %d", ErrUnsupported, class)
}
