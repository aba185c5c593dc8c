package vulkan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/judge"
)

// residentDevice is the test device, where it can take the resident path.
func residentDevice(t *testing.T) *gpu.Device {
	t.Helper()
	dev := gputest.Device(t)
	if dev.Limits().SubgroupSmallest == 0 {
		t.Skip("the device does not promise full subgroups")
	}
	if _, err := newResident(site{info: dev.Info(), chain: oneLayer(1, 1, 1, 1)}, Tuning{}); err != nil {
		t.Fatal(err)
	}
	return dev
}

// general reports whether the engine takes the general path.
func (e *Engine) general() bool {
	_, ok := e.path.(*general)
	return ok
}

// sized is small with other sizes: n windows with masks of every kind, holes included, for k models.
func sized(n, k, T, F, H, D int) small {
	r := rand.New(rand.NewPCG(uint64(H), uint64(D)))
	s := newSmall(n, k)
	s.spec = model.Classifier(T, F, H, 0.3, D)
	s.win, s.init = model.Windows{}, nil
	for i := range n {
		s.win.Y = append(s.win.Y, float32(i%3/2))
		for t := range T {
			for range F {
				v := float32(r.NormFloat64())
				switch {
				case i%5 == 1 && t < T/2, i%5 == 2 && t > T/2, i%5 == 3 && t%2 == 1, i%11 == 4:
					v = 0
				case r.IntN(20) == 0:
					v = nan
				}
				s.win.X = append(s.win.X, v)
			}
		}
	}
	for i := range s.opts {
		s.opts[i].Scaling = model.Scaling{}
		s.opts[i].Optimizer = model.Optimizer{Kind: model.SGD}
		s.init = append(s.init, s.spec.Init(uint64(40+i)))
	}
	return s
}

// TestPathsAgree trains by both paths, at each size where the resident path changes its way, and one to either side: units around
// the sizes of a padded block, dense units around the number of units, features around a vector of 4. Both lie within rounding of
// the same numbers (TestEngine, TestGolden), so here they may be as far apart as a few sums of that many terms round.
func TestPathsAgree(t *testing.T) {
	dev := residentDevice(t)
	for _, tc := range []struct{ F, H, D int }{
		{3, 1, 1}, {4, 15, 16}, {5, 16, 15}, {7, 17, 17}, {4, 33, 65}, {6, 63, 63}, {6, 64, 64}, {6, 65, 66}, {6, 127, 10}, {6, 128, 129}, {6, 129, 10},
	} {
		t.Run(fmt.Sprintf("F=%d/H=%d/D=%d", tc.F, tc.H, tc.D), func(t *testing.T) {
			s := sized(13, 2, 5, tc.F, tc.H, tc.D)
			r, no := newResident(site{info: dev.Info(), chain: oneLayer(5, tc.F, tc.H, tc.D)}, Tuning{})
			if no != nil {
				if _, err := New(dev, s.spec, s.opts, Path(PathResident)); !errors.Is(err, ErrPath) {
					t.Errorf("New on the resident path: %v, want %v", err, no)
				}
				return
			}
			if why := r.doubt(); why != "" {
				if e := s.open(t, dev); !e.general() || !strings.Contains(e.String(), why) {
					t.Errorf("%s; want the general path, because %s", e, why)
				}
				return // a driver on the CPU would compile it for minutes
			}
			want, wantStates := s.train(t, s.open(t, dev, Path(PathGeneral)), 2, 4)
			got, states := s.train(t, s.open(t, dev, Path(PathResident)), 2, 4)
			for k := range got {
				// Eight steps; sums of up to 4·H + F terms below 4 in size.
				tol := 8 * float64(4*tc.H+tc.F) * 4 * 0x1p-24
				near(t, "probability", got[k].Probability, want[k].Probability, tol)
				near(t, "evaluated", got[k].EvalProbability, want[k].EvalProbability, tol)
				near(t, "parameters", states[k].Params, wantStates[k].Params, tol)
				if states[k].Step != wantStates[k].Step || got[k].Steps != want[k].Steps {
					t.Errorf("steps %d and %d, want %d and %d", states[k].Step, got[k].Steps, wantStates[k].Step, want[k].Steps)
				}
			}
		})
	}
}

