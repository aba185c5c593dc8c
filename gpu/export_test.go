package gpu

import (
	"embed"

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
