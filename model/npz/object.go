package npz

import (
	"encoding/binary"
	"slices"
	"strings"
)

// The globals that a pickle may name, by every name that NumPy and Python gave them.
const (
	reconstruct global = "_reconstruct" // (ndarray, (0,), b'b') → an array to be built
	ndarray     global = "ndarray"
	dtypeOf     global = "dtype"  // ('O8', False, True) → a type to be built
	scalar      global = "scalar" // (dtype, bytes) → a NumPy scalar
	encode      global = "encode" // (text, 'latin1') → bytes, as Python 3 writes them for Python 2
	bytesOf     global = "bytes"  // () → b''
)

var globals = map[string]global{
	"numpy.core.multiarray._reconstruct":  reconstruct,
	"numpy._core.multiarray._reconstruct": reconstruct,
	"numpy.core.multiarray.scalar":        scalar,
	"numpy._core.multiarray.scalar":       scalar,
	"numpy.ndarray":                       ndarray,
	"numpy.dtype":                         dtypeOf,
	"_codecs.encode":                      encode,
	"builtins.bytes":                      bytesOf,
	"__builtin__.bytes":                   bytesOf,
}

// array is a numpy.ndarray: of objects, or of numbers.
type array struct {
	shape   []int
	items   []any // objects
	data    []byte
	of      Header // what data holds, in Fortran order if fortran
	fortran bool
}

// dtype is a numpy.dtype.
type dtype struct{ Header }

const errValue = pickleError("holds a pickle whose arrays or types are not NumPy's; refused")

// loadObjects runs the pickle in data, in at most ops operations, and returns the elements of the object array of
// this shape that it must leave.
func loadObjects(data []byte, shape []int, ops int) ([]any, error) {
	u := unpickler{in: data, memo: map[uint32]any{}, ops: ops}
	v, err := u.run()
	if err != nil {
		return nil, err
	}
	a, ok := v.(*array)
	if !ok {
		return nil, pickleError("holds a pickle of something else than an array")
	}
	if n, ok := product(a.shape); !ok || len(a.items) != n || !slices.Equal(a.shape, shape) {
		return nil, pickleError("holds a pickle of another shape than its header says")
	}
	return a.items, nil
}

// call is REDUCE.
func call(name global, args tuple) (any, error) {
	switch name {
	case reconstruct:
		if len(args) != 3 || args[0] != any(ndarray) {
			return nil, errValue
		}
		return &array{}, nil
	case dtypeOf:
		var d dtype
		if len(args) == 0 {
			return nil, errValue
		}
		if s, ok := textOf(args[0]); !ok || !d.parseType(s) {
			return nil, errValue
		}
		return &d, nil
	case scalar:
		if len(args) == 2 {
			d, ok1 := args[0].(*dtype)
			b, ok2 := args[1].(pyBytes)
			if ok1 && ok2 {
				return scalarOf(d.Header, []byte(b))
			}
		}
	case encode:
		if len(args) == 2 {
			s, ok := args[0].(string)
			codec, _ := textOf(args[1])
			if ok && (codec == "latin1" || codec == "latin-1") {
				b := make([]byte, 0, len(s))
				for _, r := range s {
					if r > 255 {
						return nil, errValue
					}
					b = append(b, byte(r))
				}
				return pyBytes(b), nil
			}
		}
	case bytesOf:
		if len(args) == 0 {
			return pyBytes(""), nil
		}
	default:
		return nil, errCalls("numpy." + string(name))
	}
	return nil, errValue
}

func textOf(v any) (string, bool) {
	switch s := v.(type) {
	case string:
		return s, true
	case pyBytes: // Python 2
		return string(s), true
	}
	return "", false
}

// scalarOf returns the value of a NumPy scalar.
func scalarOf(h Header, b []byte) (any, error) {
	if len(b) != h.ItemSize {
		return nil, errValue
	}
	b = slices.Clone(b)
	switch {
	case h.Kind == 'S':
		return pyBytes(b), nil
	case h.Kind == 'U':
		if h.Big {
			swap(b, 4)
		}
		runes := make([]rune, len(b)/4)
		for i := range runes {
			runes[i] = rune(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return strings.TrimRight(string(runes), "\x00"), nil
	case h.Kind == 'b' && h.ItemSize == 1:
		return b[0] != 0, nil
	case (h.Kind == 'i' || h.Kind == 'u') && h.Number():
		if h.Big {
			slices.Reverse(b)
		}
		if h.Kind == 'u' {
			b = append(b, 0) // no sign
		}
		return long(b), nil
	case h.Number():
		var v [1]float64
		decode(v[:], b, h)
		return v[0], nil
	}
	return nil, errValue
}

// build is BUILD: it sets the state of an array, (version, shape, dtype, fortran, items) without version in old
// pickles, or of a type, (version, byte order, subarray, names, fields, …).
func build(object, state any) error {
	s, ok := state.(tuple)
	if !ok {
		return errValue
	}
	switch o := object.(type) {
	case *array:
		if len(s) == 5 {
			s = s[1:]
		}
		if len(s) != 4 {
			return errValue
		}
		shape, ok1 := s[0].(tuple)
		of, ok2 := s[1].(*dtype)
		if !ok1 || !ok2 || len(shape) > maxDims {
			return errValue
		}
		*o = array{}
		for _, v := range shape {
			n, ok := v.(int64)
			if !ok || n < 0 {
				return errValue
			}
			o.shape = append(o.shape, int(n))
		}
		switch items := s[3].(type) {
		case *list:
			o.items = items.items
		case pyBytes: // an array of numbers, as an element
			size, ok := product(append([]int{of.ItemSize}, o.shape...))
			o.fortran, _ = s[2].(bool)
			if o.data, o.of = []byte(items), of.Header; !ok || !of.Number() || size != len(o.data) {
				return errValue
			}
		default:
			return errValue
		}
		return nil
	case *dtype:
		if len(s) < 5 || s[2] != nil || s[3] != nil || s[4] != nil {
			return errValue
		}
		order, ok := textOf(s[1])
		if !ok {
			return errValue
		}
		o.Big = order == ">"
		return nil
	}
	return errValue
}