// TestTuning: workgroups, passes, chunks of windows, steps prepared at once and submissions decide who computes when, not what: the
// same bits. Lanes that share a sum, and parts of the gradient, change the order of sums alone.
func TestTuning(t *testing.T) {
	dev := residentDevice(t)
	s := newSmall(50, 2)
	want, wantStates := s.train(t, s.open(t, dev, Path(PathResident)), 2, 8)
	for name, prepare := range map[string]func() *Engine{
		"one workgroup": func() *Engine { return s.open(t, dev, Path(PathResident), Tune(Tuning{Groups: 1})) },
		"as many workgroups as windows, and one more": func() *Engine {
			return s.open(t, dev, Path(PathResident), Tune(Tuning{Groups: 17}))
		},
		"five workgroups":             func() *Engine { return s.open(t, dev, Path(PathResident), Tune(Tuning{Groups: 5})) },
		"input of one step at a time": func() *Engine { return s.open(t, dev, Path(PathResident), Tune(Tuning{Ahead: 1})) },
		"input of two steps":          func() *Engine { return s.open(t, dev, Path(PathResident), Tune(Tuning{Ahead: 2})) },
		"three passes": func() *Engine {
			e := s.open(t, dev, Path(PathResident))
			e.rowLimit = 3
			return e
		},
		"one step a submission": func() *Engine {
			e := s.open(t, dev, Path(PathResident), Tune(Tuning{Ahead: 3}))
			e.stepLimit = 1
			return e
		},
		"evaluation in batches of 7": func() *Engine {
			e := s.open(t, dev, Path(PathResident))
			e.evalLimit = 7
			return e
		},
		"chunks of 11 windows": func() *Engine {
			e := s.open(t, dev, Path(PathResident))
			e.chunkLimit = 11
			if err := e.Load(s.win); err != nil {
				t.Fatal(err)
			}
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := prepare()
			got, states := s.train(t, e, 2, 8)
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(states, wantStates) {
				t.Error("other numbers")
			}
			if passes := e.train.B / e.train.R; e.rowLimit > 0 && passes != 3 {
				t.Errorf("%d passes, want 3", passes)
			}
			if e.tuning.Ahead > 0 && e.train.ahead() != e.tuning.Ahead {
				t.Errorf("%d steps prepared at once, want %d", e.train.ahead(), e.tuning.Ahead)
			}
			each := ceil(2*e.train.R, e.path.(*resident).groups)
			if said := e.String(); !strings.Contains(said, fmt.Sprintf("up to %d windows each in batches of %d", each, e.train.B)) {
				t.Error(said)
			}
			if e.evalLimit > 0 && e.evals.B != 7 {
				t.Errorf("evaluation in batches of %d, want 7", e.evals.B)
			}
		})
	}
	for _, tune := range []Tuning{{Lanes: 4}, {Lanes: 8}, {Lanes: 16}, {Parts: 3}} {
		t.Run(fmt.Sprintf("%+v", tune), func(t *testing.T) {
			if tune.Lanes > int(dev.Limits().SubgroupSmallest) {
				if _, err := New(dev, s.spec, s.opts, Path(PathResident), Tune(tune)); !errors.Is(err, ErrPath) {
					t.Errorf("more lanes than the smallest subgroup has: %v", err)
				}
				return
			}
			got, states := s.train(t, s.open(t, dev, Path(PathResident), Tune(tune)), 2, 8)
			for k := range got {
				near(t, "probability", got[k].EvalProbability, want[k].EvalProbability, 1e-5) // as for the passes of TestSmallDevice
				near(t, "m", states[k].M, wantStates[k].M, 1e-5)
			}
		})
	}
}

