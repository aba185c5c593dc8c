// Package device opens what models are trained and run on, by the words of --device: auto, cpu, an index or a name. A Device
// makes engines; nothing above it knows which.
package device

import (
	"errors"
	"fmt"
	"strings"

	"vklstm/model"
	"vklstm/model/cpu"
	"vklstm/model/vulkan"
)

// ErrOutOfMemory is wrapped by errors of a GPU's engine that found no room: with fewer models side by side there may be.
var ErrOutOfMemory = vulkan.ErrOutOfMemory

// Factory makes the engine that trains len(opts) models of spec. (*Device).NewEngine is one.
type Factory func(spec model.Spec, opts []model.Options) (model.Engine, error)

// Device is what models are trained and run on: a Vulkan device, or the CPU.
type Device struct {
	// HostAdam lets Go take the optimizer's step on a GPU too: gradients come back and parameters go up at each step.
	// It is slower, and for comparing with the device's own update. The CPU engine takes the step in C anyway.
	HostAdam bool
	// Threads is how many the CPU engine uses; 0: all cores. Results do not depend on it.
	Threads int

	gpu    *vulkan.Device // nil: the CPU
	reason string         // why the CPU
	mixed  bool
	path   string
}

// The values of SetPath.
const (
	PathAuto     = vulkan.PathAuto
	PathGeneral  = vulkan.PathGeneral
	PathResident = vulkan.PathResident
)

// SetPath chooses the way that engines of a GPU take through the network, PathAuto at first; package model/vulkan says what
// the ways are. The CPU has one way only, which PathAuto names.
func (d *Device) SetPath(path string) error {
	switch {
	case path != PathAuto && path != PathGeneral && path != PathResident:
		return fmt.Errorf("path %q: it must be %s, %s or %s", path, PathAuto, PathGeneral, PathResident)
	case path != PathAuto && d.gpu == nil:
		return fmt.Errorf("path %s: the CPU engine, chosen because %s, has one path only; paths are a GPU's", path, d.reason)
	}
	d.path = path
	return nil
}

// The values of SetPrecision.
const (
	PrecisionFloat32 = "float32"
	PrecisionMixed   = "mixed" // a GPU takes the recurrent products of float16 and adds them up in float32
)

// SetPrecision chooses in what the engines of the device compute, PrecisionFloat32 at first. The error says what the device
// lacks.
func (d *Device) SetPrecision(precision string) error {
	switch {
	case precision != PrecisionFloat32 && precision != PrecisionMixed:
		return fmt.Errorf("precision %q: it must be %s or %s", precision, PrecisionFloat32, PrecisionMixed)
	case precision == PrecisionMixed && d.gpu == nil:
		return fmt.Errorf("precision %s: the CPU engine, chosen because %s, computes in float32 alone; mixed precision needs a GPU", precision, d.reason)
	}
	d.mixed = precision == PrecisionMixed
	return nil
}

// Open opens the device that want names: "cpu"; "auto", the best real GPU, and the CPU where there is none;
// an index or a part of a name as `vklstm devices` lists them. A software driver is taken only when it is named.
// The error says which devices there are.
func Open(want string) (*Device, error) {
	if strings.EqualFold(want, "cpu") {
		return &Device{reason: "it was asked for"}, nil
	}
	auto := want == "" || strings.EqualFold(want, "auto")
	if auto {
		want = "auto"
	}
	d, err := vulkan.Open(want)
	switch {
	case err == nil:
		return &Device{gpu: d}, nil
	case auto && errors.Is(err, vulkan.ErrNoDevice):
		return &Device{reason: "there is no GPU with a Vulkan driver"}, nil
	case auto:
		return &Device{reason: strings.TrimPrefix(err.Error(), "gpu: ")}, nil
	case errors.Is(err, vulkan.ErrNoVulkan):
		return nil, fmt.Errorf("device %q: %w; use --device cpu", want, err)
	}
	return nil, err
}

// CPU says how the CPU engine was built and which instruction set it takes on this machine.
func CPU() string { return cpu.About() }

// NewEngine returns an engine for len(opts) models of spec on the device.
func (d *Device) NewEngine(spec model.Spec, opts []model.Options) (model.Engine, error) {
	if d.gpu != nil {
		var settings []vulkan.Setting
		if d.HostAdam {
			settings = append(settings, vulkan.HostAdam())
		}
		if d.mixed {
			settings = append(settings, vulkan.Mixed())
		}
		if d.path != "" {
			settings = append(settings, vulkan.Path(d.path))
		}
		return vulkan.New(d.gpu, spec, opts, settings...)
	}
	e, err := cpu.New(spec, opts, d.Threads)
	if err != nil {
		return nil, err
	}
	return cpuEngine{e, d.reason}, nil
}

// cpuEngine is the CPU engine that also says why it was taken.
type cpuEngine struct {
	model.Engine
	reason string
}

func (e cpuEngine) String() string { return fmt.Sprintf("%s, chosen because %s", e.Engine, e.reason) }

// Simulate returns a device that is not there: an engine on it makes the choices that it would make on the real
// one, and all that it does is counted, and nothing computed.
func Simulate(info vulkan.Info) *Device { return &Device{gpu: vulkan.Simulate(info)} }

// Vulkan returns the Vulkan device; nil: it is the CPU.
func (d *Device) Vulkan() *vulkan.Device { return d.gpu }

// GPU describes the Vulkan device; false: it is the CPU.
func (d *Device) GPU() (vulkan.Info, bool) {
	if d.gpu == nil {
		return vulkan.Info{}, false
	}
	return d.gpu.Info(), true
}

// String says which device this is and why it was taken.
func (d *Device) String() string {
	if d.gpu != nil {
		return d.gpu.String()
	}
	return fmt.Sprintf("CPU engine, chosen because %s", d.reason)
}

// Close closes the device; engines made on it must be closed before.
func (d *Device) Close() error {
	if d.gpu == nil {
		return nil
	}
	return d.gpu.Close()
}
