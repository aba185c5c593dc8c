package bench

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"vklstm/model"
	"vklstm/model/vulkan"
	"vklstm/train/device"
)

// Explanation is a training step on a GPU that need not be there: counted from the engine's own recordings, not measured.
type Explanation struct {
	GPU      GPU
	Workload Workload
	Engine   string // the path that the engine takes on this GPU, and why
	Kernels  []KernelCount
	Total    KernelCount
	Barriers float64 // of a step
	Copies   float64 // copies and fills of a step
	Memory   uint64  // bytes of device memory that the engine holds
}

// KernelCount is a kernel's share of a step.
type KernelCount struct {
	Kernel     string        `json:"kernel"`
	Dispatches float64       `json:"dispatches"`
	Flop       float64       `json:"flop"`
	Bytes      float64       `json:"bytes"`
	Least      time.Duration `json:"least_ns"` // by the GPU's roofline, with all bytes from memory
	Bound      string        `json:"bound"`    // what Least is bound by
}

// BarrierCost is assumed for a dispatch that waits for the one before it, beside its own work: two microseconds. Discrete
// GPUs take some one to five; bench measures it ("dispatch") where a GPU is there.
const BarrierCost = 2 * time.Microsecond

// Overhead is the assumed cost of the step's barriers.
func (e Explanation) Overhead() time.Duration {
	return time.Duration(e.Barriers * float64(BarrierCost))
}

// Explain counts a training step of the workload on a GPU by its figures, without one. prepare may set how engines of the
// simulated device compute; nil: as they do at first.
func Explain(ctx context.Context, g GPU, w Workload, prepare func(*device.Device) error) (Explanation, error) {
	e := Explanation{GPU: g, Workload: w}
	d := device.Simulate(g.info())
	defer d.Close()
	if prepare != nil {
		if err := prepare(d); err != nil {
			return e, err
		}
	}
	const steps = 4
	engine, err := d.NewEngine(w.Spec(), []model.Options{options()})
	if err != nil {
		return e, err
	}
	e.Engine = engine.String()
	engine.Close()
	err = submitted(ctx, d, w, steps, func(s, _ vulkan.Submitted) {
		for name, k := range s.Kernels {
			c := KernelCount{Kernel: name, Dispatches: float64(k.Dispatches) / steps, Flop: k.Flop / steps, Bytes: k.Bytes / steps}
			c.bound(g)
			e.Kernels = append(e.Kernels, c)
			e.Total.Dispatches += c.Dispatches
			e.Total.Flop += c.Flop
			e.Total.Bytes += c.Bytes
			e.Total.Least += c.Least
		}
		e.Barriers = float64(s.Barriers) / steps
		e.Copies = float64(s.Copies+s.Fills) / steps
		e.Memory = d.Vulkan().Allocated()
	})
	e.Total.Kernel = "total"
	slices.SortFunc(e.Kernels, func(a, b KernelCount) int {
		if a.Least != b.Least {
			return int(b.Least - a.Least)
		}
		return strings.Compare(a.Kernel, b.Kernel)
	})
	return e, err
}

// bound finds the least time by the roofline: the larger of operations by peak and bytes by bandwidth. Kernels that are
// named for their float16 products have the peak of these.
func (c *KernelCount) bound(g GPU) {
	peak := g.TFLOPS * 1e3 // GFLOP/s, operations a ns
	if g.Half > 0 && strings.HasSuffix(c.Kernel, "_half") {
		peak = g.Half * 1e3
	}
	compute, memory := c.Flop/peak, c.Bytes/g.GBs // ns
	c.Least, c.Bound = time.Duration(math.Ceil(compute)), BoundCompute
	if memory > compute {
		c.Least, c.Bound = time.Duration(math.Ceil(memory)), BoundMemory
	}
}
