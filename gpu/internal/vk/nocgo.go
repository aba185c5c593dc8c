//go:build !cgo

package vk

import "unsafe"

// Instance cannot exist in a build without cgo.
type Instance struct{}

// Device cannot exist in a build without cgo.
type Device struct{}

// Compiler cannot exist in a build without cgo.
type Compiler struct{ *Device }

// Commands cannot exist in a build without cgo.
type Commands struct{}

// Part is a recording and how often it runs.
type Part struct {
	C     *Commands
	Times uint32
}

var errNoCgo = Missing{"this program was built without cgo (CGO_ENABLED=0), which Vulkan needs"}

// Open returns an error: Vulkan is called through cgo.
func Open(Config) (*Instance, error) { return nil, errNoCgo }

// The methods below complete the types; no value of them exists for which they could be called.

func (*Instance) Physicals() ([]Physical, error)              { return nil, errNoCgo }
func (*Instance) Device(Physical, uint32) (*Device, error)    { return nil, errNoCgo }
func (*Instance) Close()                                      {}
func (*Device) Close()                                        {}
func (*Device) WaitIdle() error                               { return errNoCgo }
func (*Device) Destroy(Kind, Handle)                          {}
func (*Device) Name(Kind, Handle, string)                     {}
func (*Device) Buffer(uint64) (Handle, Requirements, error)   { return 0, Requirements{}, errNoCgo }
func (*Device) Bind(Handle, Handle, uint64) error             { return errNoCgo }
func (*Device) Allocate(uint64, uint32) (Handle, error)       { return 0, errNoCgo }
func (*Device) Map(Handle) (unsafe.Pointer, error)            { return nil, errNoCgo }
func (*Device) SetLayout(int) (Handle, error)                 { return 0, errNoCgo }
func (*Device) PipelineLayout(Handle, uint32) (Handle, error) { return 0, errNoCgo }
func (*Device) Cache([]byte) (Handle, error)                  { return 0, errNoCgo }
func (*Device) CacheData(Handle) ([]byte, error)              { return nil, errNoCgo }
func (*Device) Pipeline([]byte, Handle, Handle, []uint32, Subgroups) (Handle, error) {
	return 0, errNoCgo
}
func (*Device) Commands(uint32, bool, int) (*Commands, error)  { return nil, errNoCgo }
func (*Instance) Compiler(Physical, uint32) (*Compiler, error) { return nil, errNoCgo }
func (*Compiler) SubgroupSizes() []uint32                      { return nil }
func (*Compiler) Statistics([]byte, Handle, []uint32, uint32, bool) ([]Figure, error) {
	return nil, errNoCgo
}
func (*Commands) Sets([]Handle, []uint64, []uint64) error { return errNoCgo }
func (*Commands) Record([]uint64, []uint64) error         { return errNoCgo }
func (*Commands) Submit([]Part) error                     { return errNoCgo }
func (*Commands) Wait() error                             { return errNoCgo }
func (*Commands) Ticks() (uint64, uint64, error)          { return 0, 0, errNoCgo }
func (*Commands) Stamps([]uint64) error                   { return errNoCgo }
func (*Commands) Close()                                  {}
