// Package spirv reads from a compute shader's SPIR-V what its caller must match:
// the workgroup's size, the storage buffers and whether they are only read, the
// push constants, the specialisation constants and the shared memory.
package spirv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Binding is one storage buffer.
type Binding struct {
	Set, Index  uint32
	Name        string // of the buffer's first member, as GLSL calls it; of the block where that has no name
	NonWritable bool   // readonly
	NonReadable bool   // writeonly
}

// Module is what a shader declares.
type Module struct {
	Version   uint32    // 0x00010300 is SPIR-V 1.3
	Bindings  []Binding // by set and index
	PushBytes uint32    // size of the push constants
	Matrices  bool      // uses cooperative matrices

	// SubgroupOps is what the shader does with subgroups, as VkSubgroupFeatureFlags; 0: nothing.
	SubgroupOps uint32

	defs        map[uint32]instruction // types and constants, by result id
	dec         map[uint32]decorations
	names       map[uint32]string
	member      map[[2]uint32]decorations
	memberNames map[[2]uint32]string
	local       [3]uint32
	sizeIDs     [3]uint32 // ids of the constants that hold the local size; 0: local
	shared      []uint32  // pointee types of the shared variables
}

type instruction struct {
	op   uint16
	args []uint32 // without the first word; constants: type, id, …; types: id, …
}

// decorations are what is said of an id or a member: by kind, the first operand, 0 where there is none.
type decorations map[uint32]uint32

func (d decorations) has(kind uint32) bool {
	_, ok := d[kind]
	return ok
}

// is reports whether there is a decoration of a kind with this operand.
func (d decorations) is(kind, operand uint32) bool { return d.has(kind) && d[kind] == operand }

// The opcodes and decorations that matter here.
const (
	capCooperativeMatrix, opTypeCooperativeMatrix                      = 6022, 4456
	opName, opMemberName                                               = 5, 6
	opEntryPoint, opExecutionMode, opExecModeID                        = 15, 16, 331
	opCapability                                                       = 17
	opTypeVoid, opTypeBool, opTypeInt, opTypeFloat                     = 19, 20, 21, 22
	opTypeVector, opTypeMatrix                                         = 23, 24
	opTypeArray, opTypeRuntimeArray, opTypeStruct                      = 28, 29, 30
	opTypePointer                                                      = 32
	opConstantTrue, opConstantFalse, opConstant, opConstantComposite   = 41, 42, 43, 44
	opSpecTrue, opSpecFalse, opSpecConstant, opSpecComposite, opSpecOp = 48, 49, 50, 51, 52
	opVariable                                                         = 59
	opDecorate, opMemberDecorate                                       = 71, 72

	decSpecID, decBufferBlock, decArrayStride  = 1, 3, 6
	decBuiltIn, decNonWritable, decNonReadable = 11, 24, 25
	decBinding, decSet, decOffset              = 33, 34, 35
	builtInWorkgroupSize                       = 25

	// The capabilities lie in the order of Vulkan's flags: basic, vote, arithmetic, ballot, shuffle, …, quad.
	capGroupNonUniform, capGroupNonUniformQuad = 61, 68

	classUniform, classWorkgroup, classPush, classStorage = 2, 4, 9, 12
)

