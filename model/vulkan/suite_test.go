package vulkan

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/judge/enginetest"
)

// paths make engines on a device for each path. A shape for which the resident path is not taken on this device runs on the
// general one in its stead.
func paths(dev *gpu.Device) map[string]enginetest.New {
	list := map[string]enginetest.New{}
	for path, asked := range map[string]string{PathGeneral: PathGeneral, PathResident: PathAuto} {
		list[path] = func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			e, err := New(dev, spec, opts, Path(asked))
			if err != nil {
				t.Fatal(err)
			}
			if path == PathResident && e.general() {
				t.Log(e)
			}
			e.stepLimit = 3 // several submissions in an epoch, so that one can be cancelled
			return e
		}
	}
	return list
}

// TestEngine is what every engine must pass, on both paths: package enginetest.
func TestEngine(t *testing.T) {
	for path, new := range paths(gputest.Device(t)) {
		enginetest.Run(t, path, new, enginetest.Tolerances{})
		enginetest.Penalty(t, path+", penalty", new, enginetest.Tolerances{})
	}
}

// TestEngineStacks is the same for networks of several LSTM layers and of both directions.
func TestEngineStacks(t *testing.T) {
	for path, new := range paths(gputest.Device(t)) {
		enginetest.Stacks(t, path, new, enginetest.Tolerances{})
	}
}

// TestEngineChains is the same for any chain of layers and any number of classes.
func TestEngineChains(t *testing.T) {
	for path, new := range paths(gputest.Device(t)) {
		enginetest.Chains(t, path, new, enginetest.Tolerances{})
	}
}

// TestEngineSteps goes Keras's way through 30 steps of training.
func TestEngineSteps(t *testing.T) {
	for path, new := range paths(gputest.Device(t)) {
		enginetest.Steps(t, path, new, enginetest.Tolerances{})
	}
}

// TestEngineMixed holds the engine with float16 products to the same suites.
func TestEngineMixed(t *testing.T) {
	dev := gputest.Device(t)
	mixed := func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := New(dev, spec, opts, Mixed())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	enginetest.Run(t, "vulkan", mixed, enginetest.Tolerances{Half: true})
	enginetest.Stacks(t, "stacks", mixed, enginetest.Tolerances{Half: true})
	enginetest.Chains(t, "chains", mixed, enginetest.Tolerances{Half: true})
}

func benchmarked(b *testing.B, spec model.Spec, opts []model.Options) model.Engine {
	e, err := New(gputest.Device(b), spec, opts)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func BenchmarkTrainStep(b *testing.B)  { enginetest.TrainStep(b, benchmarked) }
func BenchmarkTrainEpoch(b *testing.B) { enginetest.TrainEpoch(b, benchmarked) }
func BenchmarkPredict(b *testing.B)    { enginetest.Predict(b, benchmarked) }
