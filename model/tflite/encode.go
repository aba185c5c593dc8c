package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"vklstm/model"
)

// Encode returns t as a TFLite file, the kernels kept as q says: float16 after DEQUANTIZE, int8 with one scale per
// kernel as the operators' hybrid form reads it. The same t gives the same bytes. The error says what of t cannot be
// written.
func Encode(t model.Trained, q model.Quantization) ([]byte, error) {
	if err := t.Check(q); err != nil {
		return nil, fmt.Errorf("tflite: write the model: %w", err)
	}
	t = t.Folded()
	if err := t.Check(q); err != nil {
		return nil, fmt.Errorf("tflite: write the model, its BatchNormalization folded: %w", err)
	}
	c, _ := t.Spec.Chain()
	w := writer{graph: newGraph(), chain: c, layout: t.Spec.Layout(), quantization: q}
	x := w.tensor(tFloat, 1, c.T, c.F)
	if err := w.bounded(t); err != nil {
		return nil, fmt.Errorf("tflite: write the model: %w", err)
	}
	y := w.network(t, x)
	version := make([]byte, 16) // CUMSUM is the newest operator: TensorFlow 2.4
	copy(version, "2.4.0")
	return w.file(x, y, append([][2]string{{"min_runtime_version", string(version)}}, t.Metadata()...)), nil
}

type writer struct {
	*graph
	chain        model.Chain
	layout       model.Layout
	quantization model.Quantization

	rows [2]int // row of each step in the order of each direction, i32[1][T][1]
	swap int    // row of either order that holds the same step as each row of the other, i32[T+1]
	came [2]int // which row of a masked layer that went backwards each row of either order reads, i32[T+1]
}

// closed is what the input of a gate is at most in a reset row: exp(−110) is 0 in float32.
const closed = 110

// network writes everything after x and returns the output.
func (w *writer) network(t model.Trained, x int) int {
	T, F := w.chain.T, w.chain.F
	cells, column := []int{1, T, F}, []int{1, T, 1}
	zero := w.scalar(0)

	size := w.op(opAbs, []int{x}, tFloat, cells)
	fine := w.op(opLessEqual, []int{size, w.scalar(math.MaxFloat32)}, tBool, cells) // not so: NaN and infinities
	given := w.op(opSelect, []int{fine, x, zero}, tFloat, cells)
	infinite := w.op(opGreater, []int{size, w.scalar(math.MaxFloat32)}, tBool, cells)
	bad := w.op(opAny, []int{infinite, w.ints([]int{1, 2}, 2)}, tBool, []int{1})

	valid := none // of all steps
	if w.chain.Masked {
		valid = w.op(opAny, []int{w.says(size, fine, x), w.ints([]int{2}, 1)}, tBool, column, slot{0, true})
		w.order(valid)
	} else {
		w.inOrder()
	}

	scaled := given
	if offset, factor := t.Scaling.Rescale(); len(offset) > 0 {
		scaled = w.op(opSub, []int{scaled, w.floats(offset, F)}, tFloat, cells)
		scaled = w.op(opMul, []int{scaled, w.floats(factor, F)}, tFloat, cells)
		scaled = w.op(opSelect, []int{fine, scaled, zero}, tFloat, cells)
	}
	if valid != none && (len(t.Scaling.Offset) > 0 || w.chain.MaskValue != 0) {
		scaled = w.op(opSelect, []int{valid, scaled, zero}, tFloat, cells)
	}
	scaled = w.op(opMinimum, []int{scaled, w.scalar(t.Largest())}, tFloat, cells)
	scaled = w.op(opMaximum, []int{scaled, w.scalar(-t.Largest())}, tFloat, cells)

	var p int
	out := []int{1, w.chain.Classes}
	for k, params := range t.Members {
		one := w.member(params, scaled, valid)
		if k == 0 {
			p = one
		} else {
			p = w.op(opAdd, []int{p, one}, tFloat, out)
		}
	}
	if n := len(t.Members); n > 1 {
		p = w.op(opMul, []int{p, w.scalar(float32(1 / float64(n)))}, tFloat, out)
	}
	return w.op(opSelect, []int{bad, w.scalar(float32(math.NaN())), p}, tFloat, out)
}

