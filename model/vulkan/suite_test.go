package vulkan

import (
	"testing"

	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/enginetest"
)

// TestEngine is what every engine must pass: package enginetest.
func TestEngine(t *testing.T) {
	dev := gputest.Device(t)
	enginetest.Run(t, "vulkan", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := New(dev, spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.Tolerances{})
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

func BenchmarkTrainEpoch(b *testing.B) { enginetest.TrainEpoch(b, benchmarked) }
func BenchmarkPredict(b *testing.B)    { enginetest.Predict(b, benchmarked) }
