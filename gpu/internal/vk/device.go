//go:build cgo

package vk

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Device is a logical device with one queue.
type Device struct {
	c      *C.Device
	vk     vulkan.Device
	family uint32
}

// check turns a VkResult into an error.
func check(r C.int32_t) error {
	if r == 0 {
		return nil
	}
	return Result(r)
}

// Device makes a logical device with one queue of the given family.
func (i *Instance) Device(p Physical, family uint32) (*Device, error) {
	startup.Lock()
	defer startup.Unlock()
	physical := *(*vulkan.PhysicalDevice)(unsafe.Pointer(&p.handle))
	var details C.Details
	if err := check(C.shim_details(C.handle(pointer(i.vk)), C.handle(pointer(physical)), C.uint32_t(p.API), &details)); err != nil {
		return nil, err
	}
	info := C.shim_device_info(C.uint32_t(family), &details)
	if info == nil {
		return nil, OutOfHostMemory
	}
	defer C.free(info)
	return i.create(physical, info, family)
}

// create makes a device from an info that C laid out. The caller holds startup.
func (i *Instance) create(physical vulkan.PhysicalDevice, info unsafe.Pointer, family uint32) (*Device, error) {
	var device vulkan.Device
	if r := vulkan.CreateDevice(physical, vulkan.NewDeviceCreateInfoRef(info), nil, &device); r != vulkan.Success {
		return nil, Result(r)
	}
	var missing *C.char
	c := C.shim_device(C.handle(pointer(i.vk)), C.handle(pointer(device)), C.uint32_t(family), &missing)
	if c == nil {
		vulkan.DestroyDevice(device, nil)
		return nil, fmt.Errorf("the driver has no %s", C.GoString(missing))
	}
	return &Device{c: c, vk: device, family: family}, nil
}

// Close destroys the device; every object of it must be gone.
func (d *Device) Close() {
	startup.Lock()
	defer startup.Unlock()
	vulkan.DestroyDevice(d.vk, nil)
	C.free(unsafe.Pointer(d.c))
	d.c, d.vk = nil, nil
}

// WaitIdle waits until the device has nothing to do.
func (d *Device) WaitIdle() error { return check(C.shim_idle(d.c)) }

// Destroy ends an object. Zero is ignored.
func (d *Device) Destroy(kind Kind, h Handle) {
	if h != 0 {
		C.shim_destroy(d.c, C.int(kind), C.object(h))
	}
}

// Name gives an object a name for validation messages; without the layer it does nothing.
func (d *Device) Name(kind Kind, h Handle, name string) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	C.shim_name(d.c, C.int(kind), C.object(h), c)
}

// Buffer makes a storage buffer without memory and says what memory it wants.
func (d *Device) Buffer(bytes uint64) (Handle, Requirements, error) {
	var b C.object
	var r C.MemoryRequirements
	err := check(C.shim_buffer(d.c, C.uint64_t(bytes), &b, &r))
	return Handle(b), Requirements{uint64(r.size), uint64(r.align), uint32(r.types)}, err
}

// Bind gives a buffer its memory, from an offset in bytes.
func (d *Device) Bind(buffer, memory Handle, offset uint64) error {
	return check(C.shim_bind(d.c, C.object(buffer), C.object(memory), C.uint64_t(offset)))
}

// Allocate takes memory of a type (an index of Physical.Types) from its heap.
func (d *Device) Allocate(bytes uint64, memoryType uint32) (Handle, error) {
	var m C.object
	err := check(C.shim_allocate(d.c, C.uint64_t(bytes), C.uint32_t(memoryType), &m))
	return Handle(m), err
}

// Map makes host-visible memory addressable until it is freed.
func (d *Device) Map(memory Handle) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	err := check(C.shim_map(d.c, C.object(memory), &p))
	return p, err
}

// SetLayout is the layout of n storage buffers at bindings 0 to n−1, n ≤ MaxBindings.
func (d *Device) SetLayout(n int) (Handle, error) {
	var l C.object
	err := check(C.shim_set_layout(d.c, C.uint32_t(n), &l))
	return Handle(l), err
}

// PipelineLayout is one set and a range of push constants in bytes.
func (d *Device) PipelineLayout(set Handle, pushBytes uint32) (Handle, error) {
	var l C.object
	err := check(C.shim_pipeline_layout(d.c, C.object(set), C.uint32_t(pushBytes), &l))
	return Handle(l), err
}

