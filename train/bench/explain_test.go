package bench

import (
	"context"
	"strings"
	"testing"

	"vklstm/train"
)

// Every kernel of a step says what it does: the operations counted from the recordings are those that the network's
// shape asks for, and some for activations and Adam.
func TestExplain(t *testing.T) {
	for _, w := range []Workload{
		{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 32, Mask: MaskNone, Dropout: 0.3},
		{Batch: 16, Time: 10, Features: 51, Units: 256, Dense: 32, Windows: 16, Mask: MaskNone},
	} {
		for _, name := range []string{"NVIDIA H100 80GB HBM3", "AMD Radeon RX 7900 XTX (RADV NAVI31)", "Arc A770", "a770 general"} {
			path := train.PathAuto
			if short, general := strings.CutSuffix(name, " general"); general {
				name, path = short, train.PathGeneral
			}
			g, ok := FindGPU(name)
			if !ok {
				t.Fatalf("%s is not known", name)
			}
			e, err := Explain(context.Background(), g, w, func(d *train.Device) error { return d.SetPath(path) })
			if err != nil {
				t.Fatal(err)
			}
			// The state before the first step is 0, so a step's recurrent products may be left out.
			all := w.TrainFlop(w.Batch)
			if least, got := all*float64(w.Time-1)/float64(w.Time), e.Total.Flop; got < least || got > 1.1*all {
				t.Errorf("%s, %s: %.4g operations, the products alone are %.4g to %.4g; does every kernel call Recording.Work?", name, w.Name(), got, least, all)
			}
			// Each window is read once at least, and the parameters and both moments are read and written.
			if least := float64(4*w.Batch*w.Time*w.Features + 6*4*w.Spec().Layout().Size); e.Total.Bytes < least {
				t.Errorf("%s, %s: %.4g bytes, at least %.4g must move", name, w.Name(), e.Total.Bytes, least)
			}
			if e.Total.Dispatches < 2 || e.Barriers < 2 || e.Memory == 0 || e.Total.Least <= 0 {
				t.Errorf("%s, %s: %+v", name, w.Name(), e)
			}
		}
	}
}

func TestKernelsNeedGPU(t *testing.T) {
	d, err := train.OpenDevice("cpu")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Kernels(context.Background(), d, StepShapes()[0]); err == nil {
		t.Error("the CPU engine has kernels")
	}
	if _, err := Dispatch(d); err == nil {
		t.Error("the CPU engine dispatches")
	}
}
