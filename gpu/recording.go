package gpu

import (
	"fmt"
	"sync"
	"unsafe"

	"vklstm/gpu/internal/vk"
)

// Recording is a list of dispatches, copies and fills that run in order, each after what it depends on. It is made once
// and may run often. A Recording is used from one goroutine at a time.
type Recording struct {
	d    *Device
	name string

	ops     []uint64 // what vk.Commands.Record takes
	layouts []vk.Handle
	writes  []uint64 // the descriptor sets, as vk.Commands.Sets takes them
	sets    map[string]int
	uses    map[*allocation]bool
	hazards hazards
	key     []uint64 // scratch
	stats   Stats
	work    work
	stamps  []string // with profiling: the kernel before each timestamp, "" before the first
	err     error    // the first one of the device; End returns it
	ended   bool
	omit    func(barrier int) bool // a test's way to leave barriers out

	mu      sync.Mutex // guards the run
	parts   []Times    // what runs; guarded by d.mu, as Device.settle asks for it
	c       commands
	running bool
	result  error
	ticks   uint64
}

// Stats counts what a recording holds.
type Stats struct{ Dispatches, Barriers, Copies, Fills int }

// NewRecording begins an empty recording. The name appears in errors.
func (d *Device) NewRecording(name string) *Recording {
	r := &Recording{d: d, name: name, sets: map[string]int{}, uses: map[*allocation]bool{}}
	// What earlier submissions wrote is there for this one, and a repeated submission follows itself.
	r.ops = append(r.ops, vk.OpBarrier)
	r.stamp("")
	return r
}

// Stats counts what was recorded so far; the barrier at the beginning, which every recording has, is not counted.
func (r *Recording) Stats() Stats { return r.stats }

// Limits are those in force on the recording's device: what a kernel chooses its shape by.
func (r *Recording) Limits() Limits { return r.d.info.Limits }

// Dispatch appends a kernel: a shader of package shaders by name, how much of it runs, its push constants, and its
// buffers in binding order. It panics when the kernel does not exist, when number, access or size of the buffers or the
// number of push constants is not what the shader declares, and when a buffer that is written overlaps another of the
// same dispatch. What the device cannot do is an error of End.
func (r *Recording) Dispatch(kernel string, size Size, push PushData, args ...Arg) {
	r.DispatchWith(nil, kernel, size, push, args...)
}

// DispatchWith is Dispatch with specialisation constants, which take the ids 0 to n−1.
func (r *Recording) DispatchWith(constants []uint32, kernel string, size Size, push PushData, args ...Arg) {
	r.open("Dispatch")
	counted := r.work.next
	r.work.next = nil
	k := r.d.pipes.kernel(kernel)
	k.check(constants, push, args)
	for i := range args {
		a := &args[i]
		if p := a.problem(&r.d.info.Limits); p != "" {
			panic(fmt.Sprintf("gpu: dispatch %s, argument %d (%s): %s", kernel, i, k.module.Bindings[i].Name, p))
		}
		r.owned(a.a)
		for j := range args[:i] {
			b := &args[j]
			if a.a == b.a && (a.access|b.access)&writes != 0 && a.off < b.off+b.size && b.off < a.off+a.size {
				panic(fmt.Sprintf("gpu: dispatch %s: arguments %d (%v %s) and %d (%v %s) overlap; one of them is written", kernel, j, b.access, b.name(), i, a.access, a.name()))
			}
		}
	}
	if r.err != nil {
		return
	}
	x, y, err := size.fold(k.threads(constants), r.d.info.Limits.MaxWorkgroupCount)
	if err == nil && x == 0 {
		return
	}
	var p pipeline
	if err == nil {
		p, err = r.d.pipes.get(k, constants)
	}
	if err != nil {
		r.err = fmt.Errorf("gpu: dispatch %s: %w", kernel, err)
		return
	}
	for _, a := range args {
		if r.hazards.conflict(a.region, a.access) {
			r.barrier()
			break
		}
	}
	for _, a := range args {
		r.hazards.add(a.region, a.access)
		r.uses[a.a] = true
	}
	r.ops = append(r.ops, vk.OpDispatch, uint64(p.handle), uint64(p.layout), uint64(r.set(p.set, args)), uint64(x), uint64(y), 1, uint64(len(push.words)))
	for _, w := range push.words {
		r.ops = append(r.ops, uint64(w))
	}
	r.stats.Dispatches++
	r.work.add(kernel, counted, args)
	r.stamp(kernel)
}

