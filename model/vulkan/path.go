package vulkan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// The ways through the network that Path names.
const (
	PathAuto     = "auto"     // resident where shape and device allow and it counts well, else general
	PathGeneral  = "general"  // a matmul and a cell for every step of time: any shape, any device
	PathResident = "resident" // one dispatch for all steps, the recurrent weights in registers
)

// ErrPath is wrapped by New's error when the device cannot take the shape on the path that was asked for.
var ErrPath = errors.New("the resident path cannot be taken")

// Path chooses the way through the network; New fails when the device cannot take a shape on the one that is named.
func Path(name string) Setting { return func(e *Engine) { e.want = name } }

// Tuning overrides what the resident path takes from the device's limits, for experiments. 0 leaves a number as it is.
type Tuning struct {
	Lanes  int // that share a sum on the way back: 4, 8 or 16, at most the device's smallest subgroup
	Groups int // workgroups at once, of all models; a workgroup takes several windows when there are more
	Parts  int // of the weight gradient, which are made at once and then added; of a network with one LSTM of one direction
	Ahead  int // steps whose input is prepared at once; of the same
}

// Tune sets the resident path's numbers.
func Tune(t Tuning) Setting { return func(e *Engine) { e.tuning = t } }

// walker says how workgroups hold the recurrent weights of an LSTM layer in their registers.
type walker struct {
	hp     int // H rounded up; a workgroup has 4·hp threads
	lanes  int // LG
	groups int // workgroups that the device runs at once
}

// resident says how windows of a network with one LSTM of one direction take the resident path on a device.
type resident struct {
	kernel.ResidentNet
	walker
	parts int
	ahead int // 0: as many as fit inputBytes
}

// rounds is how many windows a workgroup takes at most when there are so many: as few as the device's workgroups allow.
func (r walker) rounds(windows int) int { return (windows + r.groups - 1) / r.groups }

// residentOps is what the kernels of the resident path do with subgroups.
const residentOps = gpu.SubgroupFeatureBasic | gpu.SubgroupFeatureBallot | gpu.SubgroupFeatureShuffle | gpu.SubgroupFeatureQuad

// residentParts is the number of parts of a gradient. It is the same on every device and for any number of models, because
// the order of sums follows from it.
const residentParts = 128

// inputBytes bounds the input that is prepared at once.
const inputBytes = 32 << 20

// newWalker plans the workgroups for a layer of h units. The error says what the device lacks.
func newWalker(h int, info gpu.Info, t Tuning) (walker, error) {
	l := info.Limits
	w := walker{hp: (h + 15) / 16 * 16, lanes: 16}
	switch {
	case h > 128:
		return w, fmt.Errorf("%d units: a lane would hold as many weights, and 128 are the most that registers bear", h)
	case l.SubgroupSmallest < 4 || l.SubgroupLargest < l.SubgroupSmallest:
		return w, fmt.Errorf("the device does not promise full subgroups of 4 lanes or more")
	case l.SubgroupOps&residentOps != residentOps:
		return w, fmt.Errorf("the device's subgroups lack ballot, shuffle or quad operations")
	}
	for 4*w.hp%int(l.SubgroupLargest) != 0 {
		w.hp += 16
	}
	if 4*w.hp > int(l.MaxInvocations) || 4*w.hp > int(l.MaxWorkgroupSizeX) {
		return w, fmt.Errorf("%d units need workgroups of %d threads, the device allows %d", h, 4*w.hp, min(l.MaxInvocations, l.MaxWorkgroupSizeX))
	}
	for w.lanes > int(l.SubgroupSmallest) {
		w.lanes /= 2
	}
	if info.Software {
		w.lanes = 4 // shuffles between lanes cost much there
	}
	if t.Lanes != 0 {
		if t.Lanes != 4 && t.Lanes != 8 && t.Lanes != 16 || t.Lanes > int(l.SubgroupSmallest) {
			return w, fmt.Errorf("%d lanes cannot share a sum; 4, 8 or 16 can, and not more than the smallest subgroup, %d", t.Lanes, l.SubgroupSmallest)
		}
		w.lanes = t.Lanes
	}
	// Two workgroups of 256 threads and 128 registers fill a multiprocessor of NVIDIA's; AMD's compute units hold more.
	units := int(l.Multiprocessors)
	if units == 0 {
		units = 64
	}
	w.groups = max(1, 2*units*64/w.hp)
	if w.hp > 64 {
		w.groups = units // one and a half would mean a second round, half empty
	}
	if t.Groups > 0 {
		w.groups = t.Groups
	}
	return w, nil
}

