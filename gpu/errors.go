package gpu

import (
	"errors"
	"fmt"

	"vklstm/gpu/internal/vk"
)

// The errors that a program may want to tell apart, with errors.Is.
var (
	// ErrNoVulkan: this machine has no Vulkan loader or no driver, or the program was built without cgo.
	ErrNoVulkan = errors.New("no Vulkan")
	// ErrNoDevice: Vulkan is there, but no device that fits the request.
	ErrNoDevice = errors.New("no suitable device")
	// ErrDeviceLost: the device stopped working, was reset by the system, or was unplugged. Everything on it is gone;
	// close it and open it again.
	ErrDeviceLost = errors.New("device lost")
	// ErrOutOfMemory: device or host memory is used up; the message has the sizes.
	ErrOutOfMemory = errors.New("out of device memory")
	// ErrNoLayer: WithValidation was asked for, and the validation layer is not installed.
	ErrNoLayer = errors.New("validation layer VK_LAYER_KHRONOS_validation is not installed (Debian: vulkan-validationlayers)")
)

// errClosed is what a closed Device answers.
var errClosed = errors.New("device is closed")

// translate gives a result of Vulkan one of this package's errors where one fits.
func translate(err error) error {
	var missing vk.Missing
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return fmt.Errorf("%w: %w", ErrNoVulkan, err)
	case errors.Is(err, vk.ErrNoLayer):
		return ErrNoLayer
	case errors.Is(err, vk.DeviceLost):
		return ErrDeviceLost
	case errors.Is(err, vk.OutOfDeviceMemory), errors.Is(err, vk.OutOfHostMemory), errors.Is(err, vk.TooManyObjects):
		return fmt.Errorf("%w (%w)", ErrOutOfMemory, err)
	}
	return err
}