// member writes one network from scaled[1][T][F] to its probability [1][1].
func (w *writer) member(params []float32, scaled, valid int) int {
	c, T := w.chain, w.chain.T
	closing := w.closing(params)
	row := func(width int) []int { return []int{1, T + 1, width} }

	// The first layer's rows, by direction: moved steps with r = 0, reset rows with r = R.
	var below [2]int // what the layer reads, in the order of each direction, with r after
	var r int
	if valid == none {
		r = w.floats(slices.Repeat([]float32{-closing}, T), 1, T, 1)
	} else {
		r = w.op(opSelect, []int{valid, w.scalar(-closing), w.scalar(0)}, tFloat, []int{1, T, 1})
	}
	joined := w.op(opConcatenation, []int{scaled, r}, tFloat, []int{1, T, c.F + 1}, slot{0, int32(2)})
	base := make([]float32, c.F+1)
	base[c.F] = closing
	for d := range w.directions() {
		moved := w.op(opScatter, []int{w.rows[d], joined, w.ints([]int{T + 1, c.F + 1}, 2)}, tFloat, []int{T + 1, c.F + 1})
		below[d] = w.op(opAdd, []int{moved, w.floats(base, 1, 1, c.F+1)}, tFloat, row(c.F+1))
	}
	resets := below
	if len(c.LSTMs) > 1 {
		for d := range w.directions() {
			v := func(list ...int) int { return w.ints(list, 3) }
			resets[d] = w.op(opSlice, []int{below[d], v(0, 0, c.F), v(1, T+1, c.F+1), v(1, 1, 1)}, tFloat, row(1))
		}
	}

	var x int
	for i, layer := range c.LSTMs {
		var out []int
		for d := range 2 {
			if reads(layer, d) {
				out = append(out, w.lstm(params, layer, d, below[d], closing))
			}
		}
		if i+1 == len(c.LSTMs) {
			x = w.last(out, layer)
			break
		}
		for d := range 2 {
			if reads(c.LSTMs[i+1], d) {
				parts := w.merged(w.aligned(out, layer, d), layer, row(layer.Units))
				below[d] = w.op(opConcatenation, append(parts, resets[d]), tFloat, row(layer.Out()+1), slot{0, int32(2)})
			}
		}
	}
	for i, s := range c.Head {
		kernel, bias := transposed(w.layout.Variables[s.First].Of(params), s.In, s.Out), w.layout.Variables[s.First+1].Of(params)
		if i+1 == len(c.Head) {
			x = w.op(opDense, []int{x, w.floats(kernel, s.Out, s.In), w.floats(bias, s.Out)}, tFloat, []int{1, s.Out})
			break
		}
		dense, fused := opDense, []slot{}
		if w.quantization == model.QuantizeInt8 {
			dense = opDenseInt8
		}
		if s.Activation == model.Relu {
			fused = []slot{{0, int8(1)}}
		}
		x = w.op(dense, []int{x, w.kernel(kernel, s.Out, s.In), w.floats(bias, s.Out)}, tFloat, []int{1, s.Out}, fused...)
		switch s.Activation {
		case model.Tanh:
			x = w.op(opTanh, []int{x}, tFloat, []int{1, s.Out})
		case model.Sigmoid:
			x = w.op(opLogistic, []int{x}, tFloat, []int{1, s.Out})
		}
	}
	if c.Classes > 1 {
		return w.op(opSoftmax, []int{x}, tFloat, []int{1, c.Classes}, slot{0, float32(1)})
	}
	return w.op(opLogistic, []int{x}, tFloat, []int{1, 1})
}

// reads reports whether a layer takes the steps in the order of direction d: 0 forward, 1 backward.
func reads(layer model.Recurrent, d int) bool {
	return layer.Bidirectional || layer.GoBackwards == (d == 1)
}

// aligned returns a layer's outputs in the order of direction d of the layer that reads them.
func (w *writer) aligned(out []int, layer model.Recurrent, d int) (list []int) {
	for from, o := range out {
		switch {
		case layer.GoBackwards && w.chain.Masked:
			o = w.op(opGather, []int{o, w.came[d]}, tFloat, []int{1, w.chain.T + 1, layer.Units}, slot{0, int32(1)})
		case from != d: // that a layer went backwards changes nothing: its order is the next one's forward
			o = w.op(opGather, []int{o, w.swap}, tFloat, []int{1, w.chain.T + 1, layer.Units}, slot{0, int32(1)})
		}
		list = append(list, o)
	}
	return list
}