// newWalkers plans the workgroups for each layer of a network of several, or of both directions.
func newWalkers(c model.Chain, info gpu.Info, t Tuning) ([]walker, error) {
	var list []walker
	for _, r := range c.LSTMs {
		w, err := newWalker(r.Units, info, t)
		if err != nil {
			return nil, err
		}
		if shared := 4 * 8 * w.hp; shared > int(info.Limits.SharedMemory) {
			return nil, fmt.Errorf("%d bytes of shared memory are needed, the device has %d", shared, info.Limits.SharedMemory)
		}
		list = append(list, w)
	}
	return list, nil
}

// newResident plans the path for a network of one LSTM of one direction. The error says what the device lacks.
func newResident(c model.Chain, info gpu.Info, t Tuning) (resident, error) {
	h := c.LSTMs[0].Units
	w, err := newWalker(h, info, t)
	if err != nil {
		return resident{}, err
	}
	r := resident{ResidentNet: kernel.ResidentNet{H: h, F: c.F, D: c.D, HP: w.hp, Plain: info.Software, Narrow: narrow(info)}, walker: w, parts: residentParts, ahead: t.Ahead}
	shared := 4 * (2*r.HP + 8*r.HP + r.DenseRoom())
	switch l := info.Limits; {
	case c.D > 1<<20 || c.F > 1<<20:
		return resident{}, fmt.Errorf("%d features and %d dense units", c.F, c.D)
	case shared > int(l.SharedMemory):
		return resident{}, fmt.Errorf("%d bytes of shared memory are needed, the device has %d", shared, l.SharedMemory)
	case l.StorageBuffers < 13:
		return resident{}, fmt.Errorf("a kernel reads 13 buffers, the device allows %d", l.StorageBuffers)
	}
	if t.Parts > 0 {
		r.parts = t.Parts
	}
	return r, nil
}

// registers says how many weights a lane holds on this vendor's GPUs where a workgroup has hp units, how many units it may have, and
// how wide the input of a step may be, 0 where that does not matter. A lane holds HP recurrent weights, of one network's only layer
// F of the input, and about 50 values more. What open compilers counted: RADV's holds HP + F up to 136 in 240 registers of RDNA
// without spilling, and HP + F up to 116 on GCN, whose compute unit has 65,536 registers for 4·HP threads. On AMD the inputs of two
// steps lie in scalar registers, which spill beyond 48 values a step on GCN and 56 on RDNA; RDNA is told by its smallest subgroup.
// NVK's takes HP + 2·FP + 56 and spills beyond what a thread has (nvidiaRegisters). Intel's gives a lane 128: it spills from 64 units
// and 6 features on, but there outside of the loops over time, and in them few up to HP + F of 80 (12 loads in 368 instructions); the
// kernels that walk a layer of a stack are free of it up to 80 units.
func registers(info gpu.Info, hp int) (most, units, width int) {
	switch {
	case info.Software:
		return 128, 64, 0
	case info.Vendor == "AMD" && info.Limits.SubgroupSmallest == 32:
		return 136, 128, 56
	case info.Vendor == "AMD":
		return 116, 64, 48
	case info.Vendor == "NVIDIA":
		return hp + (nvidiaRegisters(hp)-56-hp)/2/4*4 - 1, 96, 0
	case info.Vendor == "Intel":
		return 80, 80, 0
	}
	return 80, 64, 0
}

// nvidiaRegisters is how many registers a thread may have in workgroups of 4·hp: each of a multiprocessor's four parts has 512 for
// each of its 32 lanes, to share among the warps that lie there.
func nvidiaRegisters(hp int) int {
	warps := max(1, (hp+31)/32)
	return min(255, 512/warps/8*8)
}

// narrow reports whether lanes hold fewer values than the kernels would like.
func narrow(info gpu.Info) bool { return info.Limits.LaneRegisters > 0 }

// wellCounted says why the path does not count well for this layer on this vendor's registers, "" when it does.
func (w walker) wellCounted(h int, info gpu.Info) string {
	if _, units, _ := registers(info, w.hp); w.hp > units {
		return fmt.Sprintf("%d units want more registers than a multiprocessor has", h)
	}
	return ""
}

