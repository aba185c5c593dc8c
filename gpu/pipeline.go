package gpu

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"vklstm/gpu/internal/vk"
	"vklstm/shaders"
	"vklstm/shaders/spirv"
)

// kernel is a shader and what its SPIR-V says of it.
type kernel struct {
	name   string
	code   []byte
	module *spirv.Module
}

func newKernel(name string, code []byte) (*kernel, error) {
	m, err := spirv.Parse(code)
	if err == nil {
		err = m.Contiguous()
	}
	return &kernel{name, code, m}, err
}

// check panics unless constants, push constants and buffers are what the shader declares.
func (k *kernel) check(constants []uint32, push PushData, args []Arg) {
	m := k.module
	for i := range constants {
		if !m.HasConstant(uint32(i)) {
			panic(fmt.Sprintf("gpu: dispatch %s with %d specialisation constants; the shader has none with id %d", k.name, len(constants), i))
		}
	}
	if int(m.PushBytes) != 4*len(push.words) {
		panic(fmt.Sprintf("gpu: dispatch %s with %d bytes of push constants; the shader has %d", k.name, 4*len(push.words), m.PushBytes))
	}
	if len(args) != len(m.Bindings) {
		panic(fmt.Sprintf("gpu: dispatch %s with %d buffers; the shader has %d", k.name, len(args), len(m.Bindings)))
	}
	for i, a := range args {
		b := m.Bindings[i]
		switch {
		case b.NonWritable && a.access&writes != 0:
			panic(fmt.Sprintf("gpu: dispatch %s, argument %d (%s): %v of %s, but the shader says readonly", k.name, i, b.Name, a.access, a.name()))
		case !b.NonWritable && a.access&writes == 0:
			panic(fmt.Sprintf("gpu: dispatch %s, argument %d (%s): Read of %s, but the shader does not say readonly", k.name, i, b.Name, a.name()))
		case b.NonReadable && a.access&reads != 0:
			panic(fmt.Sprintf("gpu: dispatch %s, argument %d (%s): %v of %s, but the shader says writeonly", k.name, i, b.Name, a.access, a.name()))
		}
	}
}

// threads is the number of invocations of a workgroup.
func (k *kernel) threads(constants []uint32) uint64 {
	s := k.module.LocalSize(constants)
	return uint64(s[0]) * uint64(s[1]) * uint64(s[2])
}

// fits says why a device with these limits cannot run the kernel, nil when it can.
func (k *kernel) fits(constants []uint32, l Limits) error {
	s := k.module.LocalSize(constants)
	switch n, shared := k.threads(constants), k.module.SharedBytes(constants); {
	case n == 0:
		return fmt.Errorf("workgroups of %d × %d × %d threads", s[0], s[1], s[2])
	case n > uint64(l.MaxInvocations) || s[0] > l.MaxWorkgroupSizeX:
		return fmt.Errorf("workgroups of %d × %d × %d threads; the device allows %d, %d in x", s[0], s[1], s[2], l.MaxInvocations, l.MaxWorkgroupSizeX)
	case shared > uint64(l.SharedMemory):
		return fmt.Errorf("%d bytes of shared memory; the device has %d", shared, l.SharedMemory)
	case k.module.PushBytes > l.PushConstants:
		return fmt.Errorf("%d bytes of push constants; the device allows %d", k.module.PushBytes, l.PushConstants)
	case k.module.Matrices && l.HalfMatrix == [3]uint32{}:
		return fmt.Errorf("cooperative matrices of float16; the device has none")
	case len(k.module.Bindings) > int(l.StorageBuffers):
		return fmt.Errorf("%d buffers; the device allows %d", len(k.module.Bindings), l.StorageBuffers)
	case k.module.SubgroupOps != 0 && l.SubgroupSmallest == 0:
		return fmt.Errorf("full subgroups; the device does not promise them")
	case k.module.SubgroupOps != 0 && s[0]%l.SubgroupLargest != 0:
		return fmt.Errorf("full subgroups in workgroups of %d threads; they must be a multiple of %d on this device", s[0], l.SubgroupLargest)
	case k.module.SubgroupOps&^l.SubgroupOps != 0:
		return fmt.Errorf("subgroup operations %#x; the device has %#x", k.module.SubgroupOps, l.SubgroupOps)
	}
	return nil
}

// pipeline is a compiled kernel.
type pipeline struct{ handle, layout, set vk.Handle }

