package spirv

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// The operations on subgroups, OpGroupNonUniform…, and what makes a module know the size it runs at.
const (
	opGroupFirst, opGroupLast             = 333, 366
	opGroupBroadcast                      = 337
	opGroupShuffle, opGroupShuffleXor     = 345, 346
	opGroupShuffleUp, opGroupShuffleDown  = 347, 348
	opGroupArithmetic, opGroupLogical     = 349, 364 // sums and the like, from IAdd to LogicalXor
	opGroupQuadBroadcast, opGroupQuadSwap = 365, 366
	clustered                             = 3 // the group operation that sums over clusters of lanes
	builtInSubgroupSize, builtInNumSubs   = 36, 38
	builtInSubgroupID                     = 40

	opFunction, opLabel                     = 54, 248
	opBranch, opBranchConditional, opSwitch = 249, 250, 251
)

// program is a module with what its functions do.
type program struct {
	*Module
	blocks  map[uint32]*block
	entries []uint32 // the first block of each function
}

// block is a part of a function without branches: what it does with subgroups, and how it ends.
type block struct {
	subgroup []instruction
	end      instruction
}

// parseProgram reads a module's functions too.
func parseProgram(code []byte) (*program, error) {
	m, err := Parse(code)
	if err != nil {
		return nil, err
	}
	p := &program{Module: m, blocks: map[uint32]*block{}}
	least := map[uint16]int{opLabel: 1, opBranch: 1, opBranchConditional: 3, opSwitch: 2}
	var at *block // of the current instruction, inside a function
	first := false
	for rest := code[20:]; len(rest) > 0; {
		word := binary.LittleEndian.Uint32(rest)
		i := instruction{op: uint16(word)}
		for w := 4; w < 4*int(word>>16); w += 4 {
			i.args = append(i.args, binary.LittleEndian.Uint32(rest[w:]))
		}
		rest = rest[4*(word>>16):]
		if len(i.args) < least[i.op] {
			return nil, fmt.Errorf("spirv: instruction %d has %d operands", i.op, len(i.args))
		}
		switch {
		case i.op == opFunction:
			at, first = nil, true
		case i.op == opLabel:
			at = &block{}
			p.blocks[i.args[0]] = at
			if first {
				p.entries, first = append(p.entries, i.args[0]), false
			}
		case at == nil:
		case i.op == opBranch || i.op == opBranchConditional || i.op == opSwitch:
			at.end = i
		case i.op >= opGroupFirst && i.op <= opGroupLast:
			at.subgroup = append(at.subgroup, i)
		}
	}
	return p, nil
}

// Subgroup is the least number of lanes that a subgroup must have for a kernel to be right, with constants as for
// LocalSize: 1 where it has no operation on subgroups, or only such as are right at any size (vote, ballot, elect), 4 for
// quads, n where lanes n−1 apart meet. It is an error where that cannot be told: a sum over the whole subgroup, or lanes
// that are worked out at run time, in a kernel that never asks how large a subgroup is. What constants switch off does not
// count.
func Subgroup(code []byte, constants []uint32) (lanes uint32, err error) {
	m, err := parseProgram(code)
	if err != nil {
		return 0, err
	}
	lanes = 1
	seen := map[uint32]bool{}
	for list := slices.Clone(m.entries); len(list) > 0; {
		label := list[len(list)-1]
		list = list[:len(list)-1]
		b := m.blocks[label]
		if b == nil || seen[label] {
			continue
		}
		seen[label] = true
		for _, i := range b.subgroup {
			n, known := m.reach(i, constants)
			if !known && !m.knowsSubgroup() {
				return 0, fmt.Errorf("spirv: operation %d reaches over a subgroup whose size the kernel never asks for", i.op)
			}
			lanes = max(lanes, n)
		}
		list = append(list, m.successors(b.end, constants)...)
	}
	return lanes, nil
}

// successors are the blocks that an end of a block may lead to.
func (m *program) successors(end instruction, constants []uint32) []uint32 {
	switch end.op {
	case opBranch:
		return end.args[:1]
	case opBranchConditional:
		switch {
		case !m.constant(end.args[0]):
			return end.args[1:3]
		case m.value(end.args[0], constants) != 0:
			return end.args[1:2]
		}
		return end.args[2:3]
	case opSwitch: // literals count as labels here, and lead nowhere or to a block too many
		return end.args[1:]
	}
	return nil
}

// reach is the number of lanes that an operation on a subgroup needs; not known where it depends on the subgroup's size or
// on a value of run time.
func (m *Module) reach(i instruction, constants []uint32) (lanes uint32, known bool) {
	// Operands: type, id, scope, and then value and lane, or the kind of sum, value and size of the clusters.
	switch {
	case i.op == opGroupQuadBroadcast || i.op == opGroupQuadSwap:
		return 4, true
	case i.op == opGroupBroadcast || i.op >= opGroupShuffle && i.op <= opGroupShuffleDown:
		if len(i.args) < 5 || !m.constant(i.args[4]) {
			return 1, false
		}
		lane := min(m.value(i.args[4], constants), 1<<16) // more than any subgroup has
		if i.op == opGroupShuffleXor {
			return 1 << bits.Len32(lane), true
		}
		return lane + 1, true
	case i.op >= opGroupArithmetic && i.op <= opGroupLogical:
		if len(i.args) < 6 || i.args[3] != clustered || !m.constant(i.args[5]) {
			return 1, false
		}
		return m.value(i.args[5], constants), true
	}
	return 1, true
}

// constant reports whether an id is a constant whose value is known once the specialisation constants are.
func (m *Module) constant(id uint32) bool {
	switch c := m.defs[id]; c.op {
	case opConstant, opSpecConstant, opConstantTrue, opConstantFalse, opSpecTrue, opSpecFalse:
		return true
	case opSpecOp:
		return operations[c.args[2]] != nil && !slices.ContainsFunc(c.args[3:], func(operand uint32) bool { return !m.constant(operand) })
	}
	return false
}

// knowsSubgroup reports whether the kernel asks for the size or the number of its subgroups.
func (m *Module) knowsSubgroup() bool {
	for _, d := range m.dec {
		if d.is(decBuiltIn, builtInSubgroupSize) || d.is(decBuiltIn, builtInNumSubs) || d.is(decBuiltIn, builtInSubgroupID) {
			return true
		}
	}
	return false
}
