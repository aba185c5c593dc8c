//go:build cgo

package vk

/*
#cgo CFLAGS: -O2 -Wall
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// startup serialises every call of the binding: its function pointers are global.
var startup sync.Mutex

// loader is the state of the Vulkan loader, opened once per process.
var loader struct {
	tried   bool
	err     error
	version uint32
}

// libraries are the names under which systems install the Vulkan loader for programs, best first. A test puts others in.
var libraries = func() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"vulkan-1.dll"}
	case "darwin":
		return []string{"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
			"/usr/local/lib/libvulkan.1.dylib", "/opt/homebrew/lib/libvulkan.1.dylib"}
	default:
		return []string{"libvulkan.so.1", "libvulkan.so"}
	}
}

// load opens the loader. The caller holds startup.
func load() error {
	if loader.tried {
		return loader.err
	}
	loader.tried = true
	names := libraries()
	var first string
	for _, name := range names {
		var text [512]C.char
		cname := C.CString(name)
		proc := C.shim_load(cname, &text[0], C.size_t(len(text)))
		C.free(unsafe.Pointer(cname))
		if proc == nil {
			if first == "" {
				first = C.GoString(&text[0])
			}
			continue
		}
		vulkan.SetGetInstanceProcAddr(proc)
		if err := vulkan.Init(); err != nil {
			loader.err = Missing{fmt.Sprintf("%s: %v", name, err)}
			return loader.err
		}
		loader.version = uint32(C.shim_loader_version())
		if loader.version < 1<<22|1<<12 {
			loader.err = Missing{fmt.Sprintf("%s speaks Vulkan 1.0; 1.1 or newer is needed", name)}
		}
		return loader.err
	}
	loader.err = Missing{fmt.Sprintf("the Vulkan loader %s is not installed (%s)", names[0], first)}
	return loader.err
}

func hasLayer() bool {
	name := C.CString("VK_LAYER_KHRONOS_validation")
	defer C.free(unsafe.Pointer(name))
	return C.shim_has_layer(name) != 0
}

// Instance is a connection to the drivers.
type Instance struct {
	vk        vulkan.Instance
	listener  uint64
	messenger C.object
}

// Open loads Vulkan and makes an instance of API version 1.1. The error is a Missing where the machine has no Vulkan.
func Open(cfg Config) (*Instance, error) {
	startup.Lock()
	defer startup.Unlock()
	if err := load(); err != nil {
		return nil, err
	}
	i := &Instance{}
	flag := func(b bool) C.int {
		if b {
			return 1
		}
		return 0
	}
	if cfg.Validation {
		if !hasLayer() {
			return nil, ErrNoLayer
		}
		i.listener = addListener(cfg.Message)
	}
	portability := C.CString("VK_KHR_portability_enumeration")
	defer C.free(unsafe.Pointer(portability))
	info := C.shim_instance_info(flag(cfg.Validation), flag(cfg.GPUAssisted), C.shim_has_extension(nil, portability), C.uint64_t(i.listener))
	if info == nil {
		removeListener(i.listener)
		return nil, OutOfHostMemory
	}
	defer C.free(info)
	// The binding passes this C memory on as it is, so nothing of the call depends on Go's collector.
	var instance vulkan.Instance
	if r := vulkan.CreateInstance(vulkan.NewInstanceCreateInfoRef(info), nil, &instance); r != vulkan.Success {
		removeListener(i.listener)
		if Result(r) == IncompatibleDrv {
			return nil, Missing{"no driver is installed"}
		}
		return nil, fmt.Errorf("create the instance: %w", Result(r))
	}
	i.vk = instance
	if err := vulkan.InitInstance(instance); err != nil {
		vulkan.DestroyInstance(instance, nil)
		removeListener(i.listener)
		return nil, err
	}
	if cfg.Validation {
		if r := C.shim_listen(C.handle(pointer(instance)), info, &i.messenger); r != 0 {
			i.close()
			return nil, fmt.Errorf("listen to the validation layer: %w", Result(r))
		}
	}
	return i, nil
}

// pointer is the C pointer behind one of the binding's dispatchable handles.
func pointer[H any](h H) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&h)) }

// Close ends the instance. Its devices must be closed before.
func (i *Instance) Close() {
	startup.Lock()
	defer startup.Unlock()
	i.close()
}

func (i *Instance) close() {
	if i.vk == nil {
		return
	}
	if i.messenger != 0 {
		C.shim_unlisten(C.handle(pointer(i.vk)), i.messenger)
	}
	vulkan.DestroyInstance(i.vk, nil)
	i.vk = nil
	removeListener(i.listener)
}

// Physicals lists the devices in the order of the drivers.
func (i *Instance) Physicals() ([]Physical, error) {
	startup.Lock()
	defer startup.Unlock()
	var handles []vulkan.PhysicalDevice
	for {
		var n uint32
		r := vulkan.EnumeratePhysicalDevices(i.vk, &n, nil)
		if r == vulkan.Success && n > 0 {
			handles = make([]vulkan.PhysicalDevice, n)
			r = vulkan.EnumeratePhysicalDevices(i.vk, &n, handles)
		}
		handles = handles[:min(int(n), len(handles))]
		if r == vulkan.Incomplete {
			continue // a device appeared between the two calls
		}
		if r == vulkan.ErrorInitializationFailed || r == vulkan.ErrorIncompatibleDriver {
			return nil, nil // the drivers are there, their hardware is not
		}
		if r != vulkan.Success {
			return nil, fmt.Errorf("list the devices: %w", Result(r))
		}
		break
	}
	list := make([]Physical, 0, len(handles))
	for _, h := range handles {
		p, err := i.physical(h)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (i *Instance) physical(h vulkan.PhysicalDevice) (Physical, error) {
	var props vulkan.PhysicalDeviceProperties
	vulkan.GetPhysicalDeviceProperties(h, &props)
	defer props.Free()
	props.Deref()
	props.Limits.Deref()
	l := &props.Limits
	p := Physical{
		handle:        uintptr(pointer(h)),
		Name:          vulkan.ToString(props.DeviceName[:]),
		VendorID:      props.VendorID,
		DeviceID:      props.DeviceID,
		Type:          uint32(props.DeviceType),
		API:           props.ApiVersion,
		DriverVersion: props.DriverVersion,
		CacheUUID:     props.PipelineCacheUUID,

		MaxGroups:       l.MaxComputeWorkGroupCount,
		MaxInvocations:  l.MaxComputeWorkGroupInvocations,
		MaxSize:         l.MaxComputeWorkGroupSize,
		Shared:          l.MaxComputeSharedMemorySize,
		Push:            l.MaxPushConstantsSize,
		StorageRange:    l.MaxStorageBufferRange,
		OffsetAlignment: uint64(l.MinStorageBufferOffsetAlignment),
		StorageBuffers:  min(l.MaxPerStageDescriptorStorageBuffers, l.MaxDescriptorSetStorageBuffers),
		TimestampPeriod: l.TimestampPeriod,
	}
	var mem vulkan.PhysicalDeviceMemoryProperties
	vulkan.GetPhysicalDeviceMemoryProperties(h, &mem)
	defer mem.Free()
	mem.Deref()
	for k := range min(int(mem.MemoryHeapCount), len(mem.MemoryHeaps)) {
		mem.MemoryHeaps[k].Deref()
		p.Heaps = append(p.Heaps, Heap{uint64(mem.MemoryHeaps[k].Size), mem.MemoryHeaps[k].Flags&1 != 0})
	}
	for k := range min(int(mem.MemoryTypeCount), len(mem.MemoryTypes)) {
		mem.MemoryTypes[k].Deref()
		f := mem.MemoryTypes[k].PropertyFlags
		p.Types = append(p.Types, MemoryType{
			Heap:        int(mem.MemoryTypes[k].HeapIndex),
			DeviceLocal: f&1 != 0, HostVisible: f&2 != 0, Coherent: f&4 != 0, Cached: f&8 != 0, Special: f&^0xF != 0,
		})
	}
	var d C.Details
	if r := C.shim_details(C.handle(pointer(i.vk)), C.handle(pointer(h)), C.uint32_t(p.API), &d); r != 0 {
		return Physical{}, fmt.Errorf("ask %s for its properties: %w", p.Name, Result(r))
	}
	for k := range int(d.families) {
		f := uint32(d.familyFlags[k])
		p.Families = append(p.Families, Family{f&2 != 0, f&1 != 0, uint32(d.familyCount[k]), uint32(d.familyTimestamps[k])})
	}
	p.DriverName, p.DriverTxt = C.GoString(&d.driverName[0]), C.GoString(&d.driverInfo[0])
	p.MaxAllocationSize = uint64(d.maxAllocation)
	p.SubgroupSize = uint32(d.subgroupSize)
	p.FullSubgroups = d.fullSubgroups != 0
	p.SubgroupSmallest, p.SubgroupLargest = uint32(d.subgroupSmallest), uint32(d.subgroupLargest)
	p.Multiprocessors = uint32(d.multiprocessors)
	for k := range p.Matrix {
		p.Matrix[k] = uint32(d.matrix[k])
	}
	if d.subgroupStages&0x20 != 0 {
		p.SubgroupOps = uint32(d.subgroupOperations)
	}
	return p, nil
}
