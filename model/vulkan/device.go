package vulkan

import "vklstm/gpu"

// What package gpu knows of devices and of their work, for callers who do not import it.
type (
	Device     = gpu.Device     // an open device
	Info       = gpu.Info       // a device that could be opened
	Limits     = gpu.Limits     // what a device allows
	Compiler   = gpu.Compiler   // compiles kernels and says what the driver made of them
	Variant    = gpu.Variant    // a kernel with its specialisation constants
	Statistic  = gpu.Statistic  // what a driver's compiler has of a variant
	Submitted  = gpu.Submitted  // what a device was handed
	KernelWork = gpu.KernelWork // what it was handed of one kernel
)

// The errors that callers tell apart: no loader or driver, no device that the wish fits, and what a running
// device or a compiler may answer.
var (
	ErrNoVulkan    = gpu.ErrNoVulkan
	ErrNoDevice    = gpu.ErrNoDevice
	ErrDeviceLost  = gpu.ErrDeviceLost
	ErrOutOfMemory = gpu.ErrOutOfMemory

	ErrNoStatistics = gpu.ErrNoStatistics
	ErrUnfit        = gpu.ErrUnfit
)

// Devices lists the machine's Vulkan devices. The error wraps ErrNoVulkan when there is no loader or driver.
func Devices() ([]Info, error) { return gpu.Devices() }

// Choose returns the device that Open would take for the wish, and why.
func Choose(infos []Info, want string) (Info, string, error) { return gpu.Choose(infos, want) }

// Open opens the device by index, by part of its name, or "auto", the best real GPU.
func Open(want string) (*Device, error) { return gpu.Open(want) }

// OpenCompiler opens a device, chosen as Open does, for compiling alone: it may lack memory.
func OpenCompiler(want string) (*Compiler, error) { return gpu.OpenCompiler(want) }

// Simulate returns a device that is not there: it counts and does not compute; see package gpu.
func Simulate(info Info) *Device { return gpu.Simulate(info) }
