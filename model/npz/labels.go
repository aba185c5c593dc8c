package npz

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Index returns an element's index for a message: "[3][0][5]".
func Index(index ...int) string {
	var b strings.Builder
	for _, i := range index {
		fmt.Fprintf(&b, "[%d]", i)
	}
	return b.String()
}

const (
	maxLabel = 4096    // bytes of one label on average, of a text type at most
	slack    = 1 << 20 // bytes of an object array beyond its labels
	perLabel = 64      // pickle operations for one label; NumPy's own scalars take some 30
	opsSlack = 4 << 10 // pickle operations for the array around them
)

// Labels returns the n elements of the named array, of shape (n,) or (n, 1), as text: text and bytes as they are
// (without the zeros that pad them), whole numbers in decimal, None as "None". The array may be of text, bytes,
// bool, numbers, or of objects of these kinds; a pickle that holds or calls anything else is an error that names it.
// numbers reports whether all are numbers.
func (f *File) Labels(name string, n int) (labels []string, numbers bool, err error) {
	h, r, err := f.open(name)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	if !h.Column(n) {
		return nil, false, f.errorf(name, "has shape %s; %d windows need (%d,)", h.ShapeText(), n, n)
	}
	switch {
	case h.Kind == 'O':
		return f.objects(name, h, r, n)
	case h.Kind == 'U' || h.Kind == 'S':
		labels, err = f.texts(name, h, r, n)
	case h.Number():
		var values []float64
		if h.Kind != 'f' && h.ItemSize == 8 { // beyond 2⁵³ two labels may share a float64
			labels, err = f.integers(name, h, r, n)
			return labels, true, err
		}
		if values, _, err = f.Float64(name); err != nil {
			return nil, false, err
		}
		seen := interned{}
		labels = make([]string, n)
		for i, v := range values {
			labels[i] = seen.get(strconv.FormatFloat(v, 'f', -1, 64))
		}
	default:
		return nil, false, f.errorf(name, "is %s; save it with .astype(str)", h.Type)
	}
	return labels, h.Number(), err
}

// interned keeps one copy of equal strings: labels repeat.
type interned map[string]string

func (m interned) get(s string) string {
	if t, ok := m[s]; ok {
		return t
	}
	m[s] = s
	return s
}

func (f *File) integers(name string, h Header, r io.Reader, n int) ([]string, error) {
	return f.fixed(name, h, r, n, func(item []byte) string {
		u := binary.LittleEndian.Uint64(item)
		if h.Kind == 'u' {
			return strconv.FormatUint(u, 10)
		}
		return strconv.FormatInt(int64(u), 10)
	})
}

func (f *File) texts(name string, h Header, r io.Reader, n int) ([]string, error) {
	if h.ItemSize > 4*maxLabel {
		return nil, f.errorf(name, "is %s: labels of more than %d characters; save shorter ones", h.Type, maxLabel)
	}
	var runes []rune
	return f.fixed(name, h, r, n, func(item []byte) string {
		if h.Kind == 'S' {
			return text(item)
		}
		runes = runes[:0]
		for i := 0; i < len(item); i += 4 {
			runes = append(runes, rune(binary.LittleEndian.Uint32(item[i:])))
		}
		return strings.TrimRight(string(runes), "\x00")
	})
}

// fixed reads n elements of h.ItemSize bytes; label is handed them in little-endian order.
func (f *File) fixed(name string, h Header, r io.Reader, n int, label func([]byte) string) ([]string, error) {
	if err := f.checkWhole(name, h); err != nil {
		return nil, err
	}
	var labels []string
	seen := interned{}
	item := make([]byte, h.ItemSize)
	for range n {
		if _, err := io.ReadFull(r, item); err != nil {
			return nil, f.damaged(name, err)
		}
		if h.Big && h.Kind == 'U' {
			swap(item, 4)
		} else if h.Big && h.Kind != 'S' {
			swap(item, h.ItemSize)
		}
		labels = append(labels, seen.get(label(item)))
	}
	return labels, f.finish(name, r)
}

// text returns bytes without the zeros that pad them, read as UTF-8, or as Latin-1 where they are not.
func text(b []byte) string {
	s := strings.TrimRight(string(b), "\x00")
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range runes {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// objects reads the labels of an object array, whose data is one pickle.
func (f *File) objects(name string, h Header, r io.Reader, n int) (labels []string, numbers bool, err error) {
	limit := int64(slack) + int64(n)*maxLabel
	if size := f.entry(name).UncompressedSize64; size > uint64(limit) {
		return nil, false, f.errorf(name, "holds %d bytes for %d labels; save it with .astype(str)", size, n)
	}
	if err := f.checkSize(name); err != nil {
		return nil, false, err
	}
	if err := f.checkPacked(name); err != nil {
		return nil, false, err
	}
	data, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, false, f.damaged(name, err)
	}
	items, err := loadObjects(data, h.Shape, opsSlack+perLabel*n)
	if err != nil {
		return nil, false, f.errorf(name, "%w; save it with .astype(str)", err)
	}
	labels = make([]string, n)
	numbers = true
	seen := interned{}
	for i, item := range items {
		s, ok := labelOf(item)
		if !ok {
			return nil, false, f.errorf(name, "holds %s at [%d], where text or a whole number is needed; save it with .astype(str)", kindOf(item), i)
		}
		labels[i] = seen.get(s)
		switch item.(type) {
		case nil, string, pyBytes:
			numbers = false
		}
	}
	return labels, numbers, nil
}

func labelOf(item any) (string, bool) {
	switch v := item.(type) {
	case nil:
		return "None", true
	case string:
		return v, true
	case pyBytes:
		return text([]byte(v)), true
	case bool:
		if v {
			return "True", true
		}
		return "False", true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func kindOf(item any) string {
	switch item.(type) {
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *array:
		return "an array"
	case *dtype:
		return "a type"
	}
	return "a class"
}

// MaxText bounds what Text reads, in bytes: 4 for each character of NumPy's <U.
const MaxText = 4 << 20

// Text returns the only element of the named array, of shape (), (1,) or (1, 1), which holds text or bytes.
func (f *File) Text(name string) (string, error) {
	h, r, err := f.open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	size := 1
	for _, n := range h.Shape {
		size *= n
	}
	switch {
	case h.Kind != 'U' && h.Kind != 'S' || size != 1 || len(h.Shape) > 2:
		return "", f.errorf(name, "is %s of shape %s; one text is needed", h.Type, h.ShapeText())
	case h.ItemSize > MaxText:
		return "", f.errorf(name, "holds a text of %d bytes; at most %d", h.ItemSize, MaxText)
	}
	s := ""
	_, err = f.fixed(name, h, r, 1, func(item []byte) string {
		if s = text(item); h.Kind == 'U' {
			runes := make([]rune, len(item)/4)
			for i := range runes {
				runes[i] = rune(binary.LittleEndian.Uint32(item[4*i:]))
			}
			s = strings.TrimRight(string(runes), "\x00")
		}
		return ""
	})
	return s, err
}
