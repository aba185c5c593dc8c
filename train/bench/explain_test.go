package bench

import (
	"context"
	"slices"
	"strings"
	"testing"

	"vklstm/gpu/gputest"
	"vklstm/train/device"
)

// Every kernel of a step says what it does: the operations counted from the recordings are those that the network's
// shape asks for, and some for activations and Adam.
func TestExplain(t *testing.T) {
	for _, w := range []Workload{
		{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 32, Mask: MaskNone, Dropout: 0.3},
		{Batch: 16, Time: 10, Features: 51, Units: 256, Dense: 32, Windows: 16, Mask: MaskNone},
	} {
		for _, name := range []string{"NVIDIA H100 80GB HBM3", "AMD Radeon RX 7900 XTX (RADV NAVI31)", "Arc A770", "a770 general"} {
			path := device.PathAuto
			if short, general := strings.CutSuffix(name, " general"); general {
				name, path = short, device.PathGeneral
			}
			g, ok := FindGPU(name)
			if !ok {
				t.Fatalf("%s is not known", name)
			}
			e, err := Explain(context.Background(), g, w, func(d *device.Device) error { return d.SetPath(path) })
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

// TestLaneRegisters: a simulated card of Intel's is given the tiles that a real one is.
func TestLaneRegisters(t *testing.T) {
	for _, g := range GPUs() {
		want := uint32(0)
		if g.Name == "Arc A770" {
			want = 128
		}
		if n := g.info().Limits.LaneRegisters; n != want {
			t.Errorf("%s: %d registers of a lane, want %d", g.Name, n, want)
		}
	}
}

func TestKernelsNeedGPU(t *testing.T) {
	d, err := device.Open("cpu")
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

// Each kernel of a step has a time, also where the steps of an epoch fit into one submission, which has timestamps of its
// last step alone.
func TestKernels(t *testing.T) {
	name, err := gputest.Name()
	if err != nil {
		gputest.Missing(t, err)
	}
	d, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Vulkan().Limits().TimestampPeriod == 0 {
		t.Skip("the device has no timestamps")
	}
	w := Workload{Batch: 2, Time: 3, Features: 2, Units: 4, Dense: 3, Windows: 2, Mask: MaskNone}
	for path, want := range map[string]string{device.PathResident: "resident_lstm", device.PathGeneral: "matmul"} {
		if err := d.SetPath(path); err != nil {
			t.Fatal(err)
		}
		rows, err := Kernels(context.Background(), d, w)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(rows, func(r Row) bool { return strings.HasPrefix(r.Name, want) && r.Device > 0 && r.Count > 0 }) {
			t.Errorf("%s: no time of %s: %+v", path, want, rows)
		}
	}
}

// In mixed precision the products run on the card's matrix units, and are counted against their peak; a card without such
// units takes float32 kernels.
func TestExplainMixed(t *testing.T) {
	w := Workload{Batch: 64, Time: 20, Features: 32, Units: 256, Dense: 32, Windows: 64, Mask: MaskNone}
	for name, units := range map[string]bool{"H100": true, "RX 7900 XTX": true, "Arc A770": true, "RX 6800": false} {
		g, _ := FindGPU(name)
		e, err := Explain(context.Background(), g, w, func(d *device.Device) error { return d.SetPrecision(device.PrecisionMixed) })
		if err != nil {
			t.Fatal(err)
		}
		half := 0
		for _, k := range e.Kernels {
			if !strings.HasSuffix(k.Kernel, "_half") {
				continue
			}
			half++
			if compute := k.Flop / 1e3 / g.Half; float64(k.Least) < compute || k.Bound == BoundCompute && float64(k.Least) > compute+1 {
				t.Errorf("%s, %s: %v ns at least, %v by its operations", name, k.Kernel, float64(k.Least), compute)
			}
		}
		if (half > 0) != units {
			t.Errorf("%s: %d kernels of float16: %+v", name, half, e.Kernels)
		}
		if all := w.TrainFlop(w.Batch); e.Total.Flop < all*float64(w.Time-1)/float64(w.Time) {
			t.Errorf("%s: %.4g operations of %.4g; does every kernel call Recording.Work?", name, e.Total.Flop, all)
		}
	}
}
