package gpu

import (
	"unsafe"

	"vklstm/gpu/internal/vk"
)

// driver is what a Device asks of Vulkan, so that a simulated device can stand in for it.
type driver interface {
	Allocate(bytes uint64, memoryType uint32) (vk.Handle, error)
	Map(memory vk.Handle) (unsafe.Pointer, error)
	Buffer(bytes uint64) (vk.Handle, vk.Requirements, error)
	Bind(buffer, memory vk.Handle, offset uint64) error
	SetLayout(n int) (vk.Handle, error)
	PipelineLayout(set vk.Handle, pushBytes uint32) (vk.Handle, error)
	Cache(initial []byte) (vk.Handle, error)
	CacheData(cache vk.Handle) ([]byte, error)
	Pipeline(code []byte, layout, cache vk.Handle, constants []uint32, subgroups vk.Subgroups) (vk.Handle, error)
	Commands(family uint32, timestamps bool, stamps int) (commands, error)
	Name(kind vk.Kind, h vk.Handle, name string)
	Destroy(kind vk.Kind, h vk.Handle)
	WaitIdle() error
	Close()
}

// commands is what a Recording asks of Vulkan.
type commands interface {
	Sets(layouts []vk.Handle, writes, out []uint64) error
	Record(ops, sets []uint64) error
	Submit(parts []part) error
	Wait() error
	Ticks() (begin, end uint64, err error)
	Stamps(out []uint64) error
	Close()
}

// part is a recording of a submission, and how often it runs.
type part struct {
	c     commands
	times uint32
}

// vulkanDriver is Vulkan's own device.
type vulkanDriver struct{ *vk.Device }

// Commands implements driver.
func (d vulkanDriver) Commands(family uint32, timestamps bool, stamps int) (commands, error) {
	c, err := d.Device.Commands(family, timestamps, stamps)
	if err != nil {
		return nil, err
	}
	return vulkanCommands{c}, nil
}

// vulkanCommands are Vulkan's own.
type vulkanCommands struct{ *vk.Commands }

// Submit implements commands.
func (c vulkanCommands) Submit(parts []part) error {
	list := make([]vk.Part, len(parts))
	for i, p := range parts {
		list[i] = vk.Part{C: p.c.(vulkanCommands).Commands, Times: p.times}
	}
	return c.Commands.Submit(list)
}
