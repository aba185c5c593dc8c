package shaders_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vklstm/shaders"
)

// The instructions of SPIR-V that tell what an index is made of.
const (
	opTypeVector, opTypeMatrix, opTypeArray, opTypeStruct, opTypePointer = 23, 24, 28, 30, 32
	opConstantFirst, opConstantLast                                      = 41, 52
	opFunctionParameter, opVariable, opLoad, opStore                     = 55, 59, 61, 62
	opAccessChain, opInBoundsAccessChain                                 = 65, 66
	opPureFirst, opPureLast                                              = 124, 200 // arithmetic, comparisons, selection
	opLoopMerge, opLabel, opBranchConditional                            = 246, 248, 250

	classPrivate, classFunction = 6, 7
	unroll                      = 1 // of a loop's control
)

// instruction is one of a module; word is where it begins.
type instruction struct {
	op, word int
	args     []uint32
}

// loop is the instructions [first, end) from its header on, of which those from next on step its counter.
type loop struct{ first, next, end, merge int }

// program is what a module computes, as far as indices go.
type program struct {
	list   []instruction
	defs   map[uint32]int // the instruction that makes an id
	labels map[uint32]int
	stores map[uint32][]int // of a variable, in order
	loops  []loop           // those that are to be unrolled
}

func parseProgram(t *testing.T, code []byte) *program {
	t.Helper()
	p := &program{defs: map[uint32]int{}, labels: map[uint32]int{}, stores: map[uint32][]int{}}
	words := make([]uint32, len(code)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(code[4*i:])
	}
	for at := 5; at < len(words); {
		n, op := int(words[at]>>16), int(words[at]&0xFFFF)
		if n == 0 || at+n > len(words) {
			t.Fatal("the module is cut off")
		}
		a := words[at+1 : at+n]
		switch {
		case op >= 19 && op <= 39 || op == 4456: // types
			p.defs[a[0]] = len(p.list)
		case op == opLabel:
			p.labels[a[0]] = len(p.list)
		case op == opStore:
			p.stores[a[0]] = append(p.stores[a[0]], len(p.list))
		case op >= opConstantFirst && op <= opConstantLast, op == opFunctionParameter, op == opVariable, op == opLoad, op == opAccessChain,
			op == opInBoundsAccessChain, op >= opPureFirst && op <= opPureLast:
			p.defs[a[1]] = len(p.list)
		}
		p.list = append(p.list, instruction{op, at, a})
		at += n
	}
	for i, in := range p.list {
		if in.op == opLoopMerge && in.args[2]&unroll != 0 {
			first := i
			for p.list[first].op != opLabel {
				first--
			}
			p.loops = append(p.loops, loop{first: first, next: p.labels[in.args[1]], end: p.labels[in.args[0]], merge: i})
		}
	}
	return p
}

// known reports whether an id has a value, at an instruction, that the compiler of a pipeline knows once loops are unrolled.
// counters are the variables that are taken for known.
func (p *program) known(id uint32, at int, counters []uint32) bool {
	def, ok := p.defs[id]
	if !ok {
		return false
	}
	switch in := p.list[def]; {
	case in.op >= opConstantFirst && in.op <= opConstantLast:
		return true
	case in.op == opLoad:
		return p.counts(in.args[2], at, counters)
	case in.op >= opPureFirst && in.op <= opPureLast:
		for _, operand := range in.args[2:] {
			if !p.known(operand, at, counters) {
				return false
			}
		}
		return true
	}
	return false
}

