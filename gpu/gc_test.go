package gpu_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
)

// pressure keeps the collector busy until the returned function is called. The binding's finalisers corrupt about one
// submission in 500 under such pressure when submissions go through it.
func pressure() (stop func()) {
	done := make(chan bool)
	var group sync.WaitGroup
	for g := range 2 {
		group.Go(func() {
			var keep [][]byte
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				keep = append(keep[:n%64], make([]byte, 1<<14))
				if g == 0 && n%64 == 0 {
					runtime.GC()
				}
			}
		})
	}
	return func() { close(done); group.Wait() }
}

// TestCollectorPressure records, submits, transfers and opens devices while the collector runs all the time. Every number
// must be exact. With GOGC=1 the pressure is higher still.
func TestCollectorPressure(t *testing.T) {
	gputest.Device(t)
	d := another(t) // without the layer, for the number of submissions
	step := int(max(d.Limits().OffsetAlignment/4, 1))
	defer pressure()()
	const n, dispatches, recordings, runs = 3, 40, 25, 20
	x, y := make([]uint32, step), make([]uint32, step)
	for i := range x {
		x[i], y[i] = uint32(i)+1, uint32(i)
	}
	both := buffer(t, d, "both", slices.Concat(x, y))
	bx, by := both.Slice(0, step), both.Slice(step, step)
	for k := range recordings {
		r := d.NewRecording("pressure")
		for range dispatches / 2 {
			r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(bx, n), gpu.ReadWrite(by, n))
			r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(by, n), gpu.ReadWrite(bx, n))
		}
		for range runs {
			run(t, r)
		}
		r.Free()
		for range runs * dispatches / 2 {
			for i := range n {
				y[i] = 3*y[i] + x[i]
				x[i] = 3*x[i] + y[i]
			}
		}
		if got := content(t, both); !slices.Equal(got, slices.Concat(x, y)) {
			t.Fatalf("recording %d: %v, want %v", k, got[:n], x[:n])
		}
	}
	for range 10 {
		e := another(t)
		if infos, err := gpu.Devices(); err != nil || infos[e.Info().Index].Name != d.Info().Name {
			t.Fatalf("devices %v, %v", infos, err)
		}
		if e.Info() != d.Info() {
			t.Fatalf("opened again, the device says %+v, before %+v", e.Info(), d.Info())
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConcurrent uses one device from several goroutines.
func TestConcurrent(t *testing.T) {
	d := device(t)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			const n = 300
			want := make([]uint32, n)
			x, err := gpu.NewBuffer[uint32](d, "x", n)
			if err != nil {
				t.Error(err)
				return
			}
			y, err := gpu.NewBuffer[uint32](d, "y", n)
			if err != nil {
				t.Error(err)
				return
			}
			defer x.Free()
			defer y.Free()
			for k := range 10 {
				r := d.NewRecording("concurrent")
				r.Fill(x, uint32(g))
				r.Fill(y, uint32(k))
				r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(x, n), gpu.ReadWrite(y, n))
				if err := r.Run(); err != nil {
					t.Error(err)
					return
				}
				for i := range want {
					want[i] = uint32(3*k + g)
				}
				got := make([]uint32, n)
				if err := y.Read(got); err != nil || !slices.Equal(got, want) {
					t.Errorf("goroutine %d, round %d: y[0] = %d (%v)", g, k, got[0], err)
				}
				r.Free()
			}
		})
	}
	group.Wait()
}
