package vulkan

import "vklstm/gpu"

// Device is an open Vulkan device; see package gpu.
type Device = gpu.Device

// Info describes a device that could be opened; see package gpu.
type Info = gpu.Info

// Compiler compiles kernels and says what the driver made of them; see package gpu.
type Compiler = gpu.Compiler

// Variant is a kernel with its specialisation constants, and Statistic what a driver's compiler has of it; see package gpu.
type (
	Variant   = gpu.Variant
	Statistic = gpu.Statistic
)

// Submitted and KernelWork are what a device was handed; see package gpu.
type (
	Submitted  = gpu.Submitted
	KernelWork = gpu.KernelWork
)

// Limits is what a device allows; see package gpu.
type Limits = gpu.Limits

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
