package gpu

import (
	"fmt"
	"math"
	"os"
	"strings"

	"vklstm/gpu/internal/vk"
)

// Limits is what a device allows. Tests lower it with WithLimits.
type Limits struct {
	MaxWorkgroupCount [3]uint32 // workgroups of a dispatch, by dimension
	MaxInvocations    uint32    // threads of a workgroup
	MaxWorkgroupSizeX uint32    // threads of a workgroup in x
	SharedMemory      uint32    // bytes of a workgroup
	PushConstants     uint32    // bytes of a dispatch
	StorageBuffers    uint32    // buffers of a dispatch
	StorageRange      uint64    // bytes of one bound buffer
	OffsetAlignment   uint64    // bytes: a view starts at a multiple of it
	SubgroupSize      uint32    // lanes; 0 where the driver does not say
	SubgroupOps       uint32    // what subgroups can do in compute: SubgroupFeatureBasic and so on
	SubgroupSmallest  uint32    // lanes of the smallest and the largest subgroup that a kernel which needs full
	SubgroupLargest   uint32    // subgroups may get; 0: the device does not promise full ones, and cannot run such kernels
	Multiprocessors   uint32    // compute units, each of which holds at least one workgroup; 0: the driver does not say
	LaneRegisters     uint32    // values of 32 bits that a lane of the smallest subgroup holds well; 0: as many as the kernels here ask for
	TimestampPeriod   float64   // ns per tick; 0: the device has no timestamps
	MaxAllocation     uint64    // bytes of one buffer

	// HalfMatrix is the shape M, N, K of the cooperative matrices of float16 that a subgroup sums in float32; 0: there are none.
	HalfMatrix [3]uint32
}

// What subgroups can do, by Vulkan's VK_SUBGROUP_FEATURE_…_BIT: the bits of Limits.SubgroupOps.
const (
	SubgroupFeatureBasic = 1 << iota
	SubgroupFeatureVote
	SubgroupFeatureArithmetic
	SubgroupFeatureBallot
	SubgroupFeatureShuffle
	SubgroupFeatureShuffleRelative
	SubgroupFeatureClustered
	SubgroupFeatureQuad
)

// Info describes a device.
type Info struct {
	Index    int    // position in Devices, what a user may give to choose it
	Name     string // as the driver spells it
	Vendor   string // "NVIDIA", "AMD", …, or the PCI number
	Type     string // "discrete GPU", "integrated GPU", "virtual GPU", "software", "other"
	Driver   string // name and version
	API      string // highest Vulkan version, "1.3.230"
	Memory   uint64 // bytes of its largest device-local heap
	Limits   Limits
	Software bool   // runs on the CPU (lavapipe, SwiftShader)
	Problem  string // why this device cannot be used; "" when it can
}

// String is one line: index, name, type, memory and driver.
func (i Info) String() string {
	return fmt.Sprintf("%d: %s (%s, %.1f GiB, Vulkan %s, %s)", i.Index, i.Name, i.Type, float64(i.Memory)/(1<<30), i.API, i.Driver)
}

// Devices lists the devices of every driver, software ones and unusable ones included. Without a loader or a driver the
// error wraps ErrNoVulkan and says in one line what is missing; without a device it wraps ErrNoDevice.
func Devices() ([]Info, error) {
	instance, physicals, err := connect(vk.Config{})
	if err != nil {
		return nil, err
	}
	instance.Close()
	return describeAll(physicals), nil
}

// connect opens an instance and lists its devices.
func connect(cfg vk.Config) (*vk.Instance, []vk.Physical, error) {
	instance, err := vk.Open(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("gpu: %w", translate(err))
	}
	physicals, err := instance.Physicals()
	if err == nil && len(physicals) == 0 {
		err = fmt.Errorf("%w: the Vulkan drivers on this machine find no device", ErrNoDevice)
	}
	if err != nil {
		instance.Close()
		return nil, nil, fmt.Errorf("gpu: %w", translate(err))
	}
	return instance, physicals, nil
}

func describeAll(physicals []vk.Physical) []Info {
	infos := make([]Info, len(physicals))
	for i, p := range physicals {
		infos[i] = describe(i, p)
	}
	return infos
}