// data is the address of a slice's first element, nil when it has none.
func data[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// Cache makes a pipeline cache from what CacheData gave, or an empty one from nothing.
func (d *Device) Cache(initial []byte) (Handle, error) {
	var c C.object
	err := check(C.shim_cache(d.c, data(initial), C.size_t(len(initial)), &c))
	return Handle(c), err
}

// CacheData is the content of a pipeline cache.
func (d *Device) CacheData(cache Handle) ([]byte, error) {
	var n C.size_t
	if err := check(C.shim_cache_data(d.c, C.object(cache), nil, &n)); err != nil || n == 0 {
		return nil, err
	}
	b := make([]byte, n)
	err := check(C.shim_cache_data(d.c, C.object(cache), data(b), &n))
	return b[:n], err
}

// Pipeline compiles SPIR-V with entry point main; constants have ids 0 to n−1.
func (d *Device) Pipeline(code []byte, layout, cache Handle, constants []uint32, subgroups Subgroups) (Handle, error) {
	words := make([]uint32, len(code)/4) // an aligned copy: embedded bytes need not be
	copy(unsafe.Slice((*byte)(data(words)), 4*len(words)), code)
	var p C.object
	err := check(C.shim_pipeline(d.c, (*C.uint32_t)(data(words)), C.size_t(4*len(words)), C.object(layout), C.object(cache),
		(*C.uint32_t)(data(constants)), C.uint32_t(len(constants)), C.int(subgroups), &p))
	return Handle(p), err
}

// Commands is one recording: command buffers, a fence, descriptor sets, and two timestamps around each submission.
type Commands struct {
	d     *Device
	c     C.Commands
	pools []C.object
}

// Commands makes an empty recording for the device's queue family. With timestamps it may have further ones inside it, as
// many as stamps says, which OpStamp writes.
func (d *Device) Commands(family uint32, timestamps bool, stamps int) (*Commands, error) {
	c := &Commands{d: d}
	var t C.int
	if timestamps {
		t = 1
	}
	var raw C.Commands
	if err := check(C.shim_commands(d.c, C.uint32_t(family), t, C.uint32_t(stamps), &raw)); err != nil {
		return nil, err
	}
	c.c = raw
	return c, nil
}

// Close frees the recording, which must not be running.
func (c *Commands) Close() {
	for _, p := range c.pools {
		C.shim_sets_free(c.d.c, p)
	}
	c.pools = nil
	raw := c.c
	C.shim_commands_free(c.d.c, &raw)
	c.c = raw
}

// Sets allocates one descriptor set for each layout into out and writes it; writes holds for each set the number of
// its buffers, then handle, offset and range of each.
func (c *Commands) Sets(layouts []Handle, writes, out []uint64) error {
	const most = 1024 // sets of one pool
	for len(layouts) > 0 {
		n := min(most, len(layouts))
		words, descriptors := 0, 0
		for range n {
			k := int(writes[words])
			words += 1 + 3*k
			descriptors += k
		}
		var pool C.object
		if err := check(C.shim_sets(c.d.c, C.uint32_t(n), (*C.uint64_t)(data(layouts)), C.uint32_t(descriptors),
			(*C.uint64_t)(data(writes)), &pool, (*C.uint64_t)(data(out)))); err != nil {
			return err
		}
		c.pools = append(c.pools, pool)
		layouts, writes, out = layouts[n:], writes[words:], out[n:]
	}
	return nil
}

// Record writes the commands, which are the Op numbers and their operands; sets is what Sets gave.
func (c *Commands) Record(ops, sets []uint64) error {
	raw := c.c
	return check(C.shim_record(c.d.c, &raw, (*C.uint64_t)(data(ops)), C.size_t(len(ops)), (*C.uint64_t)(data(sets))))
}

// Part is a recording and how often it runs.
type Part struct {
	C     *Commands
	Times uint32
}

// Submit runs the parts in order, between c's own timestamps and before c's fence; c itself may be a part. The caller
// sees to it that no other submission to this device goes on meanwhile.
func (c *Commands) Submit(parts []Part) error {
	list := make([]uint64, 0, 2*len(parts))
	for _, p := range parts {
		list = append(list, uint64(uintptr(unsafe.Pointer(p.C.c.buffers[1]))), uint64(p.Times))
	}
	raw := c.c
	err := check(C.shim_submit(c.d.c, &raw, (*C.uint64_t)(data(list)), C.uint32_t(len(parts))))
	runtime.KeepAlive(c)
	runtime.KeepAlive(parts)
	return err
}

// Wait waits for the last submission, however long it takes.
func (c *Commands) Wait() error {
	raw := c.c
	return check(C.shim_wait(c.d.c, &raw, C.uint64_t(math.MaxUint64)))
}

// Ticks are the timestamps before and after the last submission, which has ended.
func (c *Commands) Ticks() (begin, end uint64, err error) {
	raw := c.c
	var t [2]C.uint64_t
	err = check(C.shim_ticks(c.d.c, &raw, 0, 2, &t[0]))
	return uint64(t[0]), uint64(t[1]), err
}

// Stamps fills out with the timestamps inside the recording, as its last repetition wrote them.
func (c *Commands) Stamps(out []uint64) error {
	if len(out) == 0 {
		return nil
	}
	raw := c.c
	return check(C.shim_ticks(c.d.c, &raw, 2, C.uint32_t(len(out)), (*C.uint64_t)(data(out))))
}
