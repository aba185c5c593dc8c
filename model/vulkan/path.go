package vulkan

import (
	"errors"
	"fmt"
	"strings"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// The ways through the network that Path names.
const (
	PathAuto     = "auto"     // resident where shape and device allow and it counts well, else general
	PathGeneral  = "general"  // a matmul and a cell for every time step: any shape, any device
	PathResident = "resident" // one dispatch for all time steps, the recurrent weights in registers
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

// path is a way through the network. There are three, in files of their names: general takes any network; resident takes one LSTM
// layer of one direction with the head of the default network, a whole window in a workgroup; layered takes any other, a layer's
// direction at a time. A user knows the last two as one, the resident path, since both hold recurrent weights in registers.
type path interface {
	// plan divides training batches of n windows into passes.
	plan(models, n int) (shape, error)
	// planEvaluation divides n windows into few large batches, of at most `most` windows where that is not 0. trained is the shape that
	// training has, or the zero shape.
	planEvaluation(models, n, most int, trained shape) (shape, error)
	// planPrediction plans a batch of n windows of one model, or of fewer where the device asks for it.
	planPrediction(n int) (shape, error)
	// newPass makes the buffers that n's kernels share, those of the way back only with train set.
	newPass(n *network, a *alloc, train bool) pass
	// describe says how the path computes the network, and why it was taken; trained is as for planEvaluation.
	describe(why string, trained shape) string
}

// pass is a path with its buffers: it records the kernels that run in them.
type pass interface {
	// epochBuffers makes what epochs of n steps need besides batch.
	epochBuffers(a *alloc, n int)
	// arrange tells the device how the path takes an order's windows.
	arrange(o order) error
	// recordStart records what is to run once, before all else.
	recordStart(rec *gpu.Recording)
	// ahead is the number of steps whose input recordAhead makes at once; 0: each step makes its own.
	ahead() int
	recordAhead(rec *gpu.Recording)
	// recordGradient records a training step up to its gradient, in grads.
	recordGradient(rec *gpu.Recording)
	// recordStep records a training step, the update and the way on to the next step included.
	recordStep(rec *gpu.Recording)
	// recordEvaluation records a batch's way to its probabilities and losses.
	recordEvaluation(rec *gpu.Recording)
}

// site is what a path is planned for: a network, whose models have stride parameters with padding, on a device.
type site struct {
	info   gpu.Info
	chain  model.Chain
	stride int
}

// choosePath decides which way the network goes, and says why: the log's first line ends with it. The resident path, or layered for
// networks that resident is not for, is taken unless
//
//   - the device cannot run its kernels at this shape (newResident, newLayered, newWorkgroups say why), or
//   - precision is mixed, which is the general path's, or
//   - its kernels would run badly here, because their weights do not fit the registers (resident.doubt, layered.doubt), or
//   - the general path was asked for.
//
// Asking for the resident path overrules a doubt, and nothing else: where it cannot be taken, New fails. The choice is made once;
// nothing falls back later.
func choosePath(want string, mixed bool, s site, t Tuning) (taken path, why string, err error) {
	var candidate interface {
		path
		doubt() string
	}
	var cannot error // why the candidate cannot be taken
	if c := s.chain; len(c.LSTMs) == 1 && !c.LSTMs[0].Bidirectional && c.Plain() == nil {
		candidate, cannot = newResident(s, t)
	} else {
		candidate, cannot = newLayered(s, t)
	}
	if cannot == nil && mixed {
		cannot = errors.New("mixed precision is the general path's")
	}
	general := newGeneral(s, mixed)
	switch want {
	case PathGeneral:
		return general, "it was asked for", nil
	case PathResident:
		if cannot != nil {
			return nil, "", fmt.Errorf("vulkan: %w: %w", ErrPath, cannot)
		}
		return candidate, "it was asked for", nil
	case PathAuto, "":
		switch {
		case cannot != nil:
			return general, cannot.Error(), nil
		case candidate.doubt() != "":
			return general, candidate.doubt(), nil
		}
		return candidate, "the weights fit the registers", nil
	}
	return nil, "", fmt.Errorf("vulkan: unknown path %q; known are %s, %s and %s", want, PathAuto, PathGeneral, PathResident)
}

// residentOps is what the kernels of the resident path do with subgroups.
const residentOps = gpu.SubgroupFeatureBasic | gpu.SubgroupFeatureBallot | gpu.SubgroupFeatureShuffle | gpu.SubgroupFeatureQuad

// workgroups says how workgroups hold the recurrent weights of an LSTM layer in their registers.
type workgroups struct {
	units  int // H
	hp     int // H rounded up; a workgroup has 4·hp threads
	lanes  int // LG
	groups int // workgroups that the device runs at once
}

// rounds is how many of n windows a workgroup takes at most: as few as the device's workgroups allow.
func (w workgroups) rounds(n int) int { return ceil(n, w.groups) }

// perModel is the number of workgroups for a model's rows when all models have n windows together: no more than those rounds
// need.
func (w workgroups) perModel(rows, n int) int { return ceil(rows, w.rounds(n)) }

// newWorkgroups plans the workgroups for a layer of h units. The error says why the device cannot run them.
func newWorkgroups(h int, info gpu.Info, t Tuning) (workgroups, error) {
	l := info.Limits
	w := workgroups{units: h, hp: ceil(h, 16) * 16, lanes: 16}
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
	if most := min(l.MaxInvocations, l.MaxWorkgroupSizeX); 4*w.hp > int(most) {
		return w, fmt.Errorf("%d units need workgroups of %d threads, the device allows %d", h, 4*w.hp, most)
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

// newResident plans the resident path for a network of one LSTM of one direction. The error says why it cannot be taken.
func newResident(s site, t Tuning) (*resident, error) {
	info, c := s.info, s.chain
	w, err := newWorkgroups(c.LSTMs[0].Units, info, t)
	r := &resident{
		site:        s,
		ResidentNet: kernel.ResidentNet{H: w.units, F: c.F, D: c.D(), HP: w.hp, Plain: info.Software, Narrow: info.Limits.LaneRegisters > 0},
		workgroups:  w, parts: residentParts, ahead: t.Ahead,
	}
	if t.Parts > 0 {
		r.parts = t.Parts
	}
	shared := 4 * (2*r.HP + 8*r.HP + r.DenseRoom())
	switch l := info.Limits; {
	case err != nil:
	case c.D() > 1<<20 || c.F > 1<<20:
		err = fmt.Errorf("%d features and %d dense units", c.F, c.D())
	case shared > int(l.SharedMemory):
		err = fmt.Errorf("%d bytes of shared memory are needed, the device has %d", shared, l.SharedMemory)
	case l.StorageBuffers < 13:
		err = fmt.Errorf("a kernel reads 13 buffers, the device allows %d", l.StorageBuffers)
	}
	return r, err
}

// newLayered plans the workgroups for each layer of a network of several, or of both directions. The error says why it cannot be taken.
func newLayered(s site, t Tuning) (*layered, error) {
	l := &layered{layerwise: layerwise{site: s, pairs: true}}
	for _, r := range s.chain.LSTMs {
		w, err := newWorkgroups(r.Units, s.info, t)
		if err != nil {
			return l, err
		}
		if shared := 4 * 8 * w.hp; shared > int(s.info.Limits.SharedMemory) {
			return l, fmt.Errorf("%d bytes of shared memory are needed, the device has %d", shared, s.info.Limits.SharedMemory)
		}
		l.layers = append(l.layers, w)
	}
	return l, nil
}

// registers says how many weights a lane holds on this vendor's GPUs where a workgroup has hp units, how many units it may have, and
// how wide the input of a step may be, 0 where that does not matter. A lane holds HP recurrent weights, of one network's only layer
// F of the input, and about 50 values more. What open compilers counted: RADV's holds HP + F up to 136 in 240 registers of RDNA
// without spilling, and HP + F up to 116 on GCN, whose compute unit has 65,536 registers for 4·HP threads. On AMD the inputs of two
// time steps lie in scalar registers, which spill beyond 48 values a time step on GCN and 56 on RDNA; RDNA is told by its smallest
// subgroup. NVK's takes HP + 2·FP + 56 and spills beyond what a thread has (nvidiaRegisters). Intel's gives a lane 128: it spills
// from 64 units and 6 features on, but there outside of the loops over time, and in them few up to HP + F of 80 (12 loads in 368
// instructions); the kernels of one direction of a layer are free of it up to 80 units.
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
	warps := max(1, ceil(hp, 32))
	return min(255, 512/warps/8*8)
}

// doubt says why a layer's weights do not suit this vendor's registers, "" when they do.
func (w workgroups) doubt(info gpu.Info) string {
	if _, units, _ := registers(info, w.hp); w.hp > units {
		return fmt.Sprintf("%d units want more registers than a multiprocessor has", w.units)
	}
	return ""
}

// doubt says why the network does not suit this vendor's registers, "" when it does.
func (r *resident) doubt() string {
	most, _, width := registers(r.info, r.HP)
	why := r.workgroups.doubt(r.info)
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

// doubt says which layer does not suit this vendor's registers, "" when all do.
func (l *layered) doubt() string {
	for _, w := range l.layers {
		if why := w.doubt(l.info); why != "" {
			return why
		}
	}
	return ""
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
