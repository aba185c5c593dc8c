//go:build cgo

package vk

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"runtime"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Compiler is a Device that compiles and says what became of a kernel. Nothing is run on it, so it may lack memory.
type Compiler struct {
	*Device
	instance    C.handle
	least, most uint32
}

// Compiler makes a device that compiles. The error is ErrNoStatistics where the driver says nothing of what it compiles.
func (i *Instance) Compiler(p Physical, family uint32) (*Compiler, error) {
	startup.Lock()
	defer startup.Unlock()
	physical := *(*vulkan.PhysicalDevice)(unsafe.Pointer(&p.handle))
	var can C.CanCount
	if err := check(C.shim_can_count(C.handle(pointer(i.vk)), C.handle(pointer(physical)), &can)); err != nil {
		return nil, err
	}
	if can.statistics == 0 {
		return nil, ErrNoStatistics
	}
	var details C.Details
	if err := check(C.shim_details(C.handle(pointer(i.vk)), C.handle(pointer(physical)), C.uint32_t(p.API), &details)); err != nil {
		return nil, err
	}
	base := C.shim_device_info(C.uint32_t(family), &details)
	if base == nil {
		return nil, OutOfHostMemory
	}
	defer C.free(base)
	info := C.shim_counting_info(base, &can)
	if info == nil {
		return nil, OutOfHostMemory
	}
	defer C.free(info)
	d, err := i.create(physical, info, family)
	if err != nil {
		return nil, err
	}
	return &Compiler{Device: d, instance: C.handle(pointer(i.vk)),
		least: uint32(can.leastSubgroup), most: uint32(can.mostSubgroup)}, nil
}

// SubgroupSizes are the sizes that Statistics may ask for, smallest first; none where the driver alone decides.
func (c *Compiler) SubgroupSizes() []uint32 {
	var sizes []uint32
	for s := c.least; s != 0 && s <= c.most; s *= 2 {
		sizes = append(sizes, s)
	}
	return sizes
}

// Statistics compiles a kernel for subgroups of a size, or of the driver's choice where that is 0, and returns the
// figures that the driver has of it. full is what Device.Pipeline calls subgroups.
func (c *Compiler) Statistics(code []byte, layout Handle, constants []uint32, subgroup uint32, full bool) ([]Figure, error) {
	words := make([]uint32, len(code)/4)
	copy(unsafe.Slice((*byte)(data(words)), 4*len(words)), code)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(unsafe.SliceData(words))
	k := C.CountedKernel{code: (*C.uint32_t)(data(words)), bytes: C.size_t(4 * len(words)), layout: C.object(layout),
		constantCount: C.uint32_t(len(constants)), subgroup: C.uint32_t(subgroup)}
	if full {
		k.full = 1
	}
	if len(constants) > 0 {
		pin.Pin(unsafe.SliceData(constants))
		k.constants = (*C.uint32_t)(data(constants))
	}
	out := (*C.Figures)(C.calloc(1, C.sizeof_Figures))
	defer C.free(unsafe.Pointer(out))
	if err := check(C.shim_count(c.instance, C.handle(pointer(c.vk)), &k, out)); err != nil {
		return nil, err
	}
	figures := make([]Figure, out.count)
	for i := range figures {
		f := &out.figure[i]
		figures[i] = Figure{C.GoString(&f.executable[0]), uint32(f.subgroup), C.GoString(&f.name[0]), C.GoString(&f.description[0]), float64(f.value)}
	}
	return figures, nil
}
