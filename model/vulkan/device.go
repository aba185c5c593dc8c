package vulkan

import "vklstm/gpu"

// Device is an open Vulkan device; see package gpu.
type Device = gpu.Device

// Info describes a device that could be opened; see package gpu.
type Info = gpu.Info

// The errors that callers tell apart: no loader or driver, no device that the wish fits, and what a running
// device may answer.
var (
	ErrNoVulkan    = gpu.ErrNoVulkan
	ErrNoDevice    = gpu.ErrNoDevice
	ErrDeviceLost  = gpu.ErrDeviceLost
	ErrOutOfMemory = gpu.ErrOutOfMemory
)

// Devices lists the machine's Vulkan devices. The error wraps ErrNoVulkan when there is no loader or driver.
func Devices() ([]Info, error) { return gpu.Devices() }

// Choose returns the device that Open would take for the wish, and why.
func Choose(infos []Info, want string) (Info, string, error) { return gpu.Choose(infos, want) }

// Open opens the device by index, by part of its name, or "auto", the best real GPU.
func Open(want string) (*Device, error) { return gpu.Open(want) }
