package tflite

import "math"

// none is an input that is left out.
const none = -1

// says writes whether each cell of x says something, bool[1][T][F]: is not missing, and not what Masking is of.
func (w *writer) says(size, fine, x int) int {
	cells, value := []int{1, w.chain.T, w.chain.F}, w.chain.MaskValue
	if value == 0 {
		return w.op(opGreater, []int{size, w.scalar(math.Nextafter32(0x1p-126, 0))}, tBool, cells) // subnormal numbers count as 0
	}
	given := w.op(opSelect, []int{fine, x, w.scalar(value)}, tFloat, cells)
	return w.op(opNotEqual, []int{given, w.scalar(value)}, tBool, cells)
}

// order sets rows, swap and came by which steps are valid, bool[1][T][1].
func (w *writer) order(valid int) {
	T := w.chain.T
	column := []int{1, T, 1}
	counted := w.op(opCast, []int{valid}, tInt32, column, slot{0, int8(tBool)}, slot{1, int8(tInt32)})
	for d := range w.directions() {
		others := w.op(opCumsum, []int{counted, w.ints([]int{1})}, tInt32, column, slot{0, true}, slot{1, d == 0})
		w.rows[d] = w.op(opSub, []int{w.ints([]int{T}), others}, tInt32, column)
	}
	if !w.swaps() {
		return
	}
	all := w.op(opCumsum, []int{counted, w.ints([]int{1})}, tInt32, column)
	last := func(v ...int) int { return w.ints(v, 3) }
	n := w.op(opSlice, []int{all, last(0, T-1, 0), last(1, T, 1), last(1, 1, 1)}, tInt32, []int{1}, slot{4, int32(6)})
	first := w.op(opSub, []int{w.ints([]int{T}), n}, tInt32, []int{1}) // the last reset row
	w.swap = w.swapped(n, first)
	if !w.chain.Turned() {
		return
	}
	// The layer has put out the valid steps from the last to the first, and in a masked one what it did in the step before, zeros
	// before there was one. So place s of the T has what it made of the last valid step of s + 1 from the end.
	back := make([]int, T)
	for i := range back {
		back[i] = T - 1 - i
	}
	so := w.op(opCumsum, []int{w.op(opGather, []int{counted, w.ints(back, T)}, tInt32, column, slot{0, int32(1)}), w.ints([]int{1})}, tInt32, column)
	row := w.op(opMul, []int{w.op(opAdd, []int{so, first}, tInt32, column), counted}, tInt32, column) // SCATTER_ND adds masked steps to others
	for d := range w.directions() {
		moved := w.op(opScatter, []int{w.rows[d], row, w.ints([]int{T + 1, 1}, 2)}, tInt32, []int{T + 1, 1})
		w.came[d] = w.op(opReshape, []int{moved, w.ints([]int{T + 1}, 1)}, tInt32, []int{T + 1})
	}
}

// inOrder sets rows and swap where every step is valid.
func (w *writer) inOrder() {
	T := w.chain.T
	var forward, backward []int
	swap := []int{0}
	for t := range T {
		forward, backward, swap = append(forward, t+1), append(backward, T-t), append(swap, T-t)
	}
	w.rows, w.swap = [2]int{w.ints(forward, 1, T, 1), w.ints(backward, 1, T, 1)}, w.ints(swap, T+1)
}

// directions returns 2 if any layer goes backward.
func (w *writer) directions() int {
	n := 1
	for _, l := range w.chain.LSTMs {
		n = max(n, l.Directions())
		if l.GoBackwards {
			n = 2
		}
	}
	return n
}

// swaps reports whether a layer reads what both directions of another put out, or goes backward on what one of
// either direction did.
func (w *writer) swaps() bool { return len(w.chain.LSTMs) > 1 && w.directions() == 2 }

// swapped writes, for each of the T + 1 rows of one direction's order, the row of the other's that holds the same step.
// With n valid steps those lie in rows T + 1 − n … T of both, in reverse: row p of one is 2T + 1 − n − p of the other. A
// reset row, of which first is the last, is row 0.
func (w *writer) swapped(n, first int) int {
	T := w.chain.T
	mirror, rows := make([]int, T+1), make([]int, T+1)
	for p := range rows {
		rows[p], mirror[p] = p, 2*T+1-p
	}
	there := w.op(opSub, []int{w.ints(mirror, T+1), n}, tInt32, []int{T + 1})
	reset := w.op(opLess, []int{first, w.ints(rows, T+1)}, tBool, []int{T + 1})
	return w.op(opSelect, []int{reset, there, w.ints([]int{0})}, tInt32, []int{T + 1})
}
