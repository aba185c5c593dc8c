package model

import "fmt"

// Indices of the variables of Classifier's network in Layout.Variables, in Keras's order.
const (
	Kernel          = iota // lstm/kernel [F][4H]
	RecurrentKernel        // lstm/recurrent_kernel [H][4H]
	Bias                   // lstm/bias [4H]
	DenseKernel            // dense/kernel [H][D]
	DenseBias              // dense/bias [D]
	OutputKernel           // dense_1/kernel [D][1]
	OutputBias             // dense_1/bias [1]
	NumVariables
)

// Variable is one trained array: its name, its shape (slowest dimension first) and where it starts in the flat
// array of all parameters, in elements.
type Variable struct {
	Name   string
	Shape  []int
	Offset int
}

// Size returns the number of elements.
func (v Variable) Size() int {
	n := 1
	for _, d := range v.Shape {
		n *= d
	}
	return n
}

// Matrix reports whether the variable is a kernel, which L2 acts on, and no bias.
func (v Variable) Matrix() bool { return len(v.Shape) == 2 }

// Of returns the variable's part of a flat array that holds all parameters.
func (v Variable) Of(flat []float32) []float32 {
	return flat[v.Offset : v.Offset+v.Size() : v.Offset+v.Size()]
}

// Layout says where each variable of a Spec lies in a flat array of Size elements, without gaps. The first Trained ones are
// trained; the others are moving moments of BatchNormalization layers, of which the gradient is 0.
type Layout struct {
	Variables []Variable
	Trained   int
	Size      int
}

// TrainedSize returns how many elements are trained.
func (l Layout) TrainedSize() int {
	if l.Trained == len(l.Variables) {
		return l.Size
	}
	return l.Variables[l.Trained].Offset
}

// State is all that training changes: the parameters, Adam's moments (each flat, Layout.Size elements, in Layout
// order) and the number of optimizer steps taken.
type State struct {
	Params []float32
	M, V   []float32 // Adam's first and second moments; zero at the start and under SGD
	Step   int       // optimizer steps taken so far
}

// NewState returns a zeroed State for n parameters.
func NewState(n int) *State {
	return &State{Params: make([]float32, n), M: make([]float32, n), V: make([]float32, n)}
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() *State {
	return &State{
		Params: append([]float32(nil), s.Params...),
		M:      append([]float32(nil), s.M...),
		V:      append([]float32(nil), s.V...),
		Step:   s.Step,
	}
}

// Check returns an error that wraps ErrShape unless every array of s has n elements.
func (s *State) Check(n int) error {
	if len(s.Params) != n || len(s.M) != n || len(s.V) != n {
		return fmt.Errorf("model: state of %d, %d, %d elements (parameters, m, v) for a network of %d parameters: %w",
			len(s.Params), len(s.M), len(s.V), n, ErrShape)
	}
	return nil
}
