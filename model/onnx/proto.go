package onnx

import (
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types of TensorProto.DataType.
const (
	tFloat   = 1
	tInt8    = 3
	tInt32   = 6
	tInt64   = 7
	tBool    = 9
	tFloat16 = 10
)

// graph collects the nodes and the constants of a GraphProto, in the order in which they are made. Names are short: there
// are hundreds of them in an ensemble.
type graph struct {
	nodes, constants []byte
	names            int
	known            map[string]string // constants that several nodes share, by their bytes
}

// name returns one that is not taken yet.
func (g *graph) name() string {
	g.names++
	return "t" + strconv.FormatInt(int64(g.names), 36)
}

// attribute is an AttributeProto.
type attribute struct {
	name  string
	value any // int, string, []int or []string
}

// op adds a node and returns the name of its first output.
func (g *graph) op(kind string, inputs []string, attributes ...attribute) string {
	out := g.name()
	g.node(kind, inputs, []string{out}, attributes...)
	return out
}

// node adds a NodeProto: 1 input, 2 output, 4 op_type, 5 attribute.
func (g *graph) node(kind string, inputs, outputs []string, attributes ...attribute) {
	var b []byte
	for _, s := range inputs {
		b = appendText(b, 1, s)
	}
	for _, s := range outputs {
		b = appendText(b, 2, s)
	}
	b = appendText(b, 4, kind)
	for _, a := range attributes {
		b = appendMessage(b, 5, a.encode())
	}
	g.nodes = appendMessage(g.nodes, 1, b)
}

// encode returns an AttributeProto: 1 name, 3 i, 4 s, 8 ints, 9 strings, 20 type.
func (a attribute) encode() []byte {
	b := appendText(nil, 1, a.name)
	switch v := a.value.(type) {
	case int:
		b = appendInt(b, 3, v)
		return appendInt(b, 20, 2)
	case string:
		b = appendText(b, 4, v)
		return appendInt(b, 20, 3)
	case []int:
		for _, n := range v {
			b = appendInt(b, 8, n)
		}
		return appendInt(b, 20, 7)
	case []string:
		for _, s := range v {
			b = appendText(b, 9, s)
		}
		return appendInt(b, 20, 8)
	}
	panic("onnx: an attribute of an unknown type")
}

// tensor adds a TensorProto as initializer and returns its name: 1 dims, 2 data_type, 8 name, 9 raw_data. The same
// tensor asked for again is the same.
func (g *graph) tensor(kind int, data []byte, shape ...int) string {
	var b []byte
	for _, n := range shape {
		b = appendInt(b, 1, n)
	}
	b = appendInt(b, 2, kind)
	b = protowire.AppendTag(b, 9, protowire.BytesType)
	b = protowire.AppendBytes(b, data)
	if name, ok := g.known[string(b)]; ok {
		return name
	}
	if g.known == nil {
		g.known = map[string]string{}
	}
	name := g.name()
	g.known[string(b)] = name
	g.constants = appendMessage(g.constants, 5, appendText(b, 8, name))
	return name
}

func (g *graph) floats(v []float32, shape ...int) string {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return g.tensor(tFloat, data, shape...)
}

func (g *graph) scalar(v float32) string { return g.floats([]float32{v}) }

func (g *graph) ints(v ...int) string {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint64(data, uint64(x))
	}
	return g.tensor(tInt64, data, len(v))
}

// int is ints of one number without a dimension.
func (g *graph) int(v int) string {
	return g.tensor(tInt64, binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

// file returns the ModelProto: 1 ir_version, 2 producer_name, 7 graph, 8 opset_import, 14 metadata_props.
func (g *graph) file(input, output []byte, metadata [][2]string) []byte {
	b := append([]byte(nil), g.nodes...)
	b = appendText(b, 2, "vklstm")
	b = append(b, g.constants...)
	b = appendMessage(b, 11, input)
	b = appendMessage(b, 12, output)
	m := appendInt(nil, 1, 7)
	m = appendText(m, 2, "vklstm")
	m = appendMessage(m, 7, b)
	m = appendMessage(m, 8, appendInt(nil, 2, 13))
	for _, kv := range metadata {
		m = appendMessage(m, 14, appendText(appendText(nil, 1, kv[0]), 2, kv[1]))
	}
	return m
}

// value returns a ValueInfoProto of float32: 1 name, 2 type {1 tensor {1 elem_type, 2 shape {1 dim {1 value, 2 param}}}}.
// A dimension of 0 is N, any number.
func value(name string, shape ...int) []byte {
	var dims []byte
	for _, n := range shape {
		d := appendText(nil, 2, "N")
		if n > 0 {
			d = appendInt(nil, 1, n)
		}
		dims = appendMessage(dims, 1, d)
	}
	tensor := appendMessage(appendInt(nil, 1, tFloat), 2, dims)
	return appendMessage(appendText(nil, 1, name), 2, appendMessage(nil, 1, tensor))
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func appendInt(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}
