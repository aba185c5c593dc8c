package portable

import (
	"cmp"
	"slices"

	"vklstm/model"
	"vklstm/model/augment"
)

// blockRows is how many rows a block has. Results depend on it (gradients are added block by block), so it is the same
// everywhere.
const blockRows = 8

// block is a core's working memory for one block of up to blockRows rows, n of them in use. Rows are sorted by their
// number of valid steps, longest first, and position r here is row order[r] of the block. Step s of a walk is its s-th of
// a row's valid steps; the states of step s lie behind those of step s−1, from first[s] on, one for each row that is so
// long: N = first[steps] in all. Without train only the step at hand is kept, at 0.
type block struct {
	model.Chain
	train bool

	n      int
	x      []float32 // [blockRows][T][F], as augment.Input gives it, by row
	mask   []bool    // [T], of the row being read
	valid  [][]int32 // [blockRows], the valid steps of each row, by row
	order  []int     // [blockRows]
	first  []int     // [T+1]
	steps  int       // of the longest row
	layers [][]*walk
	h, dh  []float32 // [blockRows][Out]: what the last layer puts out, and the gradient by it

	keep    []float32 // [blockRows][Out]: dropout's scale, or 0 where the unit is dropped
	dropped []float32 // [blockRows][Out]: h after dropout
	dense   []float32 // [blockRows][D]: after relu
	dDense  []float32 // [blockRows][D]
	logit   []float32 // [blockRows]
	dLogit  []float32 // [blockRows]
}

// newBlock returns memory for blocks of n rows, with what training needs if train is set.
func newBlock(d model.Chain, n int, train bool) *block {
	b := &block{Chain: d, train: train,
		x: floats(n * d.T * d.F), mask: make([]bool, d.T), valid: make([][]int32, n), order: make([]int, n), first: make([]int, d.T+1),
		layers: newWalks(d, n, train), h: floats(n * d.Out()),
		dropped: floats(n * d.Out()), dense: floats(n * d.D), logit: floats(n)}
	for r := range b.valid {
		b.valid[r] = make([]int32, 0, d.T)
	}
	if train {
		b.dh, b.keep = floats(n*d.Out()), floats(n*d.Out())
		b.dDense, b.dLogit = floats(n*d.D), floats(n)
	}
	return b
}

// begin empties the block.
func (b *block) begin() { b.n = 0 }

// add puts the window raw[T][F] into the block as its next row.
func (b *block) add(in *augment.Input, raw []float32, train bool, window, epoch uint32) {
	r, size := b.n, b.T*b.F
	b.n++
	in.Window(b.x[r*size:(r+1)*size], b.mask, raw, train, window, epoch)
	b.valid[r] = b.valid[r][:0]
	for t, valid := range b.mask {
		if valid {
			b.valid[r] = append(b.valid[r], int32(t))
		}
	}
}

// arrange sorts the rows and lays out their steps.
func (b *block) arrange() {
	order := b.order[:b.n]
	for r := range order {
		order[r] = r
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(len(b.valid[j]), len(b.valid[i])) })
	b.steps = len(b.valid[order[0]])
	active := b.n
	for s := range b.steps {
		for len(b.valid[order[active-1]]) <= s {
			active--
		}
		b.first[s+1] = b.first[s] + active
	}
}

// active returns how many rows have a step s; 0 behind the last.
func (b *block) active(s int) int {
	if s >= b.steps {
		return 0
	}
	return b.first[s+1] - b.first[s]
}

// at returns where the states of step s lie.
func (b *block) at(s int) int {
	if b.train {
		return b.first[s]
	}
	return 0
}

// row returns row i of a matrix whose rows have n elements.
func row(a []float32, i, n int) []float32 { return a[i*n : (i+1)*n : (i+1)*n] }