// pipelines holds what was compiled, by kernel and constants.
type pipelines struct {
	d        *Device
	mu       sync.Mutex
	kernels  map[string]*kernel
	compiled map[string]pipeline
	sets     map[int]vk.Handle       // by number of buffers
	layouts  map[[2]uint32]vk.Handle // by number of buffers and bytes of push constants
	cache    vk.Handle
	file     string // of the cache; "" where there is none
	fresh    bool   // something was compiled since the cache was read
}

func (p *pipelines) open(d *Device, dir *string) error {
	p.d = d
	p.kernels, p.compiled = map[string]*kernel{}, map[string]pipeline{}
	p.sets, p.layouts = map[int]vk.Handle{}, map[[2]uint32]vk.Handle{}
	p.file = cacheFile(d.physical, dir)
	var err error
	p.cache, err = d.vk.Cache(readCache(p.file, d.physical))
	return err
}

// kernel finds a shader; it panics when there is none of that name.
func (p *pipelines) kernel(name string) *kernel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.kernels[name]; k != nil {
		return k
	}
	code, err := shaders.Lookup(name)
	if err != nil {
		panic(fmt.Sprintf("gpu: %v", err))
	}
	return p.add(name, code)
}

func (p *pipelines) add(name string, code []byte) *kernel {
	k, err := newKernel(name, code)
	if err != nil {
		panic(fmt.Sprintf("gpu: kernel %s: %v", name, err))
	}
	p.kernels[name] = k
	return k
}

// get compiles a kernel at its first use.
func (p *pipelines) get(k *kernel, constants []uint32) (pipeline, error) {
	key := k.name + "\x00" + string(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(constants))), 4*len(constants)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.compiled[key]; ok {
		return c, nil
	}
	p.d.mu.Lock()
	err := p.d.usable()
	p.d.mu.Unlock()
	if err != nil {
		return pipeline{}, err
	}
	if err := k.fits(constants, p.d.info.Limits); err != nil {
		return pipeline{}, err
	}
	c, err := p.compile(k, constants)
	if err != nil {
		p.d.mu.Lock()
		defer p.d.mu.Unlock()
		return pipeline{}, p.d.failed(err)
	}
	p.compiled[key] = c
	p.fresh = true
	return c, nil
}

func (p *pipelines) compile(k *kernel, constants []uint32) (c pipeline, err error) {
	buffers, push := len(k.module.Bindings), k.module.PushBytes
	var ok bool
	if c.set, ok = p.sets[buffers]; !ok {
		if c.set, err = p.d.vk.SetLayout(buffers); err != nil {
			return c, err
		}
		p.sets[buffers] = c.set
	}
	shape := [2]uint32{uint32(buffers), push}
	if c.layout, ok = p.layouts[shape]; !ok {
		if c.layout, err = p.d.vk.PipelineLayout(c.set, push); err != nil {
			return c, err
		}
		p.layouts[shape] = c.layout
	}
	subgroups := vk.AnySubgroups
	switch {
	case k.module.Matrices:
		subgroups = vk.FullSubgroupsOfOneSize
	case k.module.SubgroupOps != 0:
		subgroups = vk.FullSubgroups
	}
	if c.handle, err = p.d.vk.Pipeline(k.code, c.layout, p.cache, constants, subgroups); err != nil {
		return c, err
	}
	p.d.vk.Name(vk.KindPipeline, c.handle, k.name)
	return c, nil
}

// Pipelines lists what the device has compiled so far, in order.
func (d *Device) Pipelines() []Variant {
	d.pipes.mu.Lock()
	defer d.pipes.mu.Unlock()
	var list []Variant
	for key := range d.pipes.compiled {
		name, words, _ := strings.Cut(key, "\x00")
		v := Variant{Kernel: name}
		for w := range slices.Chunk([]byte(words), 4) {
			v.Constants = append(v.Constants, binary.NativeEndian.Uint32(w))
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Variant) int {
		return cmp.Or(strings.Compare(a.Kernel, b.Kernel), slices.Compare(a.Constants, b.Constants))
	})
	return list
}

// close saves the cache and frees everything.
func (p *pipelines) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh && p.file != "" && !p.d.lost {
		if data, err := p.d.vk.CacheData(p.cache); err == nil {
			writeCache(p.file, data) // a folder that cannot be written costs the next start some compiling, no more
		}
	}
	for _, c := range p.compiled {
		p.d.vk.Destroy(vk.KindPipeline, c.handle)
	}
	for _, l := range p.layouts {
		p.d.vk.Destroy(vk.KindPipelineLayout, l)
	}
	for _, s := range p.sets {
		p.d.vk.Destroy(vk.KindSetLayout, s)
	}
	p.d.vk.Destroy(vk.KindCache, p.cache)
	p.compiled, p.layouts, p.sets, p.cache = nil, nil, nil, 0
}
