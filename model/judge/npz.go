package golden

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"codeberg.org/sbinet/npyio/npy"
)

// Bounds on what is read, so that a damaged or hostile file cannot take the memory.
const (
	maxFile     = 1 << 30 // bytes of an npz, and of one array in it
	maxHeader   = 1 << 16 // bytes of an npy header
	maxElements = 1 << 27 // elements of one array
	maxRatio    = 1100    // of deflate, which reaches 1032
)

// Array is one array of a case, in C order.
type Array struct {
	Shape []int // slowest dimension first; empty for a scalar
	Data  []float64
}

// readNPZ reads every array of an npz file.
func readNPZ(fsys fs.FS, name string) (map[string]Array, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("golden: %s: %d bytes; at most %d are read", name, info.Size(), maxFile)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("golden: %s: %w; it must be what numpy.savez writes", name, err)
	}
	arrays := map[string]Array{}
	for _, f := range z.File {
		a, err := readEntry(f)
		if err != nil {
			return nil, fmt.Errorf("golden: %s: array %s: %w", name, f.Name, err)
		}
		arrays[strings.TrimSuffix(f.Name, ".npy")] = a
	}
	return arrays, nil
}

func readEntry(f *zip.File) (Array, error) {
	if f.UncompressedSize64 > maxFile || f.UncompressedSize64 > maxRatio*(f.CompressedSize64+64) {
		return Array{}, fmt.Errorf("claims %d bytes out of %d", f.UncompressedSize64, f.CompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return Array{}, err
	}
	defer r.Close()
	return readNPY(r, int(f.UncompressedSize64))
}

// readNPY reads one array of at most size bytes, header included.
func readNPY(r io.Reader, size int) (Array, error) {
	header, err := readHeader(r, size)
	if err != nil {
		return Array{}, err
	}
	order := binary.ByteOrder(binary.LittleEndian)
	kind := strings.Trim(header.Descr.Type, "'\"")
	if strings.HasPrefix(kind, ">") {
		order = binary.BigEndian
	}
	width := map[string]int{"f4": 4, "f8": 8}[strings.TrimLeft(kind, "<>=|")]
	if width == 0 {
		return Array{}, fmt.Errorf("type %s; float32 and float64 are read", kind)
	}
	n := 1
	for _, d := range header.Descr.Shape {
		if d < 0 || d > 0 && n > maxElements/d {
			return Array{}, fmt.Errorf("shape %v; at most %d elements are read", header.Descr.Shape, maxElements)
		}
		n *= d
	}
	if n*width > size {
		return Array{}, fmt.Errorf("shape %v needs %d bytes; the entry has %d", header.Descr.Shape, n*width, size)
	}
	if header.Descr.Fortran && len(header.Descr.Shape) > 1 {
		return Array{}, fmt.Errorf("is in Fortran order; save it with numpy.ascontiguousarray")
	}
	raw := make([]byte, n*width)
	if _, err := io.ReadFull(r, raw); err != nil {
		return Array{}, fmt.Errorf("cut short: %w", err)
	}
	a := Array{Shape: header.Descr.Shape, Data: make([]float64, n)}
	for i := range a.Data {
		if width == 4 {
			a.Data[i] = float64(math.Float32frombits(order.Uint32(raw[4*i:])))
		} else {
			a.Data[i] = math.Float64frombits(order.Uint64(raw[8*i:]))
		}
	}
	return a, nil
}

// readHeader reads an npy header. npyio takes its length on trust and panics on some that are malformed, so the
// length is checked first and a panic becomes an error.
func readHeader(r io.Reader, size int) (h npy.Header, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed header: %v", p)
		}
	}()
	start := make([]byte, 12)
	if _, err := io.ReadFull(r, start[:10]); err != nil {
		return h, fmt.Errorf("cut short: %w", err)
	}
	n, length := 10, int(binary.LittleEndian.Uint16(start[8:]))
	if start[6] >= 2 {
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return h, fmt.Errorf("cut short: %w", err)
		}
		n, length = 12, int(binary.LittleEndian.Uint32(start[8:]))
	}
	if length > maxHeader || length > size {
		return h, fmt.Errorf("header of %d bytes in %d", length, size)
	}
	reader, err := npy.NewReader(io.MultiReader(bytes.NewReader(start[:n]), io.LimitReader(r, int64(length))))
	if err != nil {
		return h, err
	}
	return reader.Header, nil
}
