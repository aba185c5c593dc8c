package gpu

import (
	"embed"
	"fmt"

	"vklstm/gpu/internal/vk"
)

//go:generate go run ../shaders/internal/compile -I ../shaders/include testdata

//go:embed testdata/spv/*.spv
var testKernels embed.FS

// AddTestKernels makes the kernels of testdata known to a device.
func AddTestKernels(d *Device) {
	d.pipes.mu.Lock()
	defer d.pipes.mu.Unlock()
	for _, name := range []string{"scale", "mix", "count", "beyond", "tile", "empty", "many"} {
		code, err := testKernels.ReadFile("testdata/spv/" + name + ".spv")
		if err != nil {
			panic(err)
		}
		if d.pipes.kernels[name] == nil {
			d.pipes.add(name, code)
		}
	}
}

// OmitBarrier leaves out the n-th barrier that the recording would place, counted from 0.
func (r *Recording) OmitBarrier(n int) { r.omit = func(k int) bool { return k == n } }

// Inject makes the driver seem to answer the next submission with this VkResult.
func (d *Device) Inject(result int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject = vk.Result(result)
}

// ForceStaging makes a device treat its memory as a graphics card's, which the host reaches by copies alone. It must be
// called before the first buffer is made.
func (d *Device) ForceStaging() { d.staged = true }

// Compiled is the number of pipelines that the device holds.
func (d *Device) Compiled() int { return len(d.pipes.compiled) }

// CacheFile is where the device keeps its pipelines.
func (d *Device) CacheFile() string { return d.pipes.file }

// The parts that tests look at by themselves.
var (
	ReadCache  = readCache
	WriteCache = writeCache
)

// Physical is what the driver said of the device.
func (d *Device) Physical() vk.Physical { return d.physical }

// Fold is Size.fold.
func (s Size) Fold(threads uint64, limit [3]uint32) (x, y uint32, err error) {
	return s.fold(threads, limit)
}

// BlockSize is the size of a memory block.
const BlockSize = blockSize

// WithGPUAssisted adds the layer's instrumentation of shaders to WithValidation: accesses out of a buffer's range are
// reported. Everything becomes much slower.
func WithGPUAssisted() Option { return func(o *options) { o.assisted = true } }

// Copy appends a copy of src to dst, which have the same size in bytes and do not overlap.
func (r *Recording) Copy(dst, src AnyBuffer) {
	r.open("Copy")
	to, from := dst.region(), src.region()
	where := fmt.Sprintf("copy %s to %s", src.Name(), dst.Name())
	to.a.mustLive(where)
	from.a.mustLive(where)
	r.owned(to.a)
	r.owned(from.a)
	if to.size != from.size {
		panic(fmt.Sprintf("gpu: %s: %d bytes to %d bytes", where, from.size, to.size))
	}
	if to.a == from.a && to.off < from.off+from.size && from.off < to.off+to.size {
		panic(fmt.Sprintf("gpu: %s: they overlap", where))
	}
	if r.hazards.conflict(to, writes) || r.hazards.conflict(from, reads) {
		r.barrier()
	}
	r.hazards.add(to, writes)
	r.hazards.add(from, reads)
	r.uses[to.a], r.uses[from.a] = true, true
	r.ops = append(r.ops, vk.OpCopy, uint64(from.a.handle), uint64(to.a.handle), from.off, to.off, to.size)
	r.stats.Copies++
}

// Start submits the recording and returns while it runs; Wait waits for it. Other recordings may be started meanwhile;
// they run after it.
func (r *Recording) Start() error { return r.start([]Times{{r, 1}}) }

// StartN is Start with n runs in one submission.
func (r *Recording) StartN(n int) error { return r.start([]Times{{r, n}}) }

// RunN is StartN and Wait.
func (r *Recording) RunN(n int) error {
	_, err := RunAll(Times{r, n})
	return err
}

// Wait waits for the last Start and returns its error. Without a Start it returns what the last run did.
func (r *Recording) Wait() error { return r.finish() }
