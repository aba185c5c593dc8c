package spirv

// value is a scalar constant as 32 bits; 0 for what is none.
func (m *Module) value(id uint32, constants []uint32) uint32 {
	if d := m.dec[id]; d.has[decSpecID] && int(d.spec) < len(constants) {
		return constants[d.spec]
	}
	switch c := m.defs[id]; c.op {
	case opConstant, opSpecConstant:
		return c.args[2]
	case opConstantTrue, opSpecTrue:
		return 1
	case opSpecOp:
		return m.operation(c.args[2], c.args[3:], constants)
	}
	return 0
}

// operation is the value of an expression of specialisation constants, such as the TILE*TILE of an array's length.
func (m *Module) operation(op uint32, ids []uint32, constants []uint32) uint32 {
	v := make([]uint32, max(3, len(ids)))
	for i, id := range ids {
		v[i] = m.value(id, constants)
	}
	bit := func(b bool) uint32 {
		if b {
			return 1
		}
		return 0
	}
	switch op {
	case 124: // OpBitcast
		return v[0]
	case 128: // OpIAdd
		return v[0] + v[1]
	case 130: // OpISub
		return v[0] - v[1]
	case 132: // OpIMul
		return v[0] * v[1]
	case 134, 135, 137, 139: // OpUDiv, OpSDiv, OpUMod, OpSMod; sizes are not negative
		if v[1] == 0 {
			return 0
		}
		if op == 134 || op == 135 {
			return v[0] / v[1]
		}
		return v[0] % v[1]
	case 169: // OpSelect
		if v[0] != 0 {
			return v[1]
		}
		return v[2]
	case 170: // OpIEqual
		return bit(v[0] == v[1])
	case 171: // OpINotEqual
		return bit(v[0] != v[1])
	case 172, 173: // OpUGreaterThan, OpSGreaterThan
		return bit(v[0] > v[1])
	case 174, 175: // OpUGreaterThanEqual, OpSGreaterThanEqual
		return bit(v[0] >= v[1])
	case 176, 177: // OpULessThan, OpSLessThan
		return bit(v[0] < v[1])
	case 178, 179: // OpULessThanEqual, OpSLessThanEqual
		return bit(v[0] <= v[1])
	case 194, 195: // OpShiftRightLogical, OpShiftRightArithmetic
		return v[0] >> v[1]
	case 196: // OpShiftLeftLogical
		return v[0] << v[1]
	case 197: // OpBitwiseOr
		return v[0] | v[1]
	case 199: // OpBitwiseAnd
		return v[0] & v[1]
	}
	return 0
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
		if s := m.dec[id].stride; s != 0 {
			each = uint64(s)
		}
		return each * uint64(m.value(t.args[2], constants))
	case opTypeStruct:
		var end uint64
		for i, member := range t.args[1:] {
			size := m.size(member, constants)
			d := m.member[[2]uint32{id, uint32(i)}]
			if d.has[decOffset] {
				end = max(end, uint64(d.offset)+size)
			} else {
				end += size
			}
		}
		return end
	}
	return 0
}
