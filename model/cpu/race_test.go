//go:build cgo && race

package cpu

// raced says that the race detector watches Go's memory, and slows the float64 reference down tenfold.
const raced = true
