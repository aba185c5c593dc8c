package tflite

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Element types of Tensor.type.
const (
	tFloat   = 0
	tFloat16 = 1
	tInt32   = 2
	tBool    = 6
	tInt8    = 9
)

// operator is an operator's code, its version, and the tag of its table of options.
type operator struct{ code, version, options int }

// The operators that are used.
var (
	opAdd           = operator{0, 1, 11}
	opConcatenation = operator{2, 1, 10}
	opReshape       = operator{22, 1, 17}
	opSoftmax       = operator{25, 1, 9}
	opTanh          = operator{28, 1, 0}
	opNotEqual      = operator{72, 1, 54}
	opDequantize    = operator{6, 3, 38}
	opDense         = operator{9, 1, 8}
	opDenseInt8     = operator{9, 3, 8}
	opLogistic      = operator{14, 1, 0}
	opMul           = operator{18, 1, 21}
	opGather        = operator{36, 1, 23}
	opSub           = operator{41, 1, 28}
	opLSTM          = operator{44, 1, 71}
	opLSTMInt8      = operator{44, 2, 71}
	opSlice         = operator{45, 1, 32}
	opCast          = operator{53, 1, 37}
	opMaximum       = operator{55, 1, 39}
	opMinimum       = operator{57, 1, 39}
	opGreater       = operator{61, 1, 44}
	opLess          = operator{58, 1, 41}
	opLessEqual     = operator{63, 1, 46}
	opAny           = operator{91, 1, 27}
	opAbs           = operator{101, 1, 78}
	opScatter       = operator{122, 1, 97}
	opSelect        = operator{123, 1, 98}
	opCumsum        = operator{128, 1, 102}
)

// slot is a field of a table: its number and value (int8, uint8, int32, uint32, float32, bool, or an offset).
type slot struct {
	id    int
	value any
}

type tensor struct {
	shape    []int
	kind     int
	buffer   int     // 0: no constant
	scale    float32 // of int8; 0: none
	variable bool    // kept between calls
}

type node struct {
	op      operator
	in, out []int
	options []slot
}

// graph collects tensors, constants and operators, then writes them. Tensors but the input and the output are named by
// their numbers.
type graph struct {
	b       *flatbuffers.Builder
	tensors []tensor
	buffers [][]byte
	nodes   []node
	known   map[string]int // small constants that several operators share
}

func newGraph() *graph {
	return &graph{b: flatbuffers.NewBuilder(1 << 16), buffers: [][]byte{nil}, known: map[string]int{}}
}

// tensor adds one that is computed.
func (g *graph) tensor(kind int, shape ...int) int {
	g.tensors = append(g.tensors, tensor{shape: shape, kind: kind})
	return len(g.tensors) - 1
}

// op adds an operator with one output.
func (g *graph) op(op operator, in []int, kind int, shape []int, options ...slot) int {
	out := g.tensor(kind, shape...)
	g.nodes = append(g.nodes, node{op, in, []int{out}, options})
	return out
}

// constant adds a tensor with data; the same one asked for again is the same.
func (g *graph) constant(kind int, data []byte, scale float32, shape ...int) int {
	key := strconv.Itoa(kind) + " " + strconv.FormatFloat(float64(scale), 'g', -1, 32) + " "
	for _, n := range shape {
		key += strconv.Itoa(n) + " "
	}
	key += string(data)
	if t, ok := g.known[key]; ok {
		return t
	}
	g.buffers = append(g.buffers, data)
	g.tensors = append(g.tensors, tensor{shape: shape, kind: kind, buffer: len(g.buffers) - 1, scale: scale})
	g.known[key] = len(g.tensors) - 1
	return len(g.tensors) - 1
}

func (g *graph) floats(v []float32, shape ...int) int {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return g.constant(tFloat, data, 0, shape...)
}

func (g *graph) scalar(v float32) int { return g.floats([]float32{v}) }

func (g *graph) ints(v []int, shape ...int) int {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, uint32(x))
	}
	return g.constant(tInt32, data, 0, shape...)
}

// table writes a table of n slots.
func (g *graph) table(n int, slots ...slot) flatbuffers.UOffsetT {
	b := g.b
	b.StartObject(n)
	for _, s := range slots {
		switch v := s.value.(type) {
		case int8:
			b.PrependInt8Slot(s.id, v, 0)
		case uint8:
			b.PrependUint8Slot(s.id, v, 0)
		case int32:
			b.PrependInt32Slot(s.id, v, 0)
		case uint32:
			b.PrependUint32Slot(s.id, v, 0)
		case float32:
			b.PrependFloat32Slot(s.id, v, 0)
		case bool:
			b.PrependBoolSlot(s.id, v, false)
		case flatbuffers.UOffsetT:
			b.PrependUOffsetTSlot(s.id, v, 0)
		default:
			panic("tflite: a slot of an unknown type")
		}
	}
	return b.EndObject()
}

