package vulkan

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"vklstm/gpu"
	"vklstm/model"
)

// TestStackPathsAgree is TestPathsAgree for networks of several layers: units around the sizes of a padded block.
func TestStackPathsAgree(t *testing.T) {
	dev := residentDevice(t)
	for _, units := range [][]int{{1}, {15, 17}, {16, 33, 1}, {63, 64}} {
		t.Run(fmt.Sprint(units), func(t *testing.T) {
			s := sized(13, 2, 5, 4, 1, 7).stacked(units...)
			want, wantStates := s.train(t, s.open(t, dev, Path(PathGeneral)), 2, 4)
			got, states := s.train(t, s.open(t, dev, Path(PathResident)), 2, 4)
			for k := range got {
				// Eight steps; sums of up to 4·H + 2·H terms below 4 in size, in each layer.
				tol := float64(len(units)) * 8 * 6 * 64 * 4 * 0x1p-24
				near(t, "probability", got[k].Probability, want[k].Probability, tol)
				near(t, "evaluated", got[k].EvalProbability, want[k].EvalProbability, tol)
				near(t, "parameters", states[k].Params, wantStates[k].Params, tol)
			}
		})
	}
}

// TestStackTuning: how many workgroups there are, and how windows are loaded and evaluated, decide who computes when, not what: the
// same bits. Lanes that share a sum, and passes, change the order of sums alone.
func TestStackTuning(t *testing.T) {
	dev := residentDevice(t)
	s := newSmall(50, 2).stacked(9, 6)
	want, wantStates := s.train(t, s.open(t, dev, Path(PathResident)), 2, 8)
	for name, change := range map[string]func(e *Engine){
		"one workgroup":              func(e *Engine) { e.setGroups(1) },
		"five workgroups":            func(e *Engine) { e.setGroups(5) },
		"one more than windows":      func(e *Engine) { e.setGroups(2*2*8 + 1) },
		"evaluation in batches of 7": func(e *Engine) { e.evalLimit = 7 },
		"one step a submission":      func(e *Engine) { e.stepLimit = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			e := s.open(t, dev, Path(PathResident))
			change(e)
			got, states := s.train(t, e, 2, 8)
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(states, wantStates) {
				t.Error("other numbers")
			}
		})
	}
	for _, tune := range []Tuning{{Lanes: 4}, {Lanes: 8}, {Lanes: 16}, {}} {
		t.Run(fmt.Sprintf("%+v", tune), func(t *testing.T) {
			if tune.Lanes > int(dev.Limits().SubgroupSmallest) {
				if _, err := New(dev, s.spec, s.opts, Path(PathResident), Tune(tune)); !errors.Is(err, ErrPath) {
					t.Errorf("more lanes than the smallest subgroup has: %v", err)
				}
				return
			}
			e := s.open(t, dev, Path(PathResident), Tune(tune))
			if tune.Lanes == 0 {
				e.rowLimit = 3
			}
			got, states := s.train(t, e, 2, 8)
			for k := range got {
				near(t, "probability", got[k].EvalProbability, want[k].EvalProbability, 1e-5) // as for the passes of TestSmallDevice
				near(t, "m", states[k].M, wantStates[k].M, 1e-5)
			}
		})
	}
}

// setGroups changes how many workgroups a layer's direction has at once.
func (e *Engine) setGroups(n int) {
	layers := e.path.(*layered).layers
	for i := range layers {
		layers[i].groups = n
	}
}

// TestStackDispatches: on the resident path a training step has as many dispatches however long the windows are, and no barrier
// between the two directions of a layer.
func TestStackDispatches(t *testing.T) {
	dev := residentDevice(t)
	counts := map[int]gpu.Submitted{}
	for _, T := range []int{4, 40} {
		s := sized(8, 1, T, 3, 1, 5).stacked(9, 6)
		e := s.open(t, dev, Path(PathResident))
		p := s.plan(0, 0, 4)
		p.Eval = nil
		before := dev.Submitted()
		if _, err := e.Epoch(context.Background(), []model.Plan{p}); err != nil {
			t.Fatal(err)
		}
		did := dev.Submitted().Minus(before)
		for _, name := range []string{"resident_direction_forward", "resident_direction_backward"} {
			if n := did.Kernels[name].Dispatches; n != 4*p.Steps() {
				t.Errorf("T %d: %d dispatches of %s in %d steps, want 4 each", T, n, name, p.Steps())
			}
		}
		counts[T] = did
		// A layer is two products, one for each direction, and a dispatch through time for each: a barrier begins it, and one stands between the two pairs.
		rec := dev.NewRecording("layer")
		defer rec.Free()
		e.train.pass.(*layersPass).recordLayer(rec, 0, true)
		before = dev.Submitted()
		if err := rec.Run(); err != nil {
			t.Fatal(err)
		}
		if did := dev.Submitted().Minus(before); did.Dispatches != 4 || did.Barriers > 2 {
			t.Errorf("%d dispatches and %d barriers for a layer forward, want 4 and at most 2", did.Dispatches, did.Barriers)
		}
	}
	if a, b := counts[4], counts[40]; a.Dispatches != b.Dispatches || a.Barriers != b.Barriers {
		t.Errorf("windows of 4 steps: %d dispatches and %d barriers; of 40: %d and %d", a.Dispatches, a.Barriers, b.Dispatches, b.Barriers)
	}
}

