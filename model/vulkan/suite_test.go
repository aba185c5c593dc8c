package vulkan

import (
	"testing"

	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/enginetest"
)

// TestEngine is what every engine must pass, on both paths: package enginetest. A shape that the resident path cannot take
// on this device runs on the general one in its stead.
func TestEngine(t *testing.T) {
	dev := gputest.Device(t)
	for _, path := range []string{PathGeneral, PathResident} {
		enginetest.Run(t, path, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			e, err := New(dev, spec, opts, Path(path))
			if _, no := newResident(dimsOf(t, spec), dev.Info(), Tuning{}); no != nil && path == PathResident {
				t.Logf("general path: %v", no)
				e, err = New(dev, spec, opts, Path(PathGeneral))
			}
			if err != nil {
				t.Fatal(err)
			}
			e.stepLimit = 3 // several submissions in an epoch, so that one can be cancelled
			return e
		}, enginetest.Tolerances{})
	}
}

func dimsOf(t *testing.T, spec model.Spec) model.Dims {
	t.Helper()
	d, err := spec.Dims()
	if err != nil {
		t.Fatal(err)
	}
	return d
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
