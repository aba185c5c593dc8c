package cpu

// Setting changes how New makes an engine.
type Setting func(*set)

type set struct {
	isa string
}

// InstructionSet takes the kernels that are compiled for this instruction set, one of InstructionSets, in place of the
// best. It is for tests and measurements.
func InstructionSet(name string) Setting { return func(s *set) { s.isa = name } }
