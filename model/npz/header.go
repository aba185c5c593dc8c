package npz

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

const magic = "\x93NUMPY"

// Header is what an array's .npy header says.
type Header struct {
	Type     string // NumPy's name: "float32", "int64", "bool", "object", "<U7"
	Kind     byte   // NumPy's letter: b bool, i and u integers, f floats, U text, S bytes, O objects; others as written
	ItemSize int    // bytes of an element; 0 for objects
	Big      bool   // big-endian
	Fortran  bool   // the first index runs fastest
	Shape    []int  // empty: a single value
	length   int    // bytes from the start of the entry to the data
}

// Number reports whether the elements are numbers that Float32 and Float64 read: bool, integers, floats of 2, 4
// or 8 bytes.
func (h Header) Number() bool {
	switch h.Kind {
	case 'b':
		return h.ItemSize == 1
	case 'i', 'u':
		return h.ItemSize == 1 || h.ItemSize == 2 || h.ItemSize == 4 || h.ItemSize == 8
	case 'f':
		return h.ItemSize == 2 || h.ItemSize == 4 || h.ItemSize == 8
	}
	return false
}

// Column reports whether the shape is (n,) or (n, 1).
func (h Header) Column(n int) bool {
	return len(h.Shape) == 1 && h.Shape[0] == n || len(h.Shape) == 2 && h.Shape[0] == n && h.Shape[1] == 1
}

// ShapeText returns the shape as NumPy prints it: "(624, 60, 6)", "(624,)", "()".
func (h Header) ShapeText() string {
	if len(h.Shape) == 1 {
		return fmt.Sprintf("(%d,)", h.Shape[0])
	}
	s := make([]string, len(h.Shape))
	for i, n := range h.Shape {
		s[i] = strconv.Itoa(n)
	}
	return "(" + strings.Join(s, ", ") + ")"
}

// headerError is what is wrong with a header, as the end of a sentence about the array.
type headerError string

func (e headerError) Error() string { return string(e) }

// A header longer than maxHeader belongs to a structured type; one of the types read here takes some 100 bytes.
const (
	maxHeader = 1 << 16
	maxDims   = 64 // NumPy's own limit
)

func readHeader(r io.Reader) (Header, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return Header{}, err
	}
	if string(start[:6]) != magic {
		return Header{}, headerError("is not a NumPy array; the file was not written by np.savez")
	}
	n, length := 0, 0
	switch start[6] {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return Header{}, err
		}
		n, length = int(binary.LittleEndian.Uint16(b[:])), 10
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return Header{}, err
		}
		if u := binary.LittleEndian.Uint32(b[:]); u <= maxHeader {
			n, length = int(u), 12
			break
		}
		return Header{}, headerError("has a header of more than 64 KiB; save it as an array of plain numbers")
	default:
		return Header{}, headerError(fmt.Sprintf("has format version %d; 1, 2 and 3 are known", start[6]))
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, err
	}
	h, err := parseHeader(string(text))
	h.length = length + n
	return h, err
}

// parseHeader reads the dict that a header is.
func parseHeader(text string) (Header, error) {
	var h Header
	bad := func(what string) (Header, error) {
		return Header{}, headerError("has a header that cannot be read (" + what + "); save it again")
	}
	p := literal{s: text}
	v, ok := p.value(0)
	dict, isDict := v.(map[string]any)
	if !ok || !isDict || strings.TrimSpace(p.s) != "" {
		return bad("no dict")
	}
	shape, ok := dict["shape"].(tuple)
	if !ok || len(shape) > maxDims {
		return bad("no shape")
	}
	for _, v := range shape {
		n, ok := v.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return bad("a shape that is no tuple of sizes")
		}
		h.Shape = append(h.Shape, int(n))
	}
	if h.Fortran, ok = dict["fortran_order"].(bool); !ok {
		return bad("no fortran_order")
	}
	switch d := dict["descr"].(type) {
	case string:
		if !h.parseType(d) {
			return bad("unknown type " + printable(d))
		}
	case tuple: // fields: a structured type
		h.Type, h.Kind = "structured", 'V'
	default:
		return bad("no descr")
	}
	return h, nil
}

