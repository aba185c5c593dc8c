package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// CPUName is the processor's name as the system spells it, else its architecture.
func CPUName() string {
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

// LoadAverage is the machine's load over the last minute, 0 where the system does not say.
func LoadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}

// MaxThreads is the most threads that may be asked for, the CPU engine's own limit: Go's runtime makes a processor of
// each before any engine is made, and a million take the machine's memory.
const MaxThreads = 1024

// LimitThreads restricts the process to n cores where the system can (Linux), and its Go code to n threads everywhere.
// n = 0 leaves it as it is. It returns the number of cores then in use.
func LimitThreads(n int) (int, error) {
	if n < 0 || n > MaxThreads {
		return 0, fmt.Errorf("bench: %d threads; at least 1 and at most %d, or 0 for all", n, MaxThreads)
	}
	if n > 0 {
		if err := limitCores(n); err != nil {
			return 0, err
		}
		runtime.GOMAXPROCS(n)
	}
	return runtime.GOMAXPROCS(0), nil
}

// ProcessStart is when this process began, by the system's clock of 10 ms (Linux), else main, which the caller took.
func ProcessStart(main time.Time) time.Time {
	stat, err := os.ReadFile("/proc/self/stat")
	uptime, err2 := os.ReadFile("/proc/uptime")
	if err != nil || err2 != nil {
		return main
	}
	// The name in parentheses may hold anything; the start, in hundredths of a second since boot, is field 22.
	_, rest, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	fields, up := strings.Fields(rest), strings.Fields(string(uptime))
	if len(fields) < 20 || len(up) < 1 {
		return main
	}
	began, err := strconv.ParseFloat(fields[19], 64)
	now, err2 := strconv.ParseFloat(up[0], 64)
	if err != nil || err2 != nil {
		return main
	}
	start := time.Now().Add(-time.Duration((now - began/100) * 1e9))
	if start.After(main) { // the clock's grain
		return main
	}
	return start
}
