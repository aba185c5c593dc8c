//go:build !linux

package bench

// limitCores does nothing: Go's own limit on threads holds.
func limitCores(int) error { return nil }

// PeakMemory is the most bytes of memory that the process held; 0: not known on this system.
func PeakMemory() int64 { return 0 }