// TestFewDispatches counts a training step: three dispatches, six where gradients are clipped, and none that prepares input.
func TestFewDispatches(t *testing.T) {
	dev := residentDevice(t)
	for _, clip := range []float64{0, 1} {
		s := newSmall(64, 1)
		s.opts[0].Optimizer.ClipNorm = clip
		e := s.open(t, dev, Path(PathResident))
		p := s.plan(0, 0, 2)
		p.Eval = nil
		before := dev.Submitted()
		if _, err := e.Epoch(context.Background(), []model.Plan{p}); err != nil {
			t.Fatal(err)
		}
		did := dev.Submitted().Minus(before)
		each := 3
		if clip > 0 {
			each = 6
		}
		if want := each*p.Steps() + 1; did.Dispatches != want || did.Kernels["resident_input"].Dispatches != 1 {
			t.Errorf("clipnorm %v: %d dispatches, %d of them resident_input, for %d steps; want %d and 1", clip, did.Dispatches, did.Kernels["resident_input"].Dispatches, p.Steps(), want)
		}
		// A barrier begins each recording; the others stand between the dispatches of a step.
		if most := each*p.Steps() + 2; did.Barriers > most {
			t.Errorf("clipnorm %v: %d barriers for %d steps; at most %d", clip, did.Barriers, p.Steps(), most)
		}
	}
}

