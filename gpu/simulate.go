package gpu

import (
	"errors"
	"unsafe"

	"vklstm/gpu/internal/vk"
)

// Simulate returns a device that is not there: it has the name, the memory and the limits of info, takes every recording,
// computes nothing, and counts what it was handed (Submitted). Buffers are zero until the host writes them. An engine on
// it makes the choices that it would make on the real one. It needs neither a driver nor cgo.
func Simulate(info Info) *Device {
	d := &Device{
		info: info, reason: "it is simulated: it counts and does not compute",
		physical: vk.Physical{
			Name:     info.Name,
			Heaps:    []vk.Heap{{Size: info.Memory, DeviceLocal: true}},
			Types:    []vk.MemoryType{{DeviceLocal: true, HostVisible: true, Coherent: true, Cached: true}},
			Families: []vk.Family{{Compute: true, Queues: 1}},
		},
		buffers: map[*allocation]bool{}, recordings: map[*Recording]bool{}, inflight: map[*Recording]bool{},
		direct: true, vk: &simulated{memory: map[vk.Handle][]byte{}, align: info.Limits.OffsetAlignment},
	}
	d.info.Limits.TimestampPeriod = 0
	d.memory.init(d)
	none := ""
	if err := d.pipes.open(d, &none); err != nil {
		panic(err) // simulated's Cache returns none
	}
	return d
}

// simulated is a driver without a device. The device's lock guards it, but for pipelines, which have their own.
type simulated struct {
	next   vk.Handle
	memory map[vk.Handle][]byte
	align  uint64
}

var _ driver = (*simulated)(nil)

func (s *simulated) handle() (vk.Handle, error) {
	s.next++
	return s.next, nil
}

// Allocate implements driver with the host's memory, of which the system gives a page only when it is written.
func (s *simulated) Allocate(bytes uint64, _ uint32) (vk.Handle, error) {
	h, err := s.handle()
	s.memory[h] = make([]byte, bytes)
	return h, err
}

// Map implements driver.
func (s *simulated) Map(memory vk.Handle) (unsafe.Pointer, error) {
	return unsafe.Pointer(unsafe.SliceData(s.memory[memory])), nil
}

// Buffer implements driver.
func (s *simulated) Buffer(bytes uint64) (vk.Handle, vk.Requirements, error) {
	h, err := s.handle()
	return h, vk.Requirements{Size: bytes, Align: max(s.align, 4), Types: 1}, err
}

// Destroy implements driver.
func (s *simulated) Destroy(kind vk.Kind, h vk.Handle) {
	if kind == vk.KindMemory {
		delete(s.memory, h)
	}
}

// The rest of driver makes handles, or does nothing.

func (s *simulated) Bind(_, _ vk.Handle, _ uint64) error                 { return nil }
func (s *simulated) SetLayout(int) (vk.Handle, error)                    { return s.handle() }
func (s *simulated) PipelineLayout(vk.Handle, uint32) (vk.Handle, error) { return s.handle() }
func (s *simulated) Cache([]byte) (vk.Handle, error)                     { return s.handle() }
func (s *simulated) CacheData(vk.Handle) ([]byte, error)                 { return nil, errSimulated }
func (s *simulated) Pipeline([]byte, vk.Handle, vk.Handle, []uint32, vk.Subgroups) (vk.Handle, error) {
	return s.handle()
}
func (s *simulated) Name(vk.Kind, vk.Handle, string)              {}
func (s *simulated) WaitIdle() error                              { return nil }
func (s *simulated) Close()                                       {}
func (s *simulated) Commands(uint32, bool, int) (commands, error) { return simulatedCommands{}, nil }

var errSimulated = errors.New("a simulated device compiles nothing")

// simulatedCommands are a recording that does nothing when it is submitted.
type simulatedCommands struct{}

func (simulatedCommands) Sets([]vk.Handle, []uint64, []uint64) error { return nil }
func (simulatedCommands) Record([]uint64, []uint64) error            { return nil }
func (simulatedCommands) Submit([]part) error                        { return nil }
func (simulatedCommands) Wait() error                                { return nil }
func (simulatedCommands) Ticks() (uint64, uint64, error)             { return 0, 0, nil }
func (simulatedCommands) Stamps([]uint64) error                      { return nil }
func (simulatedCommands) Close()                                     {}
