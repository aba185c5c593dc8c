package vk

import (
	"errors"
	"fmt"
)

// Handle is a Vulkan object that belongs to a Device. Zero is no object.
type Handle uint64

// Kind says what a Handle is, for Destroy and for the names in validation messages.
type Kind int

// The kinds of object that Destroy takes.
const (
	KindBuffer Kind = iota
	KindMemory
	KindSetLayout
	KindPipelineLayout
	KindPipeline
	KindCache
)

// Result is a VkResult other than success, as an error.
type Result int32

// The results that callers tell apart.
const (
	OutOfHostMemory   Result = -1
	OutOfDeviceMemory Result = -2
	DeviceLost        Result = -4
	IncompatibleDrv   Result = -9
	TooManyObjects    Result = -10
)

var resultText = map[Result]string{
	1:                 "not ready",
	2:                 "timeout",
	5:                 "incomplete",
	OutOfHostMemory:   "out of host memory",
	OutOfDeviceMemory: "out of device memory",
	-3:                "initialisation failed",
	DeviceLost:        "device lost",
	-5:                "mapping memory failed",
	-6:                "layer not present",
	-7:                "extension not present",
	-8:                "feature not present",
	IncompatibleDrv:   "incompatible driver",
	TooManyObjects:    "too many objects",
	-11:               "format not supported",
	-12:               "fragmented pool",
	-1000069000:       "out of pool memory",
	-1000072003:       "invalid external handle",
}

// Error is Vulkan's own word for the result.
func (r Result) Error() string {
	if s, ok := resultText[r]; ok {
		return s
	}
	return fmt.Sprintf("Vulkan result %d", int32(r))
}

// Missing is the error of a machine that cannot do Vulkan at all; its text is one line that says what is missing.
type Missing struct{ What string }

func (m Missing) Error() string { return m.What }

// ErrNoLayer is the answer to Config.Validation on a machine without the Khronos layer.
var ErrNoLayer = errors.New("the validation layer is not installed")

// ErrNoStatistics is the answer of a driver that says nothing of what it compiles.
var ErrNoStatistics = errors.New("the driver has no VK_KHR_pipeline_executable_properties")

// Figure is one number that a driver has of a compiled kernel.
type Figure struct {
	Executable string // the part of the pipeline, which has just one on most drivers
	Subgroup   uint32 // the lanes it was compiled for; 0 where the driver does not say
	Name       string
	About      string // the driver's explanation
	Value      float64
}

// Config says how an Instance is made.
type Config struct {
	// Validation loads the Khronos layer with core and synchronisation validation.
	Validation bool
	// GPUAssisted adds instrumentation of the shaders: out-of-range accesses are reported, slowly.
	GPUAssisted bool
	// Message receives each error and warning of the layer, on any thread. It must not call into this package.
	Message func(text string)
}

// Heap is one heap of device memory.
type Heap struct {
	Size        uint64 // bytes
	DeviceLocal bool
}

// MemoryType is one way to allocate from a heap.
type MemoryType struct {
	Heap                               int
	DeviceLocal, HostVisible, Coherent bool
	Cached, Special                    bool // Special: protected, lazily allocated or device-coherent memory, never wanted here
}

// Family is one queue family.
type Family struct {
	Compute, Graphics bool
	Queues            uint32
	TimestampBits     uint32 // 0: no timestamps
}

// Physical is what a driver says about one device.
type Physical struct {
	handle uintptr // VkPhysicalDevice of the Instance that listed it

	Name                  string
	VendorID, DeviceID    uint32
	Type                  uint32 // VkPhysicalDeviceType: 0 other, 1 integrated, 2 discrete, 3 virtual, 4 CPU
	API                   uint32 // VK_MAKE_VERSION
	DriverVersion         uint32
	DriverName, DriverTxt string // empty where the driver does not say
	CacheUUID             [16]byte

	MaxGroups         [3]uint32
	MaxInvocations    uint32
	MaxSize           [3]uint32
	Shared            uint32 // bytes
	Push              uint32 // bytes
	StorageRange      uint32 // bytes
	OffsetAlignment   uint64 // bytes
	StorageBuffers    uint32 // per stage
	MaxAllocationSize uint64 // bytes; 0: not said
	SubgroupSize      uint32 // 0: not said
	SubgroupOps       uint32 // VkSubgroupFeatureFlags, 0 where compute has none
	FullSubgroups     bool   // pipelines can ask for subgroups without idle lanes
	SubgroupSmallest  uint32 // sizes that such a subgroup may have
	SubgroupLargest   uint32
	Multiprocessors   uint32 // 0: not said
	TimestampPeriod   float32
	Matrix            [3]uint32 // M, N, K of a subgroup's cooperative matrices of float16 that are summed in float32; 0: none

	Heaps    []Heap
	Types    []MemoryType
	Families []Family
}

// Requirements is what a buffer asks of its memory.
type Requirements struct {
	Size, Align uint64 // bytes
	Types       uint32 // bit i: memory type i will do
}

// Subgroups is what a pipeline asks of its subgroups.
type Subgroups int

// Nothing; no idle lanes, whatever size the driver likes; no idle lanes, in subgroups of Physical.SubgroupSize. The latter two
// are for devices whose Physical.FullSubgroups is set.
const (
	AnySubgroups Subgroups = iota
	FullSubgroups
	FullSubgroupsOfOneSize
)

// The commands of a recording, one uint64 a word, as Commands.Record takes them.
const (
	OpBarrier     = 1 // everything that computes or copies before, before everything that does after
	OpHostBarrier = 2 // what was written becomes visible to the host after the fence
	OpDispatch    = 3 // pipeline, layout, index of the set, x, y, z, number of push words, the words
	OpCopy        = 4 // source, destination, source offset, destination offset, bytes
	OpFill        = 5 // destination, offset, bytes, word
	OpStamp       = 6 // index of the timestamp: when all before has ended
)

// MaxPush is the largest size of push constants, in bytes, that Record takes.
const MaxPush = 1024

// MaxBindings is the largest number of storage buffers of a set that this package writes.
const MaxBindings = 64