// last returns row T of each direction's outputs, merged: [1][Out].
func (w *writer) last(out []int, layer model.Recurrent) int {
	T, H := w.chain.T, layer.Units
	v := func(list ...int) int { return w.ints(list, 3) }
	var parts []int
	for _, o := range out {
		parts = append(parts, w.op(opSlice, []int{o, v(0, T, 0), v(1, T+1, H), v(1, 1, 1)}, tFloat, []int{1, H}, slot{4, int32(2)}))
	}
	if parts = w.merged(parts, layer, []int{1, H}); len(parts) == 1 {
		return parts[0]
	}
	return w.op(opConcatenation, parts, tFloat, []int{1, layer.Out()}, slot{0, int32(1)})
}

// merged makes one of the outputs of both directions, but where they are to be concatenated.
func (w *writer) merged(parts []int, layer model.Recurrent, shape []int) []int {
	switch layer.Merge {
	case model.Sum:
		return []int{w.op(opAdd, parts, tFloat, shape)}
	case model.Average:
		return []int{w.op(opMul, []int{w.op(opAdd, parts, tFloat, shape), w.scalar(0.5)}, tFloat, shape)}
	case model.Product:
		return []int{w.op(opMul, parts, tFloat, shape)}
	}
	return parts
}

// lstm writes one direction of a layer on x[1][T+1][In+1], the last feature of which is r, and returns its outputs
// [1][T+1][H]. Inputs are x; four kernels, four recurrent kernels, no peepholes; four biases, no projection; h and c.
func (w *writer) lstm(params []float32, layer model.Recurrent, direction, x int, closing float32) int {
	H, v := layer.Units, w.layout.Variables[layer.First:]
	if layer.Bidirectional {
		v = v[3*direction:]
	}
	in := []int{x}
	for g := range 4 {
		k := gate(v[0].Of(params), layer.In, H, g, 1)
		if g < 2 {
			top := w.weightOf(k)
			for u := range H {
				k[u*(layer.In+1)+layer.In] = -top
			}
		}
		in = append(in, w.kernel(k, H, layer.In+1))
	}
	for g := range 4 {
		in = append(in, w.kernel(gate(v[1].Of(params), H, H, g, 0), H, H))
	}
	in = append(in, -1, -1, -1)
	for g := range 4 {
		in = append(in, w.floats(v[2].Of(params)[g*H:(g+1)*H], H))
	}
	in = append(in, -1, -1)
	for range 2 {
		state := w.tensor(tFloat, 1, H)
		w.tensors[state].variable = true
		in = append(in, state)
	}
	in = append(in, -1, -1, -1, -1)
	op := opLSTM
	if w.quantization == model.QuantizeInt8 {
		op = opLSTMInt8
	}
	options := []slot{{0, int8(4)}} // tanh
	if layer.Activation == model.Relu {
		options = []slot{{0, int8(1)}, {1, float32(farthest)}}
	}
	return w.op(op, in, tFloat, []int{1, w.chain.T + 1, H}, options...)
}

// farthest is where the cell state of a relu layer is cut off: where it grows without end, there would be no number in it for all windows
// that come.
const farthest = 1e9

// reach returns how large a value can be that a direction of a layer puts out, and that the layer does.
func reach(layer model.Recurrent) (own, all float64) {
	own = 1
	if layer.Activation == model.Relu {
		own = farthest
	}
	switch all = own; layer.Merge {
	case model.Sum:
		all = 2 * own
	case model.Product:
		all = own * own
	}
	return own, all
}

// closing returns R: with it, the input of every input and forget gate is at most −closed in a reset row, where all else
// that comes in is a state within its reach and the bias.
func (w *writer) closing(params []float32) float32 {
	most := float32(0)
	for _, layer := range w.chain.LSTMs {
		own, _ := reach(layer)
		for d := range layer.Directions() {
			v, H := w.layout.Variables[layer.First+3*d:], layer.Units
			largest, top := float32(0), float32(math.Inf(1))
			for g := range 2 {
				recurrent, bias := gate(v[1].Of(params), H, H, g, 0), v[2].Of(params)[g*H:(g+1)*H]
				for u := range H {
					sum := abs(bias[u])
					for _, x := range recurrent[u*H : (u+1)*H] {
						sum += float32(own) * abs(x)
					}
					largest = max(largest, sum)
				}
				top = min(top, w.weightOf(gate(v[0].Of(params), layer.In, H, g, 0)))
			}
			most = max(most, (2*largest+closed)/top) // twice, since float32 rounds sums
		}
	}
	return most
}

