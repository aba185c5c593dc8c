package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"vklstm/model"
)

// Encode returns t as an ONNX file, the kernels kept as q says: float16 after Cast, int8 with a scale per unit after
// DequantizeLinear; either way runtimes compute in float32. The same t gives the same bytes. The error says what of t
// cannot be written.
func Encode(t model.Trained, q model.Quantization) ([]byte, error) {
	if err := t.Check(q); err != nil {
		return nil, fmt.Errorf("onnx: write the model: %w", err)
	}
	t = t.Folded()
	if err := t.Check(q); err != nil {
		return nil, fmt.Errorf("onnx: write the model, its BatchNormalization folded: %w", err)
	}
	c, _ := t.Spec.Chain()
	w := writer{graph: &graph{}, chain: c, layout: t.Spec.Layout(), quantization: q}
	w.network(t)
	return w.file(value("x", 0, c.T, c.F), value("y", 0, c.Classes), t.Metadata()), nil
}

type writer struct {
	*graph
	chain        model.Chain
	layout       model.Layout
	quantization model.Quantization

	lengths string // how many steps of each window are used, i32[N]; "": all
	came    string // of each used step, which row of a layer that went backwards the next one reads, i64[N][T][1]
}

// network writes everything between x and y.
func (w *writer) network(t model.Trained) {
	c, zero := w.chain, w.scalar(0)
	missing := w.op("IsNaN", []string{"x"})
	x := w.op("Where", []string{missing, zero, "x"})
	order := ""
	if c.Masked {
		order = w.order(missing, x)
	}
	if offset, factor := t.Scaling.Rescale(); len(offset) > 0 {
		x = w.op("Mul", []string{w.op("Sub", []string{x, w.floats(offset, c.F)}), w.floats(factor, c.F)})
		x = w.op("Where", []string{missing, zero, x})
	}
	x = w.op("Clip", []string{x, w.scalar(-t.Largest()), w.scalar(t.Largest())})
	if c.Masked {
		x = w.op("GatherND", []string{x, w.op("Unsqueeze", []string{order, w.ints(2)})}, attribute{"batch_dims", 1})
	}
	steps := w.op("Transpose", []string{x}, attribute{"perm", []int{1, 0, 2}}) // [T][N][F]

	var p []string
	for _, params := range t.Members {
		p = append(p, w.member(params, steps))
	}
	mean := p[0]
	if len(p) > 1 {
		mean = w.op("Mean", p)
	}
	// A window with an infinity is no number.
	bad := w.op("Cast", []string{w.op("IsInf", []string{"x"})}, attribute{"to", tFloat})
	bad = w.op("ReduceMax", []string{bad}, attribute{"axes", []int{1, 2}}, attribute{"keepdims", 0})
	bad = w.op("Cast", []string{w.op("Unsqueeze", []string{bad, w.ints(1)})}, attribute{"to", tBool})
	w.node("Where", []string{bad, w.scalar(float32(math.NaN())), mean}, []string{"y"})
}

// order writes which step of each window stands in which place, i64[N][T]: used ones to the front, each part in its order.
// It sets lengths, and came where a layer needs it.
func (w *writer) order(missing, x string) string {
	c, T := w.chain, float32(w.chain.T)
	var none string       // whether a value says nothing
	if c.MaskValue == 0 { // subnormal ones are 0, as training has it
		none = w.op("Less", []string{w.op("Abs", []string{x}), w.scalar(0x1p-126)})
	} else {
		none = w.op("Or", []string{missing, w.op("Equal", []string{"x", w.scalar(c.MaskValue)})})
	}
	none = w.op("Cast", []string{none}, attribute{"to", tFloat})
	masked := w.op("ReduceMin", []string{none}, attribute{"axes", []int{2}}, attribute{"keepdims", 0}) // [N][T]
	time := make([]float32, c.T)
	for i := range time {
		time[i] = float32(i)
	}
	key := w.op("Add", []string{w.op("Mul", []string{masked, w.scalar(T)}), w.floats(time, 1, c.T)})
	order := w.name()
	w.node("TopK", []string{key, w.ints(c.T)}, []string{w.name(), order}, attribute{"axis", 1}, attribute{"largest", 0})
	count := w.op("Sub", []string{w.scalar(T), w.op("ReduceSum", []string{masked, w.ints(1)}, attribute{"keepdims", 0})})
	w.lengths = w.op("Cast", []string{count}, attribute{"to", tInt32})
	if c.Turned() {
		// The layer has put out the used steps from the last to the first, and in a masked one what it did in the step before, zeros
		// before there was one. So place s of the T has what it made of the last used step of s + 1 from the end.
		back := make([]int, c.T)
		for i := range back {
			back[i] = c.T - 1 - i
		}
		used := w.op("Sub", []string{w.scalar(1), w.op("Gather", []string{masked, w.ints(back...)}, attribute{"axis", 1})})
		so := w.op("CumSum", []string{used, w.int(1)})
		left := w.op("Sub", []string{w.op("Unsqueeze", []string{count, w.ints(1)}), so}) // the row of that step; one after the last used one is 0
		read := w.op("GatherElements", []string{left, order}, attribute{"axis", 1})
		w.came = w.op("Unsqueeze", []string{w.op("Cast", []string{read}, attribute{"to", tInt64}), w.ints(2)})
	}
	return order
}

