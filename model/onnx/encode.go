package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"vklstm/model"
)

// Encode returns t as an ONNX file, the kernels kept as q says: float16 after Cast, int8 with a scale per unit after
// DequantizeLinear; either way runtimes compute in float32. The same t gives the same bytes. The error says what of t
// cannot be written.
func Encode(t model.Trained, q model.Quantization) ([]byte, error) {
	if err := t.Check(q); err != nil {
		return nil, fmt.Errorf("onnx: write the model: %w", err)
	}
	c, _ := t.Spec.Chain()
	if err := c.Plain(); err != nil {
		return nil, fmt.Errorf("onnx: write the model: %w", err)
	}
	w := writer{graph: &graph{}, chain: c, layout: t.Spec.Layout(), quantization: q}
	w.network(t)
	metadata := [][2]string{{"threshold", strconv.FormatFloat(t.Threshold, 'g', -1, 64)}}
	return w.file(value("x", 0, c.T, c.F), value("y", 0, 1), metadata), nil
}

type writer struct {
	*graph
	chain        model.Chain
	layout       model.Layout
	quantization model.Quantization
}

// network writes everything between x and y.
func (w *writer) network(t model.Trained) {
	c := w.chain
	zero, T := w.scalar(0), float32(c.T)
	missing := w.op("IsNaN", []string{"x"})
	x := w.op("Where", []string{missing, zero, "x"})

	// masked[N][T] is 1 where every feature is 0, or subnormal, as training has it; used steps go to the front, each part in
	// its order.
	none := w.op("Less", []string{w.op("Abs", []string{x}), w.scalar(0x1p-126)})
	none = w.op("Cast", []string{none}, attribute{"to", tFloat})
	masked := w.op("ReduceMin", []string{none}, attribute{"axes", []int{2}}, attribute{"keepdims", 0})
	time := make([]float32, c.T)
	for i := range time {
		time[i] = float32(i)
	}
	key := w.op("Add", []string{w.op("Mul", []string{masked, w.scalar(T)}), w.floats(time, 1, c.T)})
	order := w.name()
	w.node("TopK", []string{key, w.ints(c.T)}, []string{w.name(), order}, attribute{"axis", 1}, attribute{"largest", 0})
	count := w.op("Sub", []string{w.scalar(T), w.op("ReduceSum", []string{masked, w.ints(1)}, attribute{"keepdims", 0})})
	lengths := w.op("Cast", []string{count}, attribute{"to", tInt32})

	if offset, factor := t.Scaling.Rescale(); len(offset) > 0 {
		x = w.op("Mul", []string{w.op("Sub", []string{x, w.floats(offset, c.F)}), w.floats(factor, c.F)})
		x = w.op("Where", []string{missing, zero, x})
	}
	x = w.op("Clip", []string{x, w.scalar(-t.Largest()), w.scalar(t.Largest())})
	x = w.op("GatherND", []string{x, w.op("Unsqueeze", []string{order, w.ints(2)})}, attribute{"batch_dims", 1})
	steps := w.op("Transpose", []string{x}, attribute{"perm", []int{1, 0, 2}}) // [T][N][F]

	var p []string
	for _, params := range t.Members {
		p = append(p, w.member(params, steps, lengths))
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

// member writes one network from steps[T][N][F], of which the first lengths[N] are used, to its probability [N][1].
func (w *writer) member(params []float32, x, lengths string) string {
	c := w.chain
	for i, layer := range c.LSTMs {
		direction := "forward"
		if layer.Bidirectional {
			direction = "bidirectional"
		}
		out, last := w.name(), w.name()
		outputs := []string{out}
		if i+1 == len(c.LSTMs) {
			outputs = []string{"", last}
		}
		w.node("LSTM", []string{x, w.kernels(params, layer, 0), w.kernels(params, layer, 1), w.biases(params, layer), lengths}, outputs,
			attribute{"hidden_size", layer.Units}, attribute{"direction", direction})
		d := layer.Directions()
		switch {
		case i+1 < len(c.LSTMs) && d == 1: // [T][1][N][H]
			x = w.op("Squeeze", []string{out, w.ints(1)})
		case i+1 < len(c.LSTMs): // [T][2][N][H]
			x = w.op("Transpose", []string{out}, attribute{"perm", []int{0, 2, 1, 3}})
			x = w.op("Reshape", []string{x, w.ints(0, 0, layer.Out())})
		case d == 1: // [1][N][H]
			x = w.op("Squeeze", []string{last, w.ints(0)})
		default: // [2][N][H]
			x = w.op("Transpose", []string{last}, attribute{"perm", []int{1, 0, 2}})
			x = w.op("Reshape", []string{x, w.ints(0, layer.Out())})
		}
	}
	head := w.layout.Variables[c.FirstOfHead():]
	x = w.op("Gemm", []string{x, w.kernel(head[0].Of(params), c.Out(), c.D()), w.floats(head[1].Of(params), c.D())})
	x = w.op("Gemm", []string{w.op("Relu", []string{x}), w.floats(head[2].Of(params), c.D(), 1), w.floats(head[3].Of(params), 1)})
	return w.op("Sigmoid", []string{x})
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
		inner := 1
		for _, n := range shape[2:] {
			inner *= n
		}
		scale, data := make([]float32, shape[1]), make([]byte, len(a))
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
		return w.op("DequantizeLinear", []string{w.tensor(tInt8, data, shape...), w.floats(scale, shape[1])}, attribute{"axis", 1})
	}
	return w.floats(a, shape...)
}
