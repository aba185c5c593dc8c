package npz

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Array is one array of a file that is written, slowest dimension first.
type Array struct {
	Name  string
	Shape []int // no dimension: a single value
	Data  any   // []float32, []float64, []int64 or []string; text becomes NumPy's fixed-width <U
}

// maxWritten bounds an array of text in bytes. All its elements are as wide as the longest.
const maxWritten = 2 << 30

// Write writes a file with the arrays, in this order, stored or deflated (a method of archive/zip). It panics when an
// array's data is not of its shape. An error is w's, or says that one long element makes an array of text too large.
func Write(w io.Writer, method uint16, arrays ...Array) error {
	return WriteRepeated(w, method, 1, arrays...)
}

// WriteRepeated is Write of arrays whose data stands n times, one after the other, in the slowest dimension, which takes no
// more memory.
func WriteRepeated(w io.Writer, method uint16, n int, arrays ...Array) error {
	z := zip.NewWriter(w)
	for _, a := range arrays {
		f, err := z.CreateHeader(&zip.FileHeader{Name: a.Name + ".npy", Method: method})
		if err != nil {
			return err
		}
		if err := a.write(f, n); err != nil {
			return err
		}
	}
	return z.Close()
}

// write writes format 1.0: magic, version, length of the header, a Python dictionary padded so that the data begins at a
// multiple of 64.
func (a Array) write(w io.Writer, n int) error {
	kind, raw, count, err := a.encode()
	if err != nil {
		return err
	}
	shape, size := "", 1
	for i, d := range a.Shape {
		size *= d
		if i == 0 {
			d *= n
		}
		shape += fmt.Sprintf("%d,", d)
	}
	if size != count {
		panic(fmt.Sprintf("npz: array %q of shape %v has %d values", a.Name, a.Shape, count))
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", kind, shape)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	begin := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	if _, err := w.Write(append(begin, header...)); err != nil {
		return err
	}
	for range n {
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

// encode returns the array's type, its bytes, and how many values it has.
func (a Array) encode() (kind string, raw []byte, count int, err error) {
	switch data := a.Data.(type) {
	case []float32:
		raw = make([]byte, 0, 4*len(data))
		for _, v := range data {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		return "<f4", raw, len(data), nil
	case []float64:
		for _, v := range data {
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
		}
		return "<f8", raw, len(data), nil
	case []int64:
		for _, v := range data {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
		return "<i8", raw, len(data), nil
	case []string:
		width := 1
		for _, s := range data {
			width = max(width, utf8.RuneCountInString(s))
		}
		if len(data) > maxWritten/4/width {
			return "", nil, 0, fmt.Errorf("npz: array %q has %d texts, of which the longest has %d characters: NumPy keeps all in that width, more than %d bytes; shorten it",
				a.Name, len(data), width, maxWritten)
		}
		raw = make([]byte, 0, 4*width*len(data))
		for _, s := range data {
			n := 0
			for _, r := range s {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(r))
				n++
			}
			raw = append(raw, make([]byte, 4*(width-n))...)
		}
		return fmt.Sprintf("<U%d", width), raw, len(data), nil
	}
	panic(fmt.Sprintf("npz: array %q is of %T, which is not written", a.Name, a.Data))
}