// member writes one network from steps[T][N][F], of which the first lengths[N] are used, to its probabilities [N][C].
func (w *writer) member(params []float32, x string) string {
	c := w.chain
	for i, layer := range c.LSTMs {
		out, last := w.name(), w.name()
		outputs := []string{out}
		if i+1 == len(c.LSTMs) {
			outputs = []string{"", last}
		}
		w.node("LSTM", append([]string{x, w.kernels(params, layer, 0), w.kernels(params, layer, 1), w.biases(params, layer)}, w.used()...), outputs,
			attributes(layer)...)
		if i+1 == len(c.LSTMs) {
			x = w.merged(last, layer, 0) // [directions][N][H]
			break
		}
		x = w.merged(out, layer, 1) // [T][directions][N][H]
		switch {
		case layer.GoBackwards && c.Masked:
			x = w.op("Transpose", []string{x}, attribute{"perm", []int{1, 0, 2}})
			x = w.op("GatherND", []string{x, w.came}, attribute{"batch_dims", 1})
			x = w.op("Transpose", []string{x}, attribute{"perm", []int{1, 0, 2}})
		case layer.GoBackwards:
			x = w.op("Slice", []string{x, w.ints(-1), w.ints(math.MinInt64), w.ints(0), w.ints(-1)})
		}
	}
	for i, s := range c.Head {
		kernel, bias := w.layout.Variables[s.First].Of(params), w.layout.Variables[s.First+1].Of(params)
		if i+1 == len(c.Head) {
			x = w.op("Gemm", []string{x, w.floats(kernel, s.In, s.Out), w.floats(bias, s.Out)})
			break
		}
		x = w.op("Gemm", []string{x, w.denseKernel(s, kernel), w.floats(bias, s.Out)})
		if s.Activation != model.Linear {
			x = w.op(activations[s.Activation], []string{x})
		}
	}
	if c.Classes > 1 {
		return w.op("Softmax", []string{x}, attribute{"axis", 1})
	}
	return w.op("Sigmoid", []string{x})
}

// activations are the names of the operators, and of what they do in LSTM.
var activations = map[model.Activation]string{model.Relu: "Relu", model.Tanh: "Tanh", model.Sigmoid: "Sigmoid"}

// used returns the input that says how many steps are used, none where all are.
func (w *writer) used() []string {
	if w.lengths == "" {
		return nil
	}
	return []string{w.lengths}
}

// attributes returns those of ONNX's LSTM.
func attributes(layer model.Recurrent) []attribute {
	direction := "forward"
	switch {
	case layer.Bidirectional:
		direction = "bidirectional"
	case layer.GoBackwards:
		direction = "reverse"
	}
	list := []attribute{{"hidden_size", layer.Units}, {"direction", direction}}
	if layer.Activation != model.Tanh {
		cell := activations[layer.Activation]
		list = append(list, attribute{"activations", slices.Repeat([]string{"Sigmoid", cell, cell}, layer.Directions())})
	}
	return list
}