// wellCounted says why the path does not count well for this shape on this vendor's registers, "" when it does.
func (r resident) wellCounted(info gpu.Info) string {
	most, _, width := registers(info, r.HP)
	why := r.walker.wellCounted(r.H, info)
	switch {
	case width > 0 && r.InputWidth() > width:
		return fmt.Sprintf("the inputs of %d features do not fit this vendor's scalar registers", r.F)
	case why != "":
		return why
	case r.HP+r.F > most:
		return fmt.Sprintf("weights of %d units and %d features do not fit the registers", r.H, r.F)
	}
	return ""
}

// choosePath decides which way e goes, and says why.
func (e *Engine) choosePath() error {
	info := e.dev.Info()
	var take func() // the resident path
	var counts string
	var err error
	if c := e.chain; len(c.LSTMs) == 1 && !c.LSTMs[0].Bidirectional {
		var r resident
		r, err = newResident(c, info, e.tuning)
		take, counts = func() { e.resident = &r }, r.wellCounted(info)
	} else {
		var list []walker
		list, err = newWalkers(c, info, e.tuning)
		take = func() { e.walkers = list }
		for i, w := range list {
			if counts == "" {
				counts = w.wellCounted(c.LSTMs[i].Units, info)
			}
		}
	}
	if err == nil && e.half {
		err = fmt.Errorf("mixed precision is the general path's")
	}
	switch e.want {
	case PathGeneral:
		e.why = "it was asked for"
		return nil
	case PathResident:
		if err != nil {
			return fmt.Errorf("vulkan: %w: %w", ErrPath, err)
		}
		take()
		e.why = "it was asked for"
		return nil
	case PathAuto, "":
		switch {
		case err != nil:
			e.why = err.Error()
		case counts != "":
			e.why = counts
		default:
			take()
			e.why = "the weights fit the registers"
		}
		return nil
	}
	return fmt.Errorf("vulkan: unknown path %q; known are %s, %s and %s", e.want, PathAuto, PathGeneral, PathResident)
}

// units names the LSTM layers of a network: "64 units", "LSTM layers of 64 and 2 × 32 units".
func units(c model.Chain) string {
	var list []string
	for _, r := range c.LSTMs {
		s := fmt.Sprint(r.Units)
		if r.Bidirectional {
			s = "2 × " + s
		}
		list = append(list, s)
	}
	last := list[len(list)-1]
	if len(list) == 1 {
		return last + " units"
	}
	return "LSTM layers of " + strings.Join(list[:len(list)-1], ", ") + " and " + last + " units"
}

// String says which device computes, by which path, and why.
func (e *Engine) String() string {
	if e.walkers != nil {
		var threads, lanes []string
		for _, w := range e.walkers {
			threads, lanes = append(threads, fmt.Sprint(4*w.hp)), append(lanes, fmt.Sprint(w.lanes))
		}
		return fmt.Sprintf("%s · resident path (%s, float32), because %s: a dispatch for all steps of a layer's direction, workgroups of %s threads, sums over %s lanes",
			e.dev, units(e.chain), e.why, strings.Join(slices.Compact(threads), ", "), strings.Join(slices.Compact(lanes), ", "))
	}
	if e.resident == nil {
		precision := "float32"
		if e.half {
			l := e.dev.Limits()
			precision = fmt.Sprintf("mixed precision: recurrent products of float16 on cooperative matrices of %d × %d × %d", l.HalfMatrix[0], l.HalfMatrix[1], l.HalfMatrix[2])
			switch without := func(r model.Recurrent) bool { return !kernel.UsesMatrices(r.Units, l) }; {
			case !slices.ContainsFunc(e.chain.LSTMs, func(r model.Recurrent) bool { return !without(r) }):
				precision = "mixed precision: recurrent products of operands rounded to float16, no faster than float32, since the device has no cooperative matrices for them"
			case slices.ContainsFunc(e.chain.LSTMs, without):
				precision += " where a layer's units are a multiple of 4"
			}
		}
		return fmt.Sprintf("%s · general path (%s, %s), because %s", e.dev, units(e.chain), precision, e.why)
	}
	r := e.resident
	each := "several windows each where a batch has more"
	if w := e.train; w != nil {
		each = fmt.Sprintf("up to %d windows each in batches of %d", r.rounds(w.K*w.R), w.B)
	}
	return fmt.Sprintf("%s · resident path (%s, float32), because %s: workgroups of %d threads, %d at once, %s, sums over %d lanes",
		e.dev, units(e.chain), e.why, 4*r.HP, r.groups, each, r.lanes)
}
