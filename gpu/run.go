package gpu

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Run submits the recording once and waits for it. The error wraps ErrDeviceLost or ErrOutOfMemory where it is that.
func (r *Recording) Run() error {
	_, err := RunAll(Times{r, 1})
	return err
}

// Times is a recording and how often it runs.
type Times struct {
	*Recording
	N int
}

// RunAll runs the parts one after the other in one submission, waits for the last, and says how long the device worked
// (0 on devices without timestamps). The parts are of one device; none may be running. A desktop's watchdog wants a submission to stay
// well below a second.
func RunAll(parts ...Times) (time.Duration, error) {
	if len(parts) == 0 {
		return 0, nil
	}
	r := parts[0].Recording
	if err := r.start(parts); err != nil {
		return 0, err
	}
	if err := r.finish(); err != nil {
		return 0, err
	}
	return r.DeviceTime(), nil
}

// start submits parts, of which r is the first, with r's timestamps and fence.
func (r *Recording) start(parts []Times) error {
	list := make([]part, len(parts))
	for _, p := range parts {
		if p.N < 1 || p.N > math.MaxInt32 {
			panic(fmt.Sprintf("gpu: run %q %d times", p.name, p.N))
		}
		if p.d != r.d {
			panic(fmt.Sprintf("gpu: run %q with %q, which is of another device", r.name, p.name))
		}
		if err := p.End(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		panic(fmt.Sprintf("gpu: start %q, which is running; Wait first", r.name))
	}
	d := r.d
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.usable()
	for i, p := range parts {
		if err == nil && p.c == nil {
			err = errors.New("recording was freed")
		}
		if err == nil {
			for a := range p.uses {
				a.mustLive(fmt.Sprintf("run %q", p.name))
			}
			list[i] = part{p.c, uint32(p.N)}
		}
	}
	if err == nil {
		err = d.submit(r.c, list)
	}
	if err == nil {
		d.submitted.add(parts)
	}
	if err != nil {
		r.result = fmt.Errorf("gpu: run %q: %w", r.name, err)
		return r.result
	}
	r.running, r.result, r.ticks, r.parts = true, nil, 0, parts
	d.inflight[r] = true
	return nil
}

// finish waits for the running submission, if there is one, and keeps what came of it.
func (r *Recording) finish() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running {
		return r.result
	}
	err := r.c.Wait()
	if err == nil && r.d.info.Limits.TimestampPeriod > 0 {
		var begin, end uint64
		if begin, end, err = r.c.Ticks(); err == nil {
			r.ticks = end - begin
			if bits := r.d.physical.Families[r.d.family].TimestampBits; bits < 64 {
				r.ticks &= 1<<bits - 1 // the counter may have wrapped in between
			}
		}
	}
	r.d.mu.Lock()
	parts := r.parts
	r.d.mu.Unlock()
	stamps := make([][]uint64, len(parts))
	for i, p := range parts {
		stamps[i] = make([]uint64, len(p.stamps))
		if err == nil {
			err = p.c.Stamps(stamps[i])
		}
	}
	r.running = false
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	r.parts = nil
	delete(r.d.inflight, r)
	if err != nil {
		r.result = fmt.Errorf("gpu: run %q: %w", r.name, r.d.failed(err))
		return r.result
	}
	for i, p := range parts {
		r.d.submitted.time(p.Recording, stamps[i])
	}
	return nil
}

// DeviceTime is how long the device worked on the last run, all n repetitions together; 0 before the first run, while
// one goes on, and on devices without timestamps (Limits.TimestampPeriod is 0).
func (r *Recording) DeviceTime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(float64(r.ticks) * r.d.info.Limits.TimestampPeriod)
}

// Free waits for the recording and gives its memory back; its buffers stay. A recording that is not freed lives until
// the device is closed.
func (r *Recording) Free() {
	r.finish() // an error of a run nobody waited for ends with it
	r.mu.Lock()
	defer r.mu.Unlock()
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	r.ended = true
	if r.err == nil {
		r.err = fmt.Errorf("gpu: run %q: recording was freed", r.name)
	}
	delete(r.d.recordings, r)
	r.release()
}

// release frees the Vulkan side. The caller holds d.mu and has seen to it that nothing runs.
func (r *Recording) release() {
	if r.c != nil {
		r.c.Close()
		r.c = nil
	}
	r.running = false
}

// touches reports whether the running submission uses a buffer. The caller holds d.mu.
func (r *Recording) touches(a *allocation) bool {
	for _, p := range r.parts {
		if p.uses[a] {
			return true
		}
	}
	return false
}

// submit hands parts to the queue, with c's fence. The caller holds d.mu.
func (d *Device) submit(c commands, parts []part) error {
	if d.inject != nil {
		err := d.inject
		d.inject = nil
		return d.failed(err)
	}
	if err := c.Submit(parts); err != nil {
		return d.failed(err)
	}
	return nil
}
