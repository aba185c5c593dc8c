package npz

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// File is an open .npz file.
type File struct {
	name   string
	size   int64
	names  []string // of the arrays, in the file's order
	arrays map[string]*zip.File
	closer io.Closer
}

// Open opens the file at path; its errors begin with path. An error wraps fs.ErrNotExist when there is none.
func Open(path string) (*File, error) {
	// Before it is opened, since opening a pipe waits for its writer.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file; give the path of an .npz file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w; give the path of an .npz file", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	z, err := New(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	z.closer = f
	return z, nil
}

// New reads the directory of an .npz file of size bytes; name begins the errors.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	zr, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, notZip(r, size))
	}
	f := &File{name: name, size: size, arrays: make(map[string]*zip.File, len(zr.File))}
	for _, e := range zr.File {
		if strings.HasSuffix(e.Name, "/") {
			continue
		}
		if _, twice := f.arrays[e.Name]; !twice {
			f.names = append(f.names, e.Name)
		}
		f.arrays[e.Name] = e // as in NumPy, the last of two entries with one name counts
	}
	return f, nil
}

// notZip says what a file without a readable zip directory seems to be, and what to do.
func notZip(r io.ReaderAt, size int64) string {
	head := make([]byte, 8)
	n, _ := r.ReadAt(head, 0)
	head = head[:n]
	switch {
	case size == 0:
		return "the file is empty; save the data again with np.savez"
	case bytes.HasPrefix(head, []byte("PK")):
		return "the zip file is cut off or damaged: its directory cannot be read; copy or save it again"
	case bytes.HasPrefix(head, []byte(magic)):
		return "a single .npy array; put X and y into one file with np.savez(path, X=X, y=y)"
	case bytes.HasPrefix(head, []byte("\x89HDF\r\n")):
		return "an HDF5 file, not .npz; save the data with np.savez(path, X=X, y=y)"
	}
	return "not a zip file, as .npz is one; save the data with np.savez(path, X=X, y=y)"
}

// Close closes the file that Open opened.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Names lists the arrays in the file's order.
func (f *File) Names() []string {
	list := make([]string, len(f.names))
	for i, name := range f.names {
		list[i] = strings.TrimSuffix(name, ".npy")
	}
	return list
}

// Has reports whether the file holds an array of this name.
func (f *File) Has(name string) bool { return f.entry(name) != nil }

func (f *File) entry(name string) *zip.File {
	if e := f.arrays[name]; e != nil {
		return e
	}
	return f.arrays[name+".npy"]
}

// Header returns the header of the named array.
func (f *File) Header(name string) (Header, error) {
	h, r, err := f.open(name)
	if err == nil {
		r.Close()
	}
	return h, err
}

// maxListed bounds the arrays that Contents names.
const maxListed = 40

// Contents lists the arrays with their shapes and types: "X (624, 60, 6) float32, y (624,) int32".
func (f *File) Contents() string {
	var b strings.Builder
	for i, name := range f.names {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == maxListed {
			fmt.Fprintf(&b, "and %d more", len(f.names)-i)
			break
		}
		b.WriteString(printable(strings.TrimSuffix(name, ".npy")))
		if h, err := f.Header(name); err == nil {
			fmt.Fprintf(&b, " %s %s", h.ShapeText(), h.Type)
		} else {
			b.WriteString(" (unreadable)")
		}
	}
	if b.Len() == 0 {
		return "no arrays"
	}
	return b.String()
}

// open returns the header of the named array and a reader of what follows it.
func (f *File) open(name string) (Header, io.ReadCloser, error) {
	e := f.entry(name)
	if e == nil {
		return Header{}, nil, fmt.Errorf("%s: no array %.100q; the file holds %s", f.name, name, f.Contents())
	}
	if e.Flags&1 != 0 {
		return Header{}, nil, f.errorf(name, "is encrypted; save it without a password")
	}
	r, err := e.Open()
	if err != nil {
		if errors.Is(err, zip.ErrAlgorithm) {
			return Header{}, nil, f.errorf(name, "is compressed by zip method %d; save it with np.savez or np.savez_compressed", e.Method)
		}
		return Header{}, nil, f.damaged(name, err)
	}
	h, err := readHeader(r)
	if err == nil {
		return h, r, nil
	}
	r.Close()
	var he headerError
	if errors.As(err, &he) {
		return Header{}, nil, f.errorf(name, "%s", string(he))
	}
	return Header{}, nil, f.damaged(name, err)
}

// check returns an error unless the entry can hold its header and exactly n·size bytes, whatever the header claims.
func (f *File) check(name string, h Header) error {
	e := f.entry(name)
	need, ok := product(append([]int{h.ItemSize}, h.Shape...))
	if !ok || uint64(need)+uint64(h.length) != e.UncompressedSize64 {
		return f.errorf(name, "is damaged: its header claims %s %s, but the file holds %d bytes of it; save it again",
			h.ShapeText(), h.Type, max(int64(e.UncompressedSize64)-int64(h.length), 0))
	}
	return f.checkSize(name)
}

// checkSize returns an error when the entry claims to unpack to more than its packed bytes can: no byte of a
// deflate stream stands for more than 1032.
func (f *File) checkSize(name string) error {
	e := f.entry(name)
	packed, most := e.CompressedSize64, e.CompressedSize64
	if e.Method == zip.Deflate && packed < 1<<50 {
		most = 1032*packed + 64
	}
	if packed > uint64(f.size) || e.UncompressedSize64 > most {
		return f.errorf(name, "is damaged: it claims %d bytes, and the whole file has %d; save it again", e.UncompressedSize64, f.size)
	}
	return nil
}

// An array that is read whole may be packed so far, once it is large. Measured values pack to a half, windows that are nearly
// all padding to a hundredth; what packs further is a bomb, of which 100 MB would take 100 GB of memory.
const (
	largeArray = 256 << 20 // bytes
	mostPacked = 200
)

// checkWhole is check of an array that is taken into memory.
func (f *File) checkWhole(name string, h Header) error {
	if err := f.check(name, h); err != nil {
		return err
	}
	return f.checkPacked(name)
}

func (f *File) checkPacked(name string) error {
	if e := f.entry(name); e.UncompressedSize64 > largeArray && e.UncompressedSize64/mostPacked > e.CompressedSize64 {
		return f.errorf(name, "holds %d bytes packed into %d, as no measured data is; if it is what you mean, save it with np.savez, unpacked", e.UncompressedSize64, e.CompressedSize64)
	}
	return nil
}

// finish returns an error unless r is at its end, where the zip reader compares the checksum.
func (f *File) finish(name string, r io.Reader) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return f.errorf(name, "is damaged: it holds more than its header says; save it again")
	default:
		return f.damaged(name, err)
	}
}

func (f *File) errorf(name, format string, args ...any) error {
	return fmt.Errorf("%s: %s "+format, append([]any{f.name, printable(name)}, args...)...)
}

func (f *File) damaged(name string, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.errorf(name, "is cut off: the file ends before the array does; copy or save it again")
	case errors.Is(err, zip.ErrChecksum):
		return f.errorf(name, "is damaged: its checksum is wrong; copy or save it again")
	}
	return fmt.Errorf("%s: %s is damaged; copy or save it again: %w", f.name, printable(name), err)
}

// printable returns s for a message: quoted when it holds anything odd, and cut when it is long.
func printable(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` || s == "" || strings.Contains(s, " ") {
		return q
	}
	return s
}
