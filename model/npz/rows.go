package npz

import (
	"io"
	"slices"
)

// Rows hands the named array of numbers, in C order, to each: `rows` rows of its slowest dimension at a time, the last
// time maybe fewer, in a slice that is overwritten afterwards. Values are those of Float32. An array in Fortran
// order, whose rows lie all over it, is read again for each passValues of them. Where the file is damaged, each may have been
// called before the error.
func (f *File) Rows(name string, rows int, each func(part []float32) error) error {
	h, r, err := f.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	if !h.Number() {
		return f.errorf(name, "is %s, not numbers; save it with .astype(\"float32\")", h.Type)
	}
	if err := f.check(name, h); err != nil {
		return err
	}
	n, _ := product(h.Shape)
	if n == 0 {
		return f.finish(name, r)
	}
	part := rows
	if len(h.Shape) > 0 { // else it is one value, and one row
		part *= n / h.Shape[0]
	}
	if h.Fortran && len(h.Shape) > 1 {
		return f.passes(name, h, part, max(1, passValues/part)*part, each)
	}
	out, buf := make([]float32, min(part, n)), make([]byte, min(chunk, n*h.ItemSize))
	for done := 0; done < n; done += len(out) {
		out = out[:min(len(out), n-done)]
		for at := 0; at < len(out); {
			k := min(len(out)-at, chunk/h.ItemSize)
			if _, err := io.ReadFull(r, buf[:k*h.ItemSize]); err != nil {
				return f.damaged(name, err)
			}
			if i := decode(out[at:at+k], buf[:k*h.ItemSize], h); i >= 0 {
				return f.errorf(name, "holds a value beyond float32's range at %s; scale it down", indexText(done+at+i, h))
			}
			at += k
		}
		if err := each(out); err != nil {
			return err
		}
	}
	return f.finish(name, r)
}

// passValues bounds what is kept of an array in Fortran order, in values.
const passValues = 64 << 20

// passes is Rows of an array in Fortran order: it reads the array again for every most values, of whole rows, and hands out part
// of them at a time.
func (f *File) passes(name string, h Header, part, most int, each func(part []float32) error) error {
	n, _ := product(h.Shape)
	columns := n / h.Shape[0] // values of a row; each is a run of h.Shape[0] values in the file
	to := rowOrder(h.Shape[1:])
	out := make([]float32, min(most, n))
	for from := 0; from < h.Shape[0]; from += most / columns {
		out = out[:min(len(out), n-from*columns)]
		if err := f.pass(name, from, len(out)/columns, to, out); err != nil {
			return err
		}
		for piece := range slices.Chunk(out, part) {
			if err := each(piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowOrder returns where each value of a row stands in C order, for the order in which Fortran has them.
func rowOrder(shape []int) []int {
	n, _ := product(shape)
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return invert(cOrder(at, shape))
}

func invert(p []int) []int {
	q := make([]int, len(p))
	for i, v := range p {
		q[v] = i
	}
	return q
}

// pass reads the rows from … from+n−1 of an array in Fortran order into out, whose rows are in C order.
func (f *File) pass(name string, from, n int, to []int, out []float32) error {
	h, r, err := f.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	skip := func(rows int) error {
		_, err := io.CopyN(io.Discard, r, int64(rows)*int64(h.ItemSize))
		return err
	}
	values, buf := make([]float32, min(n, chunk/h.ItemSize)), make([]byte, min(n*h.ItemSize, chunk))
	for column, c := range to {
		if err := skip(from); err != nil {
			return f.damaged(name, err)
		}
		for row := 0; row < n; {
			k := min(n-row, chunk/h.ItemSize)
			if _, err := io.ReadFull(r, buf[:k*h.ItemSize]); err != nil {
				return f.damaged(name, err)
			}
			if i := decode(values[:k], buf[:k*h.ItemSize], h); i >= 0 {
				return f.errorf(name, "holds a value beyond float32's range at %s; scale it down", indexText(column*h.Shape[0]+from+row+i, h))
			}
			for i, v := range values[:k] {
				out[(row+i)*len(to)+c] = v
			}
			row += k
		}
		if err := skip(h.Shape[0] - from - n); err != nil {
			return f.damaged(name, err)
		}
	}
	return f.finish(name, r)
}
