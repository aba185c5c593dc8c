//go:build cgo && !race

package cpu

// raced is described in race_test.go.
const raced = false
