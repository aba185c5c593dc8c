package gpu

import (
	"maps"
	"time"

	"vklstm/gpu/internal/vk"
)

// KernelWork is what dispatches of one kernel do.
type KernelWork struct {
	Dispatches int
	Flop       float64       // floating-point operations, as the kernel's binding counts them
	Bytes      float64       // that must be read and written, each once: as counted, else the sizes of the buffers
	Time       time.Duration // with Profile: of the last repetition of each submission
	Timed      int           // the dispatches in Time
}

// Submitted is all that a device was handed.
type Submitted struct {
	Stats           // of all repetitions; a repetition begins with a barrier, which is counted
	Submissions int // of recordings
	Kernels     map[string]KernelWork
}

// Submitted returns what recordings did on this device since it was opened.
func (d *Device) Submitted() Submitted {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.submitted
	s.Kernels = maps.Clone(s.Kernels)
	return s
}

// Minus returns what was submitted since before.
func (s Submitted) Minus(before Submitted) Submitted {
	s.Dispatches -= before.Dispatches
	s.Barriers -= before.Barriers
	s.Copies -= before.Copies
	s.Fills -= before.Fills
	s.Submissions -= before.Submissions
	kernels := map[string]KernelWork{}
	for name, w := range s.Kernels {
		b := before.Kernels[name]
		if w.Dispatches -= b.Dispatches; w.Dispatches == 0 {
			continue
		}
		w.Flop, w.Bytes, w.Time, w.Timed = w.Flop-b.Flop, w.Bytes-b.Bytes, w.Time-b.Time, w.Timed-b.Timed
		kernels[name] = w
	}
	s.Kernels = kernels
	return s
}

// Profile makes recordings that begin from now on measure each dispatch: one runs after the other, with a timestamp in
// between, and Submitted tells the times. It slows them, and does nothing on a device without timestamps.
func (d *Device) Profile(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.profile = on && d.info.Limits.TimestampPeriod > 0
}

// Work says what the next dispatch does: floating-point operations, and bytes that it must read and write, each once.
// A kernel says it where the sizes of its buffers do not: when it calculates much, or touches a part of them.
func (r *Recording) Work(flop, bytes float64) { r.work.next = &[2]float64{flop, bytes} }

// work is what a recording's dispatches do.
type work struct {
	next    *[2]float64 // flop and bytes of the next dispatch, where its kernel said them
	kernels map[string]*KernelWork
}

func (w *work) add(kernel string, counted *[2]float64, args []Arg) {
	if w.kernels == nil {
		w.kernels = map[string]*KernelWork{}
	}
	k := w.kernels[kernel]
	if k == nil {
		k = &KernelWork{}
		w.kernels[kernel] = k
	}
	k.Dispatches++
	if counted != nil {
		k.Flop += counted[0]
		k.Bytes += counted[1]
		return
	}
	for _, a := range args {
		n := float64(a.size)
		if len(a.shape) > 0 && a.len > 0 {
			n /= float64(a.len) // bytes of an element
			for _, d := range a.shape {
				n *= float64(d)
			}
		}
		if a.access == reads|writes {
			n *= 2
		}
		k.Bytes += n
	}
}

// add counts a submission. The caller holds d.mu.
func (s *Submitted) add(parts []Times) {
	if s.Kernels == nil {
		s.Kernels = map[string]KernelWork{}
	}
	s.Submissions++
	for _, p := range parts {
		s.Dispatches += p.N * p.stats.Dispatches
		s.Barriers += p.N * (p.stats.Barriers + 1)
		s.Copies += p.N * p.stats.Copies
		s.Fills += p.N * p.stats.Fills
		for name, w := range p.work.kernels {
			k := s.Kernels[name]
			k.Dispatches += p.N * w.Dispatches
			k.Flop += float64(p.N) * w.Flop
			k.Bytes += float64(p.N) * w.Bytes
			s.Kernels[name] = k
		}
	}
}

// time adds what a submission's timestamps tell. The caller holds d.mu.
func (s *Submitted) time(r *Recording, stamps []uint64) {
	for i := 1; i < len(stamps); i++ {
		ticks := stamps[i] - stamps[i-1]
		if bits := r.d.physical.Families[r.d.family].TimestampBits; bits < 64 {
			ticks &= 1<<bits - 1
		}
		k := s.Kernels[r.stamps[i]]
		k.Time += time.Duration(float64(ticks) * r.d.info.Limits.TimestampPeriod)
		k.Timed++
		s.Kernels[r.stamps[i]] = k
	}
}

// stamp records a timestamp after a kernel ("": before the first), and a barrier, so that the next one begins after it.
func (r *Recording) stamp(kernel string) {
	if kernel == "" {
		r.d.mu.Lock()
		profile := r.d.profile
		r.d.mu.Unlock()
		if !profile {
			return
		}
	} else if len(r.stamps) == 0 {
		return
	}
	r.ops = append(r.ops, vk.OpStamp, uint64(len(r.stamps)), vk.OpBarrier)
	r.hazards.clear()
	r.stamps = append(r.stamps, kernel)
}