// counts reports whether a variable is, at an instruction, the counter of a loop around it that is unrolled: what it begins with,
// what is added and when the loop ends are known, and nothing else changes it. A variable that is set once, to what is known, does too.
func (p *program) counts(v uint32, at int, counters []uint32) bool {
	if slices.Contains(counters, v) {
		return true
	}
	if p.list[p.defs[v]].op != opVariable {
		return false
	}
	stores := p.stores[v]
	if len(stores) == 1 {
		return stores[0] < at && p.known(p.list[stores[0]].args[1], stores[0], counters)
	}
	for _, l := range p.loops {
		if at < l.first || at >= l.end {
			continue
		}
		with := append(slices.Clone(counters), v)
		steps, good := 0, true
		for _, s := range stores {
			switch inside := s >= l.first && s < l.end; {
			case inside && s >= l.next:
				steps++
				good = good && p.known(p.list[s].args[1], s, with)
			case inside:
				good = false
			case s < l.first:
				good = good && p.known(p.list[s].args[1], s, counters)
			}
		}
		ends := slices.IndexFunc(p.list[l.merge:l.end], func(in instruction) bool { return in.op == opBranchConditional })
		if good && steps > 0 && ends >= 0 && p.known(p.list[l.merge+ends].args[0], l.merge+ends, with) {
			return true
		}
	}
	return false
}

// private counts the places where a thread's own arrays are read or written, and names those where no compiler can tell which
// element it is.
func (p *program) private() (places int, unknown []string) {
	for at, in := range p.list {
		if in.op != opAccessChain && in.op != opInBoundsAccessChain {
			continue
		}
		def, ok := p.defs[in.args[2]]
		if !ok || p.list[def].op != opVariable && p.list[def].op != opFunctionParameter {
			continue
		}
		pointer := p.list[p.defs[p.list[def].args[0]]]
		if pointer.op != opTypePointer || pointer.args[1] != classPrivate && pointer.args[1] != classFunction {
			continue
		}
		for of, indices := pointer.args[2], in.args[3:]; len(indices) > 0; indices = indices[1:] {
			switch kind := p.list[p.defs[of]]; kind.op {
			case opTypeArray:
				places++
				if !p.known(indices[0], at, nil) {
					unknown = append(unknown, fmt.Sprintf("word %d: an element of the array %%%d", in.word, in.args[2]))
				}
				of = kind.args[1]
			case opTypeStruct:
				of = kind.args[1+p.list[p.defs[indices[0]]].args[2]]
			case opTypeVector, opTypeMatrix: // compilers choose among four by comparisons
				of = kind.args[1]
			}
		}
	}
	return places, unknown
}

// TestArraysInRegisters: a thread's own arrays can lie in registers, because each index is known when loops are unrolled that say
// so. Registers cannot be indexed by a variable: then compilers put the array into memory, which NVIDIA's and Intel's did with
// the recurrent weights of an experiment whose loops did not say [[unroll]]; AMD's unrolled them all the same.
func TestArraysInRegisters(t *testing.T) {
	for _, name := range shaders.Names() {
		code, err := shaders.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		places, unknown := parseProgram(t, code).private()
		if len(unknown) > 0 {
			t.Errorf("%s: indices that are not known when the kernel is compiled; put [[unroll]] on the loops around them:\n\t%s", name, strings.Join(unknown, "\n\t"))
		}
		if places < 4 && strings.HasPrefix(name, "resident_direction") {
			t.Errorf("%s: %d accesses of arrays were found; the weights alone have as many as 4", name, places)
		}
	}
}

// TestRolledLoopNoticed: a loop over arrays that loses its [[unroll]] is noticed, in every kernel that holds much in registers.
func TestRolledLoopNoticed(t *testing.T) {
	for name, want := range map[string]int{ // loops over arrays; the others, as of Philox, are over none
		"resident_lstm": 15, "resident_direction_forward": 3, "resident_direction_backward": 7, "resident_weight": 16,
		"matmul": 11, "lstm_step_forward": 11, "lstm_step_backward": 7,
	} {
		code, err := shaders.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		whole, noticed := parseProgram(t, code), 0
		for _, l := range whole.loops {
			rolled := slices.Clone(code)
			control := rolled[4*(whole.list[l.merge].word+3):]
			binary.LittleEndian.PutUint32(control, binary.LittleEndian.Uint32(control)&^unroll)
			if _, unknown := parseProgram(t, rolled).private(); len(unknown) > 0 {
				noticed++
			}
		}
		if noticed != want {
			t.Errorf("%s: %d of %d loops are missed when they are not unrolled, want %d", name, noticed, len(whole.loops), want)
		}
	}
}
