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
	PathResident = "resident" // one dispatch for all steps of a window, the recurrent weights in registers
)

// ErrPath is wrapped by New's error when the device cannot take the shape on the path that was asked for.
var ErrPath = errors.New("the resident path cannot be taken")

// Path chooses the way through the network; New fails when the device cannot take a shape on the one that is named.
func Path(name string) Setting { return func(e *Engine) { e.want = name } }

// Tuning overrides what the resident path takes from the device's limits, for experiments. 0 leaves a number as it is.
type Tuning struct {
	Lanes  int // that share a sum on the way back: 4, 8 or 16, at most the device's smallest subgroup
	Groups int // workgroups at once, of all models; a workgroup takes several windows when there are more
	Parts  int // of the weight gradient, which are made at once and then added
	Ahead  int // steps whose input is prepared at once
}

// Tune sets the resident path's numbers.
func Tune(t Tuning) Setting { return func(e *Engine) { e.tuning = t } }

// resident says how windows take the resident path on a device.
type resident struct {
	kernel.ResidentNet
	lanes  int // LG
	groups int // workgroups that the device runs at once
	parts  int
	ahead  int // 0: as many as fit inputBytes
}

// rounds is how many windows a workgroup takes at most when there are so many: as few as the device's workgroups allow.
func (r resident) rounds(windows int) int { return (windows + r.groups - 1) / r.groups }

// What the kernels of the resident path do with subgroups: basic, ballot, shuffle and quad, as VkSubgroupFeatureFlags.
const residentOps = 1 | 8 | 0x10 | 0x80

// residentParts is the number of parts of a gradient. It is the same on every device and for any number of models, because
// the order of sums follows from it.
const residentParts = 128

// inputBytes bounds the input that is prepared at once.
const inputBytes = 32 << 20

// newResident plans the path for a network. The error says what it is that the network or the device lacks.
func newResident(c model.Chain, info gpu.Info, t Tuning) (resident, error) {
	if len(c.LSTMs) != 1 || c.LSTMs[0].Bidirectional {
		return resident{}, fmt.Errorf("it takes one LSTM layer of one direction, and this network has %s", units(c))
	}
	l, h := info.Limits, c.LSTMs[0].Units
	n := kernel.ResidentNet{H: h, F: c.F, D: c.D, HP: (h + 15) / 16 * 16, Plain: info.Software}
	switch {
	case h > 128:
		return resident{}, fmt.Errorf("%d units: a lane would hold as many weights, and 128 are the most that registers bear", h)
	case l.SubgroupSmallest < 4 || l.SubgroupLargest < l.SubgroupSmallest:
		return resident{}, fmt.Errorf("the device does not promise full subgroups of 4 lanes or more")
	case l.SubgroupOps&residentOps != residentOps:
		return resident{}, fmt.Errorf("the device's subgroups lack ballot, shuffle or quad operations")
	case c.D > 1<<20 || c.F > 1<<20:
		return resident{}, fmt.Errorf("%d features and %d dense units", c.F, c.D)
	}
	for 4*n.HP%int(l.SubgroupLargest) != 0 {
		n.HP += 16
	}
	shared := 4 * (2*n.HP + 8*n.HP + n.DenseRoom())
	switch {
	case 4*n.HP > int(l.MaxInvocations) || 4*n.HP > int(l.MaxWorkgroupSizeX):
		return resident{}, fmt.Errorf("%d units need workgroups of %d threads, the device allows %d", h, 4*n.HP, min(l.MaxInvocations, l.MaxWorkgroupSizeX))
	case shared > int(l.SharedMemory):
		return resident{}, fmt.Errorf("%d bytes of shared memory are needed, the device has %d", shared, l.SharedMemory)
	case l.StorageBuffers < 13:
		return resident{}, fmt.Errorf("a kernel reads 13 buffers, the device allows %d", l.StorageBuffers)
	}
	r := resident{ResidentNet: n, lanes: 16, parts: residentParts, ahead: t.Ahead}
	for r.lanes > int(l.SubgroupSmallest) {
		r.lanes /= 2
	}
	if info.Software {
		r.lanes = 4 // shuffles between lanes cost much there
	}
	if t.Lanes != 0 {
		if t.Lanes != 4 && t.Lanes != 8 && t.Lanes != 16 || t.Lanes > int(l.SubgroupSmallest) {
			return resident{}, fmt.Errorf("%d lanes cannot share a sum; 4, 8 or 16 can, and not more than the smallest subgroup, %d", t.Lanes, l.SubgroupSmallest)
		}
		r.lanes = t.Lanes
	}
	// Two workgroups of 256 threads and 128 registers fill a multiprocessor of NVIDIA's; AMD's compute units hold more.
	units := int(l.Multiprocessors)
	if units == 0 {
		units = 64
	}
	r.groups = max(1, 2*units*64/n.HP)
	if t.Groups > 0 {
		r.groups = t.Groups
	}
	if t.Parts > 0 {
		r.parts = t.Parts
	}
	return r, nil
}

// wellCounted says why the path does not count well for this shape on this vendor's registers, "" when it does. A lane
// holds HP recurrent weights, F of the input, and about 50 values more. What was counted: RADV's compiler holds HP + F up
// to 136 in 240 registers of RDNA without spilling, and HP + F up to 116 on GCN, whose compute unit, as a multiprocessor
// of NVIDIA's, has 65,536 registers for 4·HP threads; Intel's compiler gives a lane 128. RDNA is told by its smallest
// subgroup. On AMD the inputs of two steps lie in scalar registers, which spill beyond 48 values a step on GCN and 56 on RDNA.
func (r resident) wellCounted(info gpu.Info) string {
	most, units, width := 80, 64, r.InputWidth()
	switch {
	case info.Software:
		most = 128
	case info.Vendor == "AMD" && info.Limits.SubgroupSmallest == 32:
		most, units, width = 136, 128, 56
	case info.Vendor == "AMD":
		most, width = 116, 48
	case info.Vendor == "NVIDIA":
		most = 116
	}
	switch {
	case r.InputWidth() > width:
		return fmt.Sprintf("the inputs of %d features do not fit this vendor's scalar registers", r.F)
	case r.HP > units:
		return fmt.Sprintf("%d units want more registers than a multiprocessor has", r.H)
	case r.HP+r.F > most:
		return fmt.Sprintf("weights of %d units and %d features do not fit the registers", r.H, r.F)
	}
	return ""
}

// choosePath decides which way e goes, and says why.
func (e *Engine) choosePath() error {
	info := e.dev.Info()
	r, err := newResident(e.chain, info, e.tuning)
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
		e.resident, e.why = &r, "it was asked for"
		return nil
	case PathAuto, "":
		switch {
		case err != nil:
			e.why = err.Error()
		case r.wellCounted(info) != "":
			e.why = r.wellCounted(info)
		default:
			e.resident, e.why = &r, "the weights fit the registers"
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