// parseType reads a type such as "<f4", ">i8", "|b1", "|O" or "<U7".
func (h *Header) parseType(d string) bool {
	rest := strings.TrimLeft(d, "<>|=")
	if rest == "" || len(d)-len(rest) > 1 {
		return false
	}
	h.Big = d[0] == '>'
	h.Kind = rest[0]
	digits, unit, _ := strings.Cut(rest[1:], "[") // a unit only follows times: <M8[ns]
	size := 0
	if digits != "" {
		u, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return false
		}
		size = int(u)
	}
	h.ItemSize, h.Type = size, d
	switch h.Kind {
	case 'b':
		h.Type = "bool"
	case 'i':
		h.Type = fmt.Sprintf("int%d", 8*size)
	case 'u':
		h.Type = fmt.Sprintf("uint%d", 8*size)
	case 'f':
		h.Type = fmt.Sprintf("float%d", 8*size)
	case 'c':
		h.Type = fmt.Sprintf("complex%d", 8*size)
	case 'O':
		h.Type, h.ItemSize = "object", 0
	case 'U':
		if size > math.MaxInt32/4 {
			return false
		}
		h.ItemSize = 4 * size
	case 'S', 'V':
	case 'M', 'm':
		return strings.HasSuffix(unit, "]") || unit == ""
	default:
		return false
	}
	return unit == ""
}

// tuple is a Python tuple, or a list, where the difference does not matter.
type tuple []any

// literal reads Python's literals as far as headers have them: dicts with string keys, tuples, lists, strings
// without escapes, whole numbers, True, False and None.
type literal struct{ s string }

const maxDepth = 16

func (p *literal) value(depth int) (any, bool) {
	p.space()
	if depth > maxDepth || p.s == "" {
		return nil, false
	}
	switch c := p.s[0]; {
	case c == '{':
		p.s = p.s[1:]
		dict := map[string]any{}
		for !p.take("}") {
			k, ok := p.value(depth + 1)
			key, isText := k.(string)
			if !ok || !isText || !p.take(":") {
				return nil, false
			}
			if dict[key], ok = p.value(depth + 1); !ok || !p.separator("}") {
				return nil, false
			}
		}
		return dict, true
	case c == '(', c == '[':
		end := map[byte]string{'(': ")", '[': "]"}[c]
		p.s = p.s[1:]
		list := tuple{}
		for !p.take(end) {
			v, ok := p.value(depth + 1)
			if !ok || !p.separator(end) {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	case c == '\'', c == '"':
		end := strings.IndexByte(p.s[1:], c)
		if end < 0 || strings.Contains(p.s[1:1+end], `\`) {
			return nil, false
		}
		v := p.s[1 : 1+end]
		p.s = p.s[2+end:]
		return v, true
	}
	n := 0
	for n < len(p.s) && (p.s[n] == '-' || p.s[n]|0x20 >= 'a' && p.s[n]|0x20 <= 'z' || p.s[n] >= '0' && p.s[n] <= '9') {
		n++
	}
	word := p.s[:n]
	p.s = p.s[n:]
	switch word {
	case "True":
		return true, true
	case "False":
		return false, true
	case "None":
		return nil, true
	}
	v, err := strconv.ParseInt(strings.TrimSuffix(word, "L"), 10, 64) // Python 2 wrote (624L,)
	return v, err == nil
}

func (p *literal) space() { p.s = strings.TrimLeft(p.s, " \t\n") }

func (p *literal) take(token string) bool {
	p.space()
	if strings.HasPrefix(p.s, token) {
		p.s = p.s[len(token):]
		return true
	}
	return false
}

// separator takes a comma, or sees the end that follows without taking it.
func (p *literal) separator(end string) bool {
	return p.take(",") || strings.HasPrefix(p.s, end)
}

// product returns the product of sizes, and false when it overflows an int.
func product(sizes []int) (int, bool) {
	n := 1
	for _, s := range sizes {
		if s == 0 {
			return 0, true
		}
	}
	for _, s := range sizes {
		if s < 0 || n > math.MaxInt/s {
			return 0, false
		}
		n *= s
	}
	return n, true
}
