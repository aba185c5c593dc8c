package gpu

import (
	"fmt"
	"os"
	"sync"

	"vklstm/gpu/internal/vk"
)

// Option changes how Open opens a device.
type Option func(*options)

type options struct {
	message  func(string)
	assisted bool
	limits   func(*Limits)
	cacheDir *string
}

// WithValidation opens the device under the Khronos validation layer, synchronisation validation included. Every error
// and warning goes to message, possibly on another goroutine; message must not call this package. Open fails where the
// layer is not installed.
func WithValidation(message func(msg string)) Option {
	return func(o *options) { o.message = message }
}

// WithLimits lets lower reduce the limits, for tests; what it raises stays as the device has it.
func WithLimits(lower func(*Limits)) Option { return func(o *options) { o.limits = lower } }

// WithCacheDir keeps compiled pipelines in dir instead of the user's cache folder; "" keeps none.
func WithCacheDir(dir string) Option { return func(o *options) { o.cacheDir = &dir } }

// Device is an open device with one queue. It may be used from several goroutines.
type Device struct {
	info     Info
	reason   string
	physical vk.Physical
	instance *vk.Instance
	vk       driver
	family   int
	direct   bool // buffers live in memory that host and device share

	staged     bool       // a test: never map, always copy
	mu         sync.Mutex // guards all that follows, and the queue
	closed     bool
	lost       bool
	memory     allocator
	buffers    map[*allocation]bool
	recordings map[*Recording]bool
	inflight   map[*Recording]bool
	inject     error // a test's next answer of the driver to a submission
	submitted  Submitted
	profile    bool // recordings made now measure each dispatch

	transfer sync.Mutex // one transfer through the staging buffers at a time
	staging  staging

	pipes pipelines
}

// Open opens the device that want names, as Choose reads it. The caller closes it.
func Open(want string, opts ...Option) (*Device, error) {
	var o options
	for _, f := range opts {
		f(&o)
	}
	if o.message == nil && validationWanted() {
		o.message = func(msg string) { fmt.Fprintln(os.Stderr, "validation:", msg) }
	}
	instance, physicals, err := connect(vk.Config{Validation: o.message != nil, GPUAssisted: o.assisted, Message: o.message})
	if err != nil {
		return nil, err
	}
	d, err := open(instance, physicals, want, o)
	if err != nil {
		instance.Close()
		return nil, err
	}
	return d, nil
}

func open(instance *vk.Instance, physicals []vk.Physical, want string, o options) (*Device, error) {
	info, reason, err := Choose(describeAll(physicals), want)
	if err != nil {
		return nil, err
	}
	d := &Device{
		info: info, reason: reason, instance: instance, physical: physicals[info.Index],
		buffers: map[*allocation]bool{}, recordings: map[*Recording]bool{}, inflight: map[*Recording]bool{},
	}
	if o.limits != nil {
		l := d.info.Limits
		o.limits(&l)
		d.info.Limits = lowered(d.info.Limits, l)
	}
	d.family, _ = computeFamily(d.physical)
	// A GPU with memory of its own is reached through staging, even where the host could map that memory: reading it
	// back uncached over the bus would be slower than a copy. Everything else shares memory with the host.
	d.direct = info.Type != "discrete GPU" && info.Type != "virtual GPU"
	device, err := instance.Device(d.physical, uint32(d.family))
	if err != nil {
		return nil, fmt.Errorf("gpu: open %s: %w", info.Name, translate(err))
	}
	d.vk = vulkanDriver{device}
	d.memory.init(d)
	if err := d.pipes.open(d, o.cacheDir); err != nil {
		d.vk.Close()
		return nil, fmt.Errorf("gpu: open %s: %w", info.Name, translate(err))
	}
	return d, nil
}

// lowered is have with every limit that want makes stricter.
func lowered(have, want Limits) Limits {
	for k := range have.MaxWorkgroupCount {
		have.MaxWorkgroupCount[k] = max(1, min(have.MaxWorkgroupCount[k], want.MaxWorkgroupCount[k]))
	}
	have.MaxInvocations = min(have.MaxInvocations, want.MaxInvocations)
	have.MaxWorkgroupSizeX = min(have.MaxWorkgroupSizeX, want.MaxWorkgroupSizeX)
	have.SharedMemory = min(have.SharedMemory, want.SharedMemory)
	have.PushConstants = min(have.PushConstants, want.PushConstants)
	have.StorageBuffers = min(have.StorageBuffers, want.StorageBuffers)
	have.StorageRange = min(have.StorageRange, want.StorageRange)
	have.OffsetAlignment = max(have.OffsetAlignment, want.OffsetAlignment) // a larger alignment is the stricter one
	have.SubgroupSize = min(have.SubgroupSize, want.SubgroupSize)
	have.SubgroupOps &= want.SubgroupOps
	have.SubgroupSmallest = min(have.SubgroupSmallest, want.SubgroupSmallest) // 0 takes full subgroups away
	have.Multiprocessors = min(have.Multiprocessors, want.Multiprocessors)
	if n := want.LaneRegisters; n > 0 && (have.LaneRegisters == 0 || n < have.LaneRegisters) {
		have.LaneRegisters = n
	}
	have.TimestampPeriod = min(have.TimestampPeriod, want.TimestampPeriod)
	have.MaxAllocation = min(have.MaxAllocation, want.MaxAllocation)
	if want.HalfMatrix != have.HalfMatrix {
		have.HalfMatrix = [3]uint32{} // a device has these matrices or none
	}
	return have
}

// Info describes the device; its Limits are those in force.
func (d *Device) Info() Info { return d.info }

// Limits are the limits in force.
func (d *Device) Limits() Limits { return d.info.Limits }

// String says which device this is and why it was taken.
func (d *Device) String() string {
	return fmt.Sprintf("%s (%s, %s), chosen because %s", d.info.Name, d.info.Type, d.info.Driver, d.reason)
}

// Allocated is the number of bytes of device memory that this Device holds, unused parts of its blocks included.
func (d *Device) Allocated() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.memory.held
}

// InBuffers is the number of bytes of device memory that buffers take, as the driver rounds them, unused parts of blocks left
// out.
func (d *Device) InBuffers() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sum uint64
	for a := range d.buffers {
		if a != d.staging.a {
			sum += a.span.size
		}
	}
	return sum
}

// Close waits for the device, saves the pipeline cache and frees everything, buffers and recordings included. Using
// them afterwards is an error. A second Close does nothing.
func (d *Device) Close() error {
	d.transfer.Lock()
	defer d.transfer.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.vk.WaitIdle() // a lost device says so here; it is freed all the same
	for r := range d.recordings {
		r.release()
	}
	d.recordings, d.inflight = nil, nil
	if d.staging.c != nil {
		d.staging.c.Close()
	}
	for a := range d.buffers {
		a.release()
	}
	d.buffers = nil
	d.memory.close()
	d.pipes.close()
	d.vk.Close()
	if d.instance != nil {
		d.instance.Close()
	}
	return nil
}

// usable is the error of a device that no longer works. The caller holds d.mu.
func (d *Device) usable() error {
	if d.closed {
		return errClosed
	}
	if d.lost {
		return fmt.Errorf("%s: %w", d.info.Name, ErrDeviceLost)
	}
	return nil
}

// failed translates a result and remembers a lost device. The caller holds d.mu.
func (d *Device) failed(err error) error {
	err = translate(err)
	if err == ErrDeviceLost {
		d.lost = true
		return fmt.Errorf("%s: %w", d.info.Name, ErrDeviceLost)
	}
	return err
}
