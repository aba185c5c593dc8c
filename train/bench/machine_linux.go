package bench

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limitCores keeps every thread of the process, and so every thread that they start, on the first n of its cores.
func limitCores(n int) error {
	var have, want unix.CPUSet
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return fmt.Errorf("bench: ask for the cores of this process: %w", err)
	}
	for cpu := 0; want.Count() < min(n, have.Count()); cpu++ {
		if have.IsSet(cpu) {
			want.Set(cpu)
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("bench: list the threads of this process: %w", err)
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(id, &want); err != nil && err != unix.ESRCH { // a thread may have ended
			return fmt.Errorf("bench: keep this process on %d cores: %w", n, err)
		}
	}
	return nil
}

// PeakMemory is the most bytes of memory that the process held.
func PeakMemory() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss << 10
}