var typeNames = [...]string{"other", "integrated GPU", "discrete GPU", "virtual GPU", "software"}

var vendors = map[uint32]string{
	0x1002: "AMD", 0x1010: "Imagination", 0x106B: "Apple", 0x10DE: "NVIDIA", 0x13B5: "Arm", 0x14E4: "Broadcom",
	0x1AE0: "Google", 0x5143: "Qualcomm", 0x8086: "Intel", 0x10005: "Mesa", 0x1AF4: "virtio",
}

func describe(index int, p vk.Physical) Info {
	i := Info{
		Index:  index,
		Name:   p.Name,
		Vendor: vendors[p.VendorID],
		Type:   typeNames[0],
		API:    fmt.Sprintf("%d.%d.%d", p.API>>22&0x7F, p.API>>12&0x3FF, p.API&0xFFF),
		Driver: p.DriverName,
		Limits: Limits{
			MaxWorkgroupCount: p.MaxGroups,
			MaxInvocations:    p.MaxInvocations,
			MaxWorkgroupSizeX: p.MaxSize[0],
			SharedMemory:      p.Shared,
			PushConstants:     min(p.Push, vk.MaxPush),
			StorageBuffers:    min(p.StorageBuffers, vk.MaxBindings),
			StorageRange:      uint64(p.StorageRange),
			OffsetAlignment:   max(p.OffsetAlignment, 4),
			SubgroupSize:      p.SubgroupSize,
			SubgroupOps:       p.SubgroupOps,
			Multiprocessors:   p.Multiprocessors,
			HalfMatrix:        p.Matrix,
		},
	}
	if p.FullSubgroups {
		i.Limits.SubgroupSmallest, i.Limits.SubgroupLargest = p.SubgroupSmallest, p.SubgroupLargest
	}
	if i.Vendor == "" {
		i.Vendor = fmt.Sprintf("vendor %#x", p.VendorID)
	}
	if int(p.Type) < len(typeNames) {
		i.Type = typeNames[p.Type]
	}
	i.Software = i.Type == "software"
	// A thread of Intel's hardware has 128 registers, each as wide as its smallest subgroup; other vendors' lanes have 255. Of these
	// NVK's first compilers needed all, and 800 to 1,200 bytes of memory more, for tiles that those of Mesa 26 hold in 96.
	if i.Vendor == "Intel" || strings.HasPrefix(p.DriverTxt, "Mesa 25.") && p.DriverName == "NVK" {
		i.Limits.LaneRegisters = 128
	}
	if p.DriverTxt != "" {
		i.Driver += " " + p.DriverTxt
	}
	if i.Driver == "" {
		i.Driver = fmt.Sprintf("driver %#x", p.DriverVersion)
	}
	for _, h := range p.Heaps {
		if h.DeviceLocal {
			i.Memory = max(i.Memory, h.Size)
		}
	}
	i.Limits.MaxAllocation = i.Memory
	if p.MaxAllocationSize != 0 {
		i.Limits.MaxAllocation = min(i.Memory, p.MaxAllocationSize)
	}
	family, ok := computeFamily(p)
	if period := float64(p.TimestampPeriod); ok && p.Families[family].TimestampBits > 0 && period > 0 && !math.IsInf(period, 0) {
		i.Limits.TimestampPeriod = period
	}
	switch {
	case p.API < 1<<22|1<<12:
		i.Problem = "its driver speaks Vulkan " + i.API + "; 1.1 or newer is needed"
	case !ok:
		i.Problem = "it has no queue that computes"
	case len(p.Types) == 0 || i.Memory == 0:
		i.Problem = noMemory
	}
	return i
}

// computeFamily is the queue family to use. The first one that computes: on every driver it is the general one, which
// also serves desktops' other work; families for compute alone have no advantage for one program with one queue.
func computeFamily(p vk.Physical) (int, bool) {
	for f, q := range p.Families {
		if q.Compute && q.Queues > 0 {
			return f, true
		}
	}
	return 0, false
}

// validationWanted reports whether the environment asks for the validation layer.
func validationWanted() bool {
	v := os.Getenv("VKLSTM_VALIDATION")
	return v != "" && v != "0"
}