// Parse reads a module with one compute entry point called main. It checks that the file is whole, not that it is valid:
// that is spirv-val's work.
func Parse(code []byte) (*Module, error) {
	if len(code) < 20 || len(code)%4 != 0 || binary.LittleEndian.Uint32(code) != 0x07230203 {
		return nil, errors.New("spirv: not a SPIR-V module")
	}
	words := make([]uint32, len(code)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(code[4*i:])
	}
	m := &Module{
		Version: words[1], defs: map[uint32]instruction{}, dec: map[uint32]decorations{}, names: map[uint32]string{},
		member: map[[2]uint32]decorations{}, memberNames: map[[2]uint32]string{},
	}
	var variables []instruction
	entries := 0
	for rest := words[5:]; len(rest) > 0; {
		n, op := int(rest[0]>>16), uint16(rest[0])
		if n == 0 || n > len(rest) {
			return nil, errors.New("spirv: the module is cut off")
		}
		a := rest[1:n]
		rest = rest[n:]
		least, known := leastWords[op]
		if known && len(a) < least {
			return nil, fmt.Errorf("spirv: instruction %d has %d operands", op, len(a))
		}
		if id, ok := result(op, a); ok {
			if m.defs[id].op != 0 {
				return nil, fmt.Errorf("spirv: id %d is defined twice", id)
			}
			for _, of := range follows(op, a) {
				if m.defs[of].op == 0 { // so that no type or constant can contain itself
					return nil, fmt.Errorf("spirv: id %d uses %d before it is defined", id, of)
				}
			}
			m.defs[id] = instruction{op, a}
		}
		switch op {
		case opCapability:
			m.Matrices = m.Matrices || a[0] == capCooperativeMatrix
			if a[0] >= capGroupNonUniform && a[0] <= capGroupNonUniformQuad {
				m.SubgroupOps |= 1 << (a[0] - capGroupNonUniform)
			}
		case opEntryPoint:
			if a[0] != 5 || text(a[2:]) != "main" {
				return nil, fmt.Errorf("spirv: entry point %q of kind %d; one compute shader main is expected", text(a[2:]), a[0])
			}
			entries++
		case opExecutionMode:
			if a[1] == 17 && len(a) >= 5 { // LocalSize
				m.local = [3]uint32(a[2:5])
			}
		case opExecModeID:
			if a[1] == 38 && len(a) >= 5 { // LocalSizeId
				m.sizeIDs = [3]uint32(a[2:5])
			}
		case opName:
			m.names[a[0]] = text(a[1:])
		case opMemberName:
			m.memberNames[[2]uint32{a[0], a[1]}] = text(a[2:])
		case opDecorate:
			m.dec[a[0]] = m.dec[a[0]].with(a[1:])
		case opMemberDecorate:
			key := [2]uint32{a[0], a[1]}
			m.member[key] = m.member[key].with(a[2:])
		case opVariable:
			variables = append(variables, instruction{op, a})
		}
	}
	if entries != 1 {
		return nil, fmt.Errorf("spirv: %d entry points; one is expected", entries)
	}
	for id, d := range m.dec {
		if c := m.defs[id]; d.is(decBuiltIn, builtInWorkgroupSize) && len(c.args) == 5 {
			m.sizeIDs = [3]uint32(c.args[2:5])
		}
	}
	for _, v := range variables {
		m.variable(v.args)
	}
	slices.SortFunc(m.Bindings, func(a, b Binding) int {
		return int(a.Set)*1000 + int(a.Index) - int(b.Set)*1000 - int(b.Index)
	})
	return m, nil
}

// result is the id that a type or constant defines.
func result(op uint16, a []uint32) (uint32, bool) {
	switch op {
	case opTypeVoid, opTypeBool, opTypeInt, opTypeFloat, opTypeVector, opTypeMatrix, opTypeArray, opTypeRuntimeArray, opTypeStruct, opTypePointer, opTypeCooperativeMatrix:
		return a[0], true
	case opConstantTrue, opConstantFalse, opConstant, opConstantComposite, opSpecTrue, opSpecFalse, opSpecConstant, opSpecComposite, opSpecOp:
		return a[1], true
	}
	return 0, false
}

// follows are the ids that size and value go on to from a definition.
func follows(op uint16, a []uint32) []uint32 {
	switch {
	case op == opTypeVector || op == opTypeMatrix:
		return a[1:2]
	case op == opTypeArray:
		return a[1:3]
	case op == opTypeStruct:
		return a[1:]
	case op == opSpecOp && operations[a[2]] != nil:
		return a[3:]
	}
	return nil
}

