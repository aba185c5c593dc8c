package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// swap is an instruction of SPIR-V that takes another's place. Both have the same operands, so the module stays valid.
type swap struct {
	from, to uint16
	what     string
}

// swaps are tried in order: arithmetic of floats first, which can lead to no access out of a buffer and no endless loop.
var swaps = []swap{
	{129, 131, "an addition of floats subtracts"},
	{131, 129, "a subtraction of floats adds"},
	{133, 129, "a product of floats is a sum"},
	{167, 166, "a logical and is an or"},
	{166, 167, "a logical or is an and"},
	{170, 171, "an equality is an inequality"},
	{171, 170, "an inequality is an equality"},
	{199, 197, "a bitwise and is an or"},
	{128, 130, "an addition of integers subtracts"},
}

// mutant is a module with one instruction changed.
type mutant struct {
	code []byte
	what string
}

// mutants are all modules that differ from code by one swap, the best kind of swap first.
func mutants(code []byte) ([]mutant, error) {
	if len(code) < 20 || len(code)%4 != 0 || binary.LittleEndian.Uint32(code) != 0x07230203 {
		return nil, errors.New("not a SPIR-V module")
	}
	var list []mutant
	for _, s := range swaps {
		n := 0
		for at := 20; at < len(code); {
			word := binary.LittleEndian.Uint32(code[at:])
			length := int(word>>16) * 4
			if length == 0 || at+length > len(code) {
				return nil, fmt.Errorf("SPIR-V breaks off at byte %d", at)
			}
			if uint16(word) == s.from {
				m := slices.Clone(code)
				binary.LittleEndian.PutUint32(m[at:], word&0xffff0000|uint32(s.to))
				n++
				list = append(list, mutant{m, fmt.Sprintf("%s (number %d)", s.what, n)})
			}
			at += length
		}
	}
	if len(list) == 0 {
		return nil, errors.New("the module has no arithmetic that could be changed")
	}
	return list, nil
}