// weightOf returns the weight of r in the kernel of a gate: the largest there. Of a kernel that L2 made vanish, R could be
// infinite, and float16 would leave a weight of 0, with which no gate closes: it is no less than float16 has in full, and
// elsewhere, where int8 would lose a small kernel beside it, than what leaves R finite.
func (w *writer) weightOf(kernel []float32) float32 {
	if w.quantization == model.QuantizeFloat16 {
		return max(largestOf(kernel), 0x1p-14)
	}
	least := float32(1e-30)
	if slices.ContainsFunc(w.chain.LSTMs, func(r model.Recurrent) bool { return r.Activation == model.Relu }) {
		least *= farthest // of which R has to be that much larger
	}
	return max(largestOf(kernel), least)
}

// tooLarge is far beyond any sum before a gate that a sane network has, and far below where R or the sum are infinite;
// sensible is what a first layer should at least be able to read.
const tooLarge, sensible = 1e30, 1e6

// bounded returns an error where a sum before a gate can be so large: of two infinities it is no number, which stays in the
// state for all windows that come.
func (w *writer) bounded(t model.Trained) error {
	for _, params := range t.Members {
		in := sensible
		for _, layer := range w.chain.LSTMs {
			own, all := reach(layer)
			for d := range layer.Directions() {
				v := w.layout.Variables[layer.First+3*d:]
				sum := make([]float64, 4*layer.Units)
				for n, bound := range [...]float64{in, own, 1} { // kernel, recurrent_kernel, bias
					for j, p := range v[n].Of(params) {
						sum[j%len(sum)] += bound * math.Abs(float64(p))
					}
				}
				for u, s := range sum {
					if s > tooLarge {
						return fmt.Errorf("model: %s and %s sum up to %.1g in unit %d; the training diverged, try a lower learning rate",
							v[0].Name, v[1].Name, s, u%layer.Units)
					}
				}
			}
			in = all
		}
	}
	return nil
}

// largestOf returns the largest |v|, and 1 where all are 0.
func largestOf(list []float32) float32 {
	top := float32(0)
	for _, v := range list {
		top = max(top, abs(v))
	}
	if top == 0 {
		return 1
	}
	return top
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

// gate turns gate g (Keras's order: i, f, c, o) of a kernel[rows][4H] into [H][rows+extra], the further columns 0.
func gate(a []float32, rows, h, g, extra int) []float32 {
	out := make([]float32, h*(rows+extra))
	for u := range h {
		for r := range rows {
			out[u*(rows+extra)+r] = a[r*4*h+g*h+u]
		}
	}
	return out
}

// transposed turns a[rows][columns] into [columns][rows].
func transposed(a []float32, rows, columns int) []float32 {
	out := make([]float32, len(a))
	for r := range rows {
		for c := range columns {
			out[c*rows+r] = a[r*columns+c]
		}
	}
	return out
}

// kernel writes a constant as the quantization has it.
func (w *writer) kernel(a []float32, shape ...int) int {
	switch w.quantization {
	case model.QuantizeFloat16:
		var data []byte
		for _, v := range a {
			data = binary.LittleEndian.AppendUint16(data, model.Float16(v))
		}
		return w.op(opDequantize, []int{w.constant(tFloat16, data, 0, shape...)}, tFloat, shape)
	case model.QuantizeInt8:
		scale, data := largestOf(a)/127, make([]byte, len(a))
		if scale < 0x1p-126 { // XNNPACK refuses the whole file for a subnormal one
			scale = 1
		}
		for i, v := range a {
			data[i] = byte(int8(max(-127, min(127, math.RoundToEven(float64(v)/float64(scale))))))
		}
		return w.constant(tInt8, data, scale, shape...)
	}
	return w.floats(a, shape...)
}