// set is the index of the descriptor set with these buffers; equal ones are shared.
func (r *Recording) set(layout vk.Handle, args []Arg) int {
	key := append(r.key[:0], uint64(layout))
	for _, a := range args {
		key = append(key, uint64(a.a.handle), a.off, a.size)
	}
	r.key = key
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&key[0])), 8*len(key))
	if i, ok := r.sets[string(bytes)]; ok {
		return i
	}
	i := len(r.layouts)
	r.sets[string(bytes)] = i
	r.layouts = append(r.layouts, layout)
	r.writes = append(append(r.writes, uint64(len(args))), key[1:]...)
	return i
}

// barrier places a barrier, unless a test leaves it out.
func (r *Recording) barrier() {
	if r.omit == nil || !r.omit(r.stats.Barriers) {
		r.ops = append(r.ops, vk.OpBarrier)
	}
	r.stats.Barriers++
	r.hazards.clear()
}

// Fill appends setting every 32-bit word of a buffer or view to word: 0 zeroes any element type.
func (r *Recording) Fill(b AnyBuffer, word uint32) {
	r.open("Fill")
	to := b.region()
	to.a.mustLive("fill " + b.Name())
	r.owned(to.a)
	if r.hazards.conflict(to, writes) {
		r.barrier()
	}
	r.hazards.add(to, writes)
	r.uses[to.a] = true
	r.ops = append(r.ops, vk.OpFill, uint64(to.a.handle), to.off, to.size, uint64(word))
	r.stats.Fills++
}

// open panics when the recording can take no more.
func (r *Recording) open(act string) {
	if r.ended {
		panic(fmt.Sprintf("gpu: %s in recording %q, which was ended", act, r.name))
	}
}

func (r *Recording) owned(a *allocation) {
	if a.d != r.d {
		panic(fmt.Sprintf("gpu: recording %q is of another device than buffer %q", r.name, a.name))
	}
}

// commands is the whole list: what was recorded, and then what makes it visible to a host that waited.
func (r *Recording) commands() []uint64 { return append(r.ops, vk.OpHostBarrier) }

// End finishes the recording and returns the first error of it: a kernel that the device cannot compile or run, or no
// memory. Run calls it if need be. A second End returns what the first did.
func (r *Recording) End() error {
	if r.ended {
		return r.err
	}
	r.ended = true
	if r.err == nil {
		if err := r.end(); err != nil {
			r.err = fmt.Errorf("gpu: record %q: %w", r.name, err)
		}
	}
	r.ops, r.layouts, r.writes, r.sets, r.key, r.hazards = nil, nil, nil, nil, nil, hazards{}
	return r.err
}

func (r *Recording) end() error {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if err := r.d.usable(); err != nil {
		return err
	}
	c, err := r.d.vk.Commands(uint32(r.d.family), r.d.info.Limits.TimestampPeriod > 0, len(r.stamps))
	if err != nil {
		return r.d.failed(err)
	}
	sets := make([]uint64, len(r.layouts))
	err = c.Sets(r.layouts, r.writes, sets)
	if err == nil {
		err = c.Record(r.commands(), sets)
	}
	if err != nil {
		c.Close()
		return r.d.failed(err)
	}
	r.c = c
	r.d.recordings[r] = true
	return nil
}
