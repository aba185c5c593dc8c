package gpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vklstm/gpu/internal/vk"
	"vklstm/shaders"
)

// Variant is one pipeline that a program creates: a kernel, and its specialisation constants from id 0 on.
type Variant struct {
	Kernel    string
	Constants []uint32
}

// String is the kernel's name with its constants in brackets, where it has any.
func (v Variant) String() string {
	if len(v.Constants) == 0 {
		return v.Kernel
	}
	return v.Kernel + strings.ReplaceAll(fmt.Sprint(v.Constants), " ", ",")
}

// Statistic is one figure that a driver's compiler has of a kernel: registers, spills, instructions, what else it counts.
// Which there are and what they are called is the driver's affair.
type Statistic = vk.Figure

// The answers of a Compiler that are no fault of the kernel.
var (
	// ErrNoStatistics: the driver says nothing of what it compiles.
	ErrNoStatistics = errors.New("the driver tells nothing of what it compiles (it lacks VK_KHR_pipeline_executable_properties)")
	// ErrUnfit: the device's limits do not allow the kernel; a Recording would say the same.
	ErrUnfit = errors.New("the device cannot run the kernel")
)

// Compiler compiles kernels as a Device does, and says what its driver made of them. It runs nothing and allocates no
// device memory, so it also opens a device that has none, such as RADV's null device, which compiles for an AMD GPU that is
// not there. It may not be used from several goroutines at once.
type Compiler struct {
	info     Info
	instance *vk.Instance
	vk       *vk.Compiler
}

// noMemory is the problem of a device that can compile all the same.
const noMemory = "it has no memory"

// OpenCompiler opens the device that want names, as Choose reads it, for compiling alone. The error wraps ErrNoStatistics
// where the driver has nothing to say. The caller closes it.
func OpenCompiler(want string) (*Compiler, error) {
	instance, physicals, err := connect(vk.Config{})
	if err != nil {
		return nil, err
	}
	c, err := openCompiler(instance, physicals, want)
	if err != nil {
		instance.Close()
		return nil, err
	}
	return c, nil
}

func openCompiler(instance *vk.Instance, physicals []vk.Physical, want string) (*Compiler, error) {
	infos := describeAll(physicals)
	for i := range infos {
		if infos[i].Problem == noMemory {
			infos[i].Problem = ""
		}
	}
	info, _, err := Choose(infos, want)
	if err != nil {
		return nil, err
	}
	p := physicals[info.Index]
	family, _ := computeFamily(p)
	d, err := instance.Compiler(p, uint32(family))
	if errors.Is(err, vk.ErrNoStatistics) {
		err = ErrNoStatistics
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: open %s: %w", info.Name, translate(err))
	}
	return &Compiler{info: info, instance: instance, vk: d}, nil
}

// Info describes the device.
func (c *Compiler) Info() Info { return c.info }

// SubgroupSizes are the sizes that Statistics may be asked for, smallest first; none where the driver alone decides.
func (c *Compiler) SubgroupSizes() []uint32 { return c.vk.SubgroupSizes() }

// Statistics compiles a variant for subgroups of a size, or of the driver's choice where that is 0, and returns all
// figures that the driver has. The error wraps ErrUnfit where the device's limits do not allow the kernel.
func (c *Compiler) Statistics(v Variant, subgroup uint32) ([]Statistic, error) {
	list, err := c.statistics(v, subgroup)
	if err != nil {
		return nil, fmt.Errorf("gpu: compile %s for %s: %w", v, c.info.Name, err)
	}
	return list, nil
}

func (c *Compiler) statistics(v Variant, subgroup uint32) ([]Statistic, error) {
	code, err := shaders.Lookup(v.Kernel)
	if err != nil {
		return nil, err
	}
	k, err := newKernel(v.Kernel, code)
	if err != nil {
		return nil, err
	}
	m := k.module
	for i := range v.Constants {
		if !m.HasConstant(uint32(i)) {
			return nil, fmt.Errorf("the shader has no specialisation constant with id %d", i)
		}
	}
	if err := k.fits(v.Constants, c.info.Limits); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if subgroup != 0 && !slices.Contains(c.SubgroupSizes(), subgroup) {
		return nil, fmt.Errorf("%w: subgroups of %d; it has %d", ErrUnfit, subgroup, c.SubgroupSizes())
	}
	if own := c.info.Limits.SubgroupSize; m.Matrices && subgroup != 0 && subgroup != own {
		return nil, fmt.Errorf("%w: cooperative matrices in subgroups of %d; they have the device's own size, %d", ErrUnfit, subgroup, own)
	}
	set, err := c.vk.SetLayout(len(m.Bindings))
	if err != nil {
		return nil, translate(err)
	}
	defer c.vk.Destroy(vk.KindSetLayout, set)
	layout, err := c.vk.PipelineLayout(set, m.PushBytes)
	if err != nil {
		return nil, translate(err)
	}
	defer c.vk.Destroy(vk.KindPipelineLayout, layout)
	figures, err := c.vk.Statistics(code, layout, v.Constants, subgroup, m.SubgroupOps != 0)
	return figures, translate(err)
}

// Close frees everything. A second Close does nothing.
func (c *Compiler) Close() {
	if c.vk == nil {
		return
	}
	c.vk.Close()
	c.vk = nil
	c.instance.Close()
}