func (g *graph) int32s(list []int) flatbuffers.UOffsetT {
	g.b.StartVector(4, len(list), 4)
	for _, v := range slices.Backward(list) {
		g.b.PrependInt32(int32(v))
	}
	return g.b.EndVector(len(list))
}

func (g *graph) offsets(list ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	g.b.StartVector(4, len(list), 4)
	for _, v := range slices.Backward(list) {
		g.b.PrependUOffsetT(v)
	}
	return g.b.EndVector(len(list))
}

// blob writes Buffer.data, which begins at a multiple of 16.
func (g *graph) blob(data []byte) flatbuffers.UOffsetT {
	g.b.StartVector(1, len(data), 16)
	for _, v := range slices.Backward(data) {
		g.b.PrependByte(v)
	}
	return g.b.EndVector(len(data))
}

// file writes everything, with one signature of one input and one output. metadata are named buffers.
func (g *graph) file(x, y int, metadata [][2]string) []byte {
	var entries [][2]any
	for _, kv := range metadata {
		g.buffers = append(g.buffers, []byte(kv[1]))
		entries = append(entries, [2]any{kv[0], uint32(len(g.buffers) - 1)})
	}
	var list []flatbuffers.UOffsetT
	for _, data := range g.buffers {
		if len(data) == 0 {
			list = append(list, g.table(3))
			continue
		}
		list = append(list, g.table(3, slot{0, g.blob(data)}))
	}
	buffers := g.offsets(list...)

	var used []operator
	list = nil
	for _, n := range g.nodes {
		if !slices.Contains(used, n.op) {
			used = append(used, n.op)
			list = append(list, g.table(4, slot{0, int8(min(n.op.code, 127))}, slot{2, int32(n.op.version)}, slot{3, int32(n.op.code)}))
		}
	}
	codes := g.offsets(list...)

	list = nil
	for i, t := range g.tensors {
		name := strconv.FormatInt(int64(i), 36)
		switch i {
		case x:
			name = "x"
		case y:
			name = "y"
		}
		slots := []slot{{0, g.int32s(t.shape)}, {1, int8(t.kind)}, {2, uint32(t.buffer)}, {3, g.b.CreateString(name)}}
		if t.scale != 0 {
			slots = append(slots, slot{4, g.quantization(t.scale)})
		}
		if t.variable {
			slots = append(slots, slot{5, true})
		}
		list = append(list, g.table(11, slots...))
	}
	tensors := g.offsets(list...)

	list = nil
	for _, n := range g.nodes {
		slots := []slot{{0, uint32(slices.Index(used, n.op))}, {1, g.int32s(n.in)}, {2, g.int32s(n.out)}}
		if n.op.options != 0 {
			slots = append(slots, slot{4, g.table(8, n.options...)}, slot{3, uint8(n.op.options)})
		}
		list = append(list, g.table(14, slots...))
	}
	nodes := g.offsets(list...)
	subgraph := g.table(6, slot{0, tensors}, slot{1, g.int32s([]int{x})}, slot{2, g.int32s([]int{y})}, slot{3, nodes}, slot{4, g.b.CreateString("main")})

	signature := func(name string, tensor int) flatbuffers.UOffsetT {
		return g.offsets(g.table(2, slot{0, g.b.CreateString(name)}, slot{1, uint32(tensor)}))
	}
	signatures := g.offsets(g.table(5, slot{0, signature("x", x)}, slot{1, signature("y", y)}, slot{2, g.b.CreateString("serving_default")}))
	list = nil
	for _, e := range entries {
		list = append(list, g.table(2, slot{0, g.b.CreateString(e[0].(string))}, slot{1, e[1]}))
	}
	model := g.table(10, slot{0, uint32(3)}, slot{1, codes}, slot{2, g.offsets(subgraph)}, slot{3, g.b.CreateString("vklstm")},
		slot{4, buffers}, slot{6, g.offsets(list...)}, slot{7, signatures})
	g.b.FinishWithFileIdentifier(model, []byte("TFL3"))
	return g.b.FinishedBytes()
}

// quantization writes QuantizationParameters of one scale and zero point 0: 2 scale, 3 zero_point.
func (g *graph) quantization(scale float32) flatbuffers.UOffsetT {
	g.b.StartVector(4, 1, 4)
	g.b.PrependFloat32(scale)
	s := g.b.EndVector(1)
	g.b.StartVector(8, 1, 8)
	g.b.PrependInt64(0)
	return g.table(7, slot{2, s}, slot{3, g.b.EndVector(1)})
}
