package bench

import (
	"strings"
	"time"
)

// Row is one thing measured.
type Row struct {
	Group   string        // "kernel", "step", "epoch", "predict", "load", "dispatch", "start"
	Name    string        // "B=32/T=60/F=6/H=64"
	Wall    time.Duration // of one
	Device  time.Duration // that the device worked on one; 0: not known, or the CPU
	Flop    float64       // of one; 0: not counted
	Bytes   float64       // of one, that must move; 0: not counted
	Count   int           // how often it happens in a training step, for kernels
	Skipped string        // why it was not measured
}

// Time is what rates are taken over: the device's time where it is known.
func (r Row) Time() time.Duration {
	if r.Device > 0 {
		return r.Device
	}
	return r.Wall
}

// GFLOPS is the rate of operations, 0 when they are not counted.
func (r Row) GFLOPS() float64 { return rate(r.Flop, r.Time()) }

// GBs is the rate of bytes, 0 when they are not counted.
func (r Row) GBs() float64 { return rate(r.Bytes, r.Time()) }

func rate(n float64, t time.Duration) float64 {
	if t <= 0 {
		return 0
	}
	return n / float64(t.Nanoseconds())
}

// What bounds a Row from below, by the roofline (Williams, Waterman and Patterson 2009).
const (
	BoundCompute = "compute"
	BoundMemory  = "memory"
)

// Roofline compares the row with the least time that the device's peak allows: the larger of operations by peak and of
// bytes by bandwidth. It returns that time's share of the measured one, and which of the two it is; "" when neither can
// be said.
func (r Row) Roofline(p Peak) (share float64, bound string) {
	least := 0.0 // ns
	peak := p.GFLOPS
	if p.Half > 0 && strings.HasSuffix(r.Name, "_half") { // a kernel that is named for its float16 products
		peak = p.Half
	}
	if r.Flop > 0 && peak > 0 {
		least, bound = r.Flop/peak, BoundCompute
	}
	if r.Bytes > 0 && p.GBs > 0 && r.Bytes/p.GBs > least {
		least, bound = r.Bytes/p.GBs, BoundMemory
	}
	if bound == "" || r.Time() <= 0 {
		return 0, ""
	}
	return least / float64(r.Time().Nanoseconds()), bound
}