// leastWords is the number of operands without which an instruction cannot be read.
var leastWords = map[uint16]int{
	opName: 1, opMemberName: 2, opCapability: 1, opEntryPoint: 3, opExecutionMode: 2, opExecModeID: 2, opDecorate: 2, opMemberDecorate: 3,
	opTypeVoid: 1, opTypeBool: 1, opTypeInt: 3, opTypeFloat: 2, opTypeVector: 3, opTypeMatrix: 3, opTypeArray: 3,
	opTypeRuntimeArray: 2, opTypeStruct: 1, opTypeCooperativeMatrix: 1, opTypePointer: 3, opConstantTrue: 2, opConstantFalse: 2, opConstant: 3,
	opConstantComposite: 2, opSpecTrue: 2, opSpecFalse: 2, opSpecConstant: 3, opSpecComposite: 2, opSpecOp: 3, opVariable: 3,
}

func text(words []uint32) string {
	var b []byte
	for _, w := range words {
		for range 4 {
			if w&0xFF == 0 {
				return string(b)
			}
			b = append(b, byte(w))
			w >>= 8
		}
	}
	return string(b)
}

// with adds a decoration: its kind, and operands where it has some.
func (d decorations) with(words []uint32) decorations {
	if d == nil {
		d = decorations{}
	}
	d[words[0]] = 0
	if len(words) > 1 {
		d[words[0]] = words[1]
	}
	return d
}

// variable takes in a global variable: pointer type, id, storage class.
func (m *Module) variable(a []uint32) {
	pointer := m.defs[a[0]]
	if pointer.op != opTypePointer {
		return
	}
	pointee, d := pointer.args[2], m.dec[a[1]]
	block := m.dec[pointee]
	switch class := a[2]; {
	case class == classWorkgroup:
		m.shared = append(m.shared, pointee)
	case class == classPush:
		m.PushBytes = uint32(m.size(pointee, nil))
	case class == classStorage || class == classUniform && block.has(decBufferBlock):
		b := Binding{Set: d[decSet], Index: d[decBinding], Name: m.memberNames[[2]uint32{pointee, 0}]}
		if b.Name == "" {
			b.Name = m.names[pointee]
		}
		members := m.defs[pointee].args
		b.NonWritable, b.NonReadable = true, true
		for i := range len(members) - 1 {
			md := m.member[[2]uint32{pointee, uint32(i)}]
			b.NonWritable = b.NonWritable && (md.has(decNonWritable) || d.has(decNonWritable))
			b.NonReadable = b.NonReadable && (md.has(decNonReadable) || d.has(decNonReadable))
		}
		m.bind(b)
	}
}

// bind adds a buffer. One that is declared more than once, to be read as floats and as vectors say, is one binding: it has
// the shortest name, and is only read, or only written, where all declarations say so.
func (m *Module) bind(b Binding) {
	for i := range m.Bindings {
		if o := &m.Bindings[i]; o.Set == b.Set && o.Index == b.Index {
			o.NonWritable, o.NonReadable = o.NonWritable && b.NonWritable, o.NonReadable && b.NonReadable
			if len(b.Name) < len(o.Name) {
				o.Name = b.Name
			}
			return
		}
	}
	m.Bindings = append(m.Bindings, b)
}

// Contiguous is an error unless the buffers are bindings 0, 1, … of set 0, without a hole.
func (m *Module) Contiguous() error {
	for i, b := range m.Bindings {
		if b.Set != 0 || int(b.Index) != i {
			return fmt.Errorf("spirv: buffer %q is binding %d of set %d; binding %d of set 0 is expected", b.Name, b.Index, b.Set, i)
		}
	}
	return nil
}

// LocalSize is the size of a workgroup when specialisation constants 0, 1, … have the given values; the others have
// the shader's own.
func (m *Module) LocalSize(constants []uint32) [3]uint32 {
	if m.sizeIDs == [3]uint32{} {
		return m.local
	}
	var s [3]uint32
	for i, id := range m.sizeIDs {
		s[i] = m.value(id, constants)
	}
	return s
}

// SharedBytes is the shared memory of a workgroup, with constants as for LocalSize, without the driver's padding.
func (m *Module) SharedBytes(constants []uint32) uint64 {
	var sum uint64
	for _, t := range m.shared {
		sum += m.size(t, constants)
	}
	return sum
}

// HasConstant reports whether the shader has a specialisation constant of that id.
func (m *Module) HasConstant(id uint32) bool {
	for _, d := range m.dec {
		if d.is(decSpecID, id) {
			return true
		}
	}
	return false
}