// merged makes one output of both directions, which are an axis of x: …[N][Out].
func (w *writer) merged(x string, layer model.Recurrent, axis int) string {
	switch {
	case !layer.Bidirectional:
		return w.op("Squeeze", []string{x, w.ints(axis)})
	case layer.Merge == model.Sum:
		return w.op("ReduceSum", []string{x, w.ints(axis)}, attribute{"keepdims", 0})
	case layer.Merge == model.Average:
		return w.op("ReduceMean", []string{x}, attribute{"axes", []int{axis}}, attribute{"keepdims", 0})
	case layer.Merge == model.Product:
		return w.op("ReduceProd", []string{x}, attribute{"axes", []int{axis}}, attribute{"keepdims", 0})
	case axis == 0:
		x = w.op("Transpose", []string{x}, attribute{"perm", []int{1, 0, 2}})
		return w.op("Reshape", []string{x, w.ints(0, layer.Out())})
	}
	x = w.op("Transpose", []string{x}, attribute{"perm", []int{0, 2, 1, 3}})
	return w.op("Reshape", []string{x, w.ints(0, 0, layer.Out())})
}

// kernels returns W (which 0, kernel) or R (1, recurrent_kernel) of ONNX's LSTM: [directions][4H][rows], gates i, o, f, c.
// Each direction is a constant of its own, so that int8 has a scale for each of its units.
func (w *writer) kernels(params []float32, layer model.Recurrent, which int) string {
	var parts []string
	for d := range layer.Directions() {
		v := w.layout.Variables[layer.First+3*d+which]
		parts = append(parts, w.kernel(gates(v.Of(params), v.Shape[0], layer.Units), 1, 4*layer.Units, v.Shape[0]))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return w.op("Concat", parts, attribute{"axis", 0})
}

// gates turns a kernel[rows][4H] of gates i, f, c, o into [4H][rows] of gates i, o, f, c.
func gates(a []float32, rows, h int) []float32 {
	var out []float32
	for _, gate := range [...]int{0, 3, 1, 2} {
		for u := range h {
			for r := range rows {
				out = append(out, a[r*4*h+gate*h+u])
			}
		}
	}
	return out
}

// biases returns the constant B of ONNX's LSTM, [directions][8H]: that of the kernel, and zeros for the recurrent
// kernel's, which do not stand in the file.
func (w *writer) biases(params []float32, layer model.Recurrent) string {
	var all []float32
	for d := range layer.Directions() {
		all = append(all, gates(w.layout.Variables[layer.First+3*d+2].Of(params), 1, layer.Units)...)
	}
	b := w.floats(all, layer.Directions(), 4*layer.Units)
	return w.op("Pad", []string{b, w.ints(0, 0, 0, 4*layer.Units)})
}

// kernel writes a constant as the quantization has it. With int8 there is one scale for each index of axis 1, which is a
// gate's unit: the largest value there is 127.
func (w *writer) kernel(a []float32, shape ...int) string {
	switch w.quantization {
	case model.QuantizeFloat16:
		var data []byte
		for _, v := range a {
			data = binary.LittleEndian.AppendUint16(data, model.Float16(v))
		}
		return w.op("Cast", []string{w.tensor(tFloat16, data, shape...)}, attribute{"to", tFloat})
	case model.QuantizeInt8:
		data, scale := rounded(a, shape)
		return w.op("DequantizeLinear", []string{w.tensor(tInt8, data, shape...), w.floats(scale, shape[1])}, attribute{"axis", 1})
	}
	return w.floats(a, shape...)
}

// denseKernel writes the kernel of a Dense layer. onnxruntime takes DequantizeLinear and a Gemm without Relu for an operator that
// rounds what it reads to int8 as well: there the scale is multiplied with.
func (w *writer) denseKernel(s model.Stage, a []float32) string {
	if w.quantization != model.QuantizeInt8 || s.Activation == model.Relu {
		return w.kernel(a, s.In, s.Out)
	}
	shape := []int{s.In, s.Out}
	data, scale := rounded(a, shape)
	return w.op("Mul", []string{w.op("Cast", []string{w.tensor(tInt8, data, shape...)}, attribute{"to", tFloat}), w.floats(scale, s.Out)})
}

// rounded returns int8 numbers, and the scale for each index of axis 1.
func rounded(a []float32, shape []int) (data []byte, scale []float32) {
	inner := 1
	for _, n := range shape[2:] {
		inner *= n
	}
	data, scale = make([]byte, len(a)), make([]float32, shape[1])
	for i, v := range a {
		u := i / inner % shape[1]
		scale[u] = max(scale[u], float32(math.Abs(float64(v))))
	}
	for u := range scale {
		if scale[u] /= 127; scale[u] == 0 {
			scale[u] = 1
		}
	}
	for i, v := range a {
		q := math.RoundToEven(float64(v) / float64(scale[i/inner%shape[1]]))
		data[i] = byte(int8(max(-127, min(127, q))))
	}
	return data, scale
}