// TestStackPath checks the choice of the path for stacks on devices that are not there.
func TestStackPath(t *testing.T) {
	l := gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, MaxWorkgroupCount: [3]uint32{65535, 65535, 65535}, SharedMemory: 48 << 10, PushConstants: 128,
		StorageBuffers: 16, StorageRange: 1 << 30, OffsetAlignment: 16, SubgroupOps: 0xFF, SubgroupSize: 32, SubgroupSmallest: 32, SubgroupLargest: 32, MaxAllocation: 1 << 32}
	nvidia := gpu.Info{Name: "N", Vendor: "NVIDIA", Type: "discrete GPU", Memory: 8 << 30, Limits: l}
	with := func(f func(*gpu.Info)) gpu.Info { info := nvidia; f(&info); return info }
	mixed := with(func(i *gpu.Info) { i.Limits.HalfMatrix = [3]uint32{16, 16, 16} })
	for _, tc := range []struct {
		name     string
		info     gpu.Info
		settings []Setting
		units    []int
		resident bool
		words    string // of String or the error
	}{
		{name: "usual", info: nvidia, units: []int{64, 32}, resident: true, words: "resident path (LSTM layers of 2 × 64 and 2 × 32 units, float32), because the weights fit the registers"},
		{name: "one layer", info: nvidia, units: []int{64}, resident: true, words: "resident path (2 × 64 units"},
		{name: "asked for general", info: nvidia, settings: []Setting{Path(PathGeneral)}, units: []int{64, 32}, words: "general path (LSTM layers of 2 × 64 and 2 × 32 units, float32), because it was asked for"},
		{name: "one layer too wide", info: nvidia, units: []int{32, 97}, words: "97 units want more registers than a multiprocessor has"},
		{name: "as wide as can be", info: nvidia, units: []int{32, 96}, resident: true, words: "the weights fit the registers"},
		{name: "as wide as can be on Intel", info: with(func(i *gpu.Info) { i.Vendor = "Intel" }), units: []int{80, 32}, resident: true, words: "the weights fit the registers"},
		{name: "too wide for Intel", info: with(func(i *gpu.Info) { i.Vendor = "Intel" }), units: []int{81, 32}, words: "81 units want"},
		{name: "too wide, asked for", info: nvidia, settings: []Setting{Path(PathResident)}, units: []int{32, 97}, resident: true, words: "it was asked for"},
		{name: "129 units, asked for", info: nvidia, settings: []Setting{Path(PathResident)}, units: []int{32, 129}, words: "the resident path cannot be taken: 129 units"},
		{name: "no quads", info: with(func(i *gpu.Info) { i.Limits.SubgroupOps &^= gpu.SubgroupFeatureQuad }), units: []int{64, 32}, words: "quad"},
		{name: "no shared memory", info: with(func(i *gpu.Info) { i.Limits.SharedMemory = 2047 }), units: []int{64}, words: "2048 bytes of shared memory"},
		{name: "mixed precision", info: mixed, settings: []Setting{Mixed()}, units: []int{64, 32}, words: "matrices of 16 × 16 × 16), because mixed precision is the general path's"},
		{name: "mixed precision of some", info: mixed, settings: []Setting{Mixed()}, units: []int{64, 30}, words: "where a layer's units are a multiple of 4"},
		{name: "mixed precision of none", info: mixed, settings: []Setting{Mixed()}, units: []int{30, 31}, words: "no faster than float32"},
		{name: "mixed precision, asked for", info: mixed, settings: []Setting{Mixed(), Path(PathResident)}, units: []int{64, 32}, words: "cannot be taken: mixed precision"},
	} {
		dev := gpu.Simulate(tc.info)
		e, err := New(dev, model.Stack(60, 6, tc.units, true, 0, 32), []model.Options{{Loss: model.Focal(), Optimizer: model.DefaultAdam()}}, tc.settings...)
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			said = e.String()
			e.Close()
		}
		if got := err == nil && strings.Contains(said, "resident path ("); got != tc.resident || !strings.Contains(said, tc.words) {
			t.Errorf("%s: %q; want resident %v and %q", tc.name, said, tc.resident, tc.words)
		}
		dev.Close()
	}
}