// TestChoosePath checks the choice for devices that are not there.
func TestChoosePath(t *testing.T) {
	l := gpu.Limits{MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, MaxWorkgroupCount: [3]uint32{65535, 65535, 65535}, SharedMemory: 48 << 10, PushConstants: 128,
		StorageBuffers: 64, StorageRange: 1 << 30, OffsetAlignment: 16, SubgroupOps: 0xFF, SubgroupSize: 32, SubgroupSmallest: 32, SubgroupLargest: 32, MaxAllocation: 1 << 32}
	nvidia := gpu.Info{Name: "N", Vendor: "NVIDIA", Type: "discrete GPU", Memory: 8 << 30, Limits: l}
	with := func(info gpu.Info, f func(*gpu.Info)) gpu.Info { f(&info); return info }
	for _, tc := range []struct {
		name     string
		info     gpu.Info
		path     string
		F, H, D  int
		resident bool
		words    string // of String or the error
	}{
		{name: "production", info: nvidia, path: PathAuto, F: 6, H: 64, D: 32, resident: true, words: "the weights fit the registers"},
		{name: "asked for general", info: nvidia, path: PathGeneral, F: 6, H: 64, D: 32, words: "it was asked for"},
		{name: "63 features", info: nvidia, path: PathAuto, F: 63, H: 64, D: 32, resident: true, words: "fit the registers"},
		{name: "64 features", info: nvidia, path: PathAuto, F: 64, H: 64, D: 32, words: "do not fit the registers"},
		{name: "65 units, 15 features", info: nvidia, path: PathAuto, F: 15, H: 65, D: 32, resident: true, words: "320 threads, 64 at once"},
		{name: "65 units, 16 features", info: nvidia, path: PathAuto, F: 16, H: 65, D: 32, words: "do not fit the registers"},
		{name: "96 units, 7 features", info: nvidia, path: PathAuto, F: 7, H: 96, D: 32, resident: true, words: "384 threads, 64 at once"},
		{name: "96 units, 8 features", info: nvidia, path: PathAuto, F: 8, H: 96, D: 32, words: "do not fit the registers"},
		{name: "97 units", info: nvidia, path: PathAuto, F: 6, H: 97, D: 32, words: "more registers than a multiprocessor has"},
		{name: "97 units, asked for", info: nvidia, path: PathResident, F: 6, H: 97, D: 32, resident: true, words: "it was asked for"},
		{name: "129 units, asked for", info: nvidia, path: PathResident, F: 6, H: 129, D: 32, words: "129 units"},
		{name: "129 units", info: nvidia, path: PathAuto, F: 6, H: 129, D: 32, words: "129 units"},
		{name: "100 units on RDNA", info: with(nvidia, func(i *gpu.Info) { i.Vendor = "AMD"; i.Limits.SubgroupLargest = 64 }), path: PathAuto, F: 6, H: 100, D: 32, resident: true, words: "fit the registers"},
		{name: "16 features on another vendor's", info: with(nvidia, func(i *gpu.Info) { i.Vendor = "Intel"; i.Limits.SubgroupSmallest = 8 }), path: PathAuto, F: 16, H: 64, D: 32, resident: true, words: "fit the registers"},
		{name: "17 features on another vendor's", info: with(nvidia, func(i *gpu.Info) { i.Vendor = "Intel"; i.Limits.SubgroupSmallest = 8 }), path: PathAuto, F: 17, H: 64, D: 32, words: "do not fit"},
		{name: "no full subgroups", info: with(nvidia, func(i *gpu.Info) { i.Limits.SubgroupSmallest, i.Limits.SubgroupLargest = 0, 0 }), path: PathAuto, F: 6, H: 64, D: 32, words: "full subgroups"},
		{name: "no quads", info: with(nvidia, func(i *gpu.Info) { i.Limits.SubgroupOps &^= gpu.SubgroupFeatureQuad }), path: PathAuto, F: 6, H: 64, D: 32, words: "quad"},
		{name: "128 threads", info: with(nvidia, func(i *gpu.Info) { i.Limits.MaxInvocations = 128 }), path: PathAuto, F: 6, H: 64, D: 32, words: "256 threads"},
		{name: "128 threads, 32 units", info: with(nvidia, func(i *gpu.Info) { i.Limits.MaxInvocations = 128 }), path: PathAuto, F: 6, H: 32, D: 32, resident: true, words: "fit the registers"},
		{name: "too many dense units for shared memory", info: nvidia, path: PathAuto, F: 6, H: 64, D: 20000, words: "shared memory"},
		{name: "12 buffers", info: with(nvidia, func(i *gpu.Info) { i.Limits.StorageBuffers = 12 }), path: PathAuto, F: 6, H: 64, D: 32, words: "13 buffers"},
		{name: "unknown", info: nvidia, path: "short", F: 6, H: 64, D: 32, words: "unknown path"},
	} {
		dev := gpu.Simulate(tc.info)
		e, err := New(dev, model.Classifier(60, tc.F, tc.H, 0, tc.D), []model.Options{{Loss: model.Focal(), Optimizer: model.DefaultAdam()}}, Path(tc.path))
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

// TestGoldenPaths compares both paths with Keras's numbers on the small set; TestGolden takes what a user gets.
func TestGoldenPaths(t *testing.T) {
	dev := residentDevice(t)
	for _, path := range []string{PathGeneral, PathResident} {
		for _, c := range append(judge.Embedded().Cases, judge.Own()...) {
			t.Run(path+"/"+c.Name, func(t *testing.T) {
				cannot, way := false, path
				if path == PathResident {
					way = PathAuto
				}
				rows := c.CheckEngine(func(spec model.Spec, o []model.Options) (model.Engine, error) {
					e, err := New(dev, spec, o, Path(way))
					cannot = err == nil && way == PathAuto && e.general()
					return e, err
				})
				if cannot {
					t.Log("the resident path is not taken for this shape on this device")
				}
				if len(rows) == 0 {
					t.Error("nothing was compared")
				}
				for _, r := range rows {
					if r.Failed() {
						t.Error(r)
					}
				}
			})
		}
	}
}

// TestDeviceMemory compares the plan with what training and evaluation allocate, on both paths: within a tenth.
func TestDeviceMemory(t *testing.T) {
	shared := gputest.Device(t)
	for _, path := range []string{PathGeneral, PathAuto} {
		for _, tc := range []struct {
			n, models, batch, H, eval int
			stack                     []int
		}{{n: 300, models: 1, batch: 32, H: 20, eval: 100}, {n: 40, models: 3, batch: 7, H: 12, eval: 0}, {n: 1200, models: 1, batch: 400, H: 9, eval: 1100}, {n: 300, models: 2, batch: 32, H: 0, eval: 100, stack: []int{16, 9}}} {
			t.Run(fmt.Sprintf("%s/%+v", path, tc), func(t *testing.T) {
				dev, err := gpu.Open(shared.Info().Name)
				if err != nil {
					t.Fatal(err)
				}
				defer dev.Close()
				s := sized(tc.n, tc.models, 10, 4, max(tc.H, 1), 5)
				if tc.stack != nil {
					s = s.stacked(tc.stack...)
				}
				e, err := New(dev, s.spec, s.opts, Path(path))
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				want, err := e.DeviceMemory(tc.n, tc.batch, tc.n, tc.eval)
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Load(s.win); err != nil {
					t.Fatal(err)
				}
				var plans []model.Plan
				for range tc.models {
					p := model.Plan{Batch: tc.batch}
					for i := range tc.n {
						p.Train = append(p.Train, int32(i))
						if i < tc.eval {
							p.Eval = append(p.Eval, int32(i))
						}
					}
					p.LearningRate = make([]float64, p.Steps())
					plans = append(plans, p)
				}
				if _, err := e.Epoch(context.Background(), plans); err != nil {
					t.Fatal(err)
				}
				if got := dev.InBuffers(); float64(got) > 1.1*float64(want) || float64(got) < 0.9*float64(want) {
					t.Errorf("%d bytes are in buffers, %d were planned", got, want)
				}
			})
		}
	}
}

// TestShare: a submission aims below its limit, takes a step at least, and evaluates after the last step only, in what room is
// left; all submissions together take each step and each batch once.
func TestShare(t *testing.T) {
	dev := gpu.Simulate(gpu.Info{Name: "N", Memory: 1 << 30, Limits: gpu.Limits{MaxInvocations: 256, MaxWorkgroupSizeX: 256,
		MaxWorkgroupCount: [3]uint32{65535, 65535, 1}, SharedMemory: 32 << 10, PushConstants: 128, StorageBuffers: 16, StorageRange: 1 << 27, OffsetAlignment: 16, MaxAllocation: 1 << 30}})
	defer dev.Close()
	s := newSmall(10, 1)
	e := s.open(t, dev)
	for _, tc := range []struct {
		perStep, perRun time.Duration // 0: not known
		train, eval     int
		submissions     int
	}{
		{10 * time.Millisecond, 5 * time.Millisecond, 16, 3, 3}, // 8, 8 and no room, 3
		{10 * time.Millisecond, 5 * time.Millisecond, 7, 2, 1},
		{10 * time.Millisecond, 20 * time.Millisecond, 7, 2, 2},
		{time.Second, 5 * time.Millisecond, 3, 2, 4}, // a step that takes longer than all there is
		{time.Second, time.Second, 2, 2, 4},
		{time.Microsecond, time.Microsecond, 5000, 1, 2}, // at most mostRuns
		{0, 0, 20, 1, 1}, // a guess for a small network
		{10 * time.Millisecond, 0, 0, 3, 1},
	} {
		of := stage{network: network{shape: site{chain: e.chain}.shape(1, 4, 4)}}
		c := &course{w: &workspace{stage: of, perStep: tc.perStep}, v: &evaluation{stage: of, perRun: tc.perRun}, train: tc.train, eval: tc.eval}
		n := 0
		for ; (c.done < c.train || c.evaluated < c.eval) && n < 100; n++ {
			steps, evals, expected := e.share(c)
			if steps < 0 || evals < 0 || steps+evals == 0 || c.done+steps < c.train && evals > 0 || expected > aim && steps+evals > 1 {
				t.Fatalf("%+v: %d steps and %d batches, %v, after %d and %d", tc, steps, evals, expected, c.done, c.evaluated)
			}
			c.done += steps
			c.evaluated += evals
		}
		if c.done != tc.train || c.evaluated != tc.eval || n != tc.submissions {
			t.Errorf("%+v: %d steps and %d batches in %d submissions", tc, c.done, c.evaluated, n)
		}
	}
}
