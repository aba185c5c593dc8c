package spirv

// value is a scalar constant as 32 bits; 0 for what is none.
func (m *Module) value(id uint32, constants []uint32) uint32 {
	if d := m.dec[id]; d.has(decSpecID) && int(d[decSpecID]) < len(constants) {
		return constants[d[decSpecID]]
	}
	switch c := m.defs[id]; c.op {
	case opConstant, opSpecConstant:
		return c.args[2]
	case opConstantTrue, opSpecTrue:
		return 1
	case opSpecOp:
		if f := operations[c.args[2]]; f != nil {
			var v [3]uint32
			for i, operand := range c.args[3:min(6, len(c.args))] {
				v[i] = m.value(operand, constants)
			}
			return f(v)
		}
	}
	return 0
}

// operations are the expressions of specialisation constants that sizes are made of, such as the TILE*TILE of an array's
// length, by opcode. Sizes are not negative, so that signed and unsigned operations are the same.
var operations = map[uint32]func(v [3]uint32) uint32{
	124: func(v [3]uint32) uint32 { return v[0] },              // OpBitcast
	128: func(v [3]uint32) uint32 { return v[0] + v[1] },       // OpIAdd
	130: func(v [3]uint32) uint32 { return v[0] - v[1] },       // OpISub
	132: func(v [3]uint32) uint32 { return v[0] * v[1] },       // OpIMul
	134: divide,                                                // OpUDiv
	135: divide,                                                // OpSDiv
	137: remainder,                                             // OpUMod
	138: remainder,                                             // OpSRem
	139: remainder,                                             // OpSMod
	166: func(v [3]uint32) uint32 { return v[0] | v[1] },       // OpLogicalOr, on 0 and 1
	167: func(v [3]uint32) uint32 { return v[0] & v[1] },       // OpLogicalAnd
	168: func(v [3]uint32) uint32 { return v[0] ^ 1 },          // OpLogicalNot
	169: func(v [3]uint32) uint32 { return v[2-min(v[0], 1)] }, // OpSelect
	170: func(v [3]uint32) uint32 { return bit(v[0] == v[1]) }, // OpIEqual
	171: func(v [3]uint32) uint32 { return bit(v[0] != v[1]) }, // OpINotEqual
	172: func(v [3]uint32) uint32 { return bit(v[0] > v[1]) },  // OpUGreaterThan
	173: func(v [3]uint32) uint32 { return bit(v[0] > v[1]) },  // OpSGreaterThan
	174: func(v [3]uint32) uint32 { return bit(v[0] >= v[1]) }, // OpUGreaterThanEqual
	175: func(v [3]uint32) uint32 { return bit(v[0] >= v[1]) }, // OpSGreaterThanEqual
	176: func(v [3]uint32) uint32 { return bit(v[0] < v[1]) },  // OpULessThan
	177: func(v [3]uint32) uint32 { return bit(v[0] < v[1]) },  // OpSLessThan
	178: func(v [3]uint32) uint32 { return bit(v[0] <= v[1]) }, // OpULessThanEqual
	179: func(v [3]uint32) uint32 { return bit(v[0] <= v[1]) }, // OpSLessThanEqual
	194: func(v [3]uint32) uint32 { return v[0] >> v[1] },      // OpShiftRightLogical
	195: func(v [3]uint32) uint32 { return v[0] >> v[1] },      // OpShiftRightArithmetic
	196: func(v [3]uint32) uint32 { return v[0] << v[1] },      // OpShiftLeftLogical
	197: func(v [3]uint32) uint32 { return v[0] | v[1] },       // OpBitwiseOr
	199: func(v [3]uint32) uint32 { return v[0] & v[1] },       // OpBitwiseAnd
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func divide(v [3]uint32) uint32 {
	if v[1] == 0 {
		return 0
	}
	return v[0] / v[1]
}

func remainder(v [3]uint32) uint32 {
	if v[1] == 0 {
		return 0
	}
	return v[0] % v[1]
}

// size is the size of a type in bytes: by offset and stride where it has them, packed where it has not.
func (m *Module) size(id uint32, constants []uint32) uint64 {
	t := m.defs[id]
	switch t.op {
	case opTypeBool:
		return 4
	case opTypeInt, opTypeFloat:
		return uint64(t.args[1]) / 8
	case opTypeVector:
		return m.size(t.args[1], constants) * uint64(t.args[2])
	case opTypeMatrix:
		return m.size(t.args[1], constants) * uint64(t.args[2])
	case opTypeArray:
		each := m.size(t.args[1], constants)
		if s := m.dec[id][decArrayStride]; s != 0 {
			each = uint64(s)
		}
		return each * uint64(m.value(t.args[2], constants))
	case opTypeStruct:
		var end uint64
		for i, member := range t.args[1:] {
			size := m.size(member, constants)
			d := m.member[[2]uint32{id, uint32(i)}]
			if d.has(decOffset) {
				end = max(end, uint64(d[decOffset])+size)
			} else {
				end += size
			}
		}
		return end
	}
	return 0
}
