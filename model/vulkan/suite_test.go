package vulkan

import (
	"testing"

	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/enginetest"
)

// TestEngine is what every engine must pass, on both paths: package enginetest. A shape for which the resident path is not
// taken on this device runs on the general one in its stead.
func TestEngine(t *testing.T) {
	dev := gputest.Device(t)
	where := map[string]string{PathGeneral: PathGeneral, PathResident: PathAuto}
	for _, path := range []string{PathGeneral, PathResident} {
		start := func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			t.Helper()
			e, err := New(dev, spec, opts, Path(where[path]))
			if err != nil {
				t.Fatal(err)
			}
			if path == PathResident && e.resident == nil {
				t.Log(e)
			}
			e.stepLimit = 3 // several submissions in an epoch, so that one can be cancelled
			return e
		}
		enginetest.Run(t, path, start, enginetest.Tolerances{})
		enginetest.Penalty(t, path+", penalty", start, enginetest.Tolerances{})
	}
}

// TestEngineMixed holds the engine with float16 products to the same suite.
func TestEngineMixed(t *testing.T) {
	dev := gputest.Device(t)
	enginetest.Run(t, "vulkan", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := New(dev, spec, opts, Mixed())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.Tolerances{Half: true})
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
