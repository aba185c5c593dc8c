package gpu_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vklstm/gpu"
)

// ways are the two ways from host to device: memory that both see, and copies through staging.
func ways(t *testing.T, f func(t *testing.T, d *gpu.Device)) {
	for _, staged := range []bool{false, true} {
		t.Run(fmt.Sprintf("staged=%t", staged), func(t *testing.T) {
			d, l := watched(t)
			if staged {
				d.ForceStaging()
			}
			f(t, d)
			for _, m := range l.list {
				t.Errorf("validation: %s", m)
			}
		})
	}
}

func TestBufferRoundTrip(t *testing.T) {
	ways(t, func(t *testing.T, d *gpu.Device) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 3, 1000, 2<<20 - 1, 2 << 20, 5<<20 + 7} { // around the staging buffer's 2 Mi words
			data := make([]uint32, n)
			for i := range data {
				data[i] = r.Uint32()
			}
			b := buffer(t, d, "b", data)
			if !slices.Equal(content(t, b), data) {
				t.Fatalf("%d words came back changed", n)
			}
			off, m := r.IntN(n), 0
			if off < n {
				m = r.IntN(n - off)
			}
			patch := make([]uint32, m)
			for i := range patch {
				patch[i] = r.Uint32()
			}
			if err := b.WriteAt(off, patch); err != nil {
				t.Fatal(err)
			}
			copy(data[off:], patch)
			got := make([]uint32, n-off)
			if err := b.ReadAt(off, got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, data[off:]) || !slices.Equal(content(t, b), data) {
				t.Fatalf("%d words, written at %d: %d came back changed", n, off, m)
			}
			b.Free()
		}
	})
}

func TestBufferTypes(t *testing.T) {
	d := device(t)
	f := []float32{-0.5, 1e-40, 3e38}
	if got := content(t, buffer(t, d, "f", f)); !slices.Equal(got, f) {
		t.Errorf("float32: %v", got)
	}
	i := []int32{-1, 1 << 30}
	if got := content(t, buffer(t, d, "i", i)); !slices.Equal(got, i) {
		t.Errorf("int32: %v", got)
	}
	v := [][4]float32{{1, 2, 3, 4}, {5, 6, 7, 8}}
	if got := content(t, buffer(t, d, "v", v)); !slices.Equal(got, v) {
		t.Errorf("vec4: %v", got)
	}
	panics(t, func() { gpu.NewBuffer[float64](d, "b", 1) }, "float64")
	panics(t, func() { gpu.NewBuffer[*float32](d, "b", 1) }, "*float32")
	panics(t, func() { gpu.NewBuffer[struct{ a float32 }](d, "b", 1) }, "struct")
	panics(t, func() { gpu.NewBuffer[float32](d, "b", 0) }, `"b"`, "0 elements")
	panics(t, func() { gpu.NewBuffer[float32](d, "b", -1) }, "-1 elements")
}

func TestBufferViews(t *testing.T) {
	ways(t, func(t *testing.T, d *gpu.Device) {
		step := int(d.Limits().OffsetAlignment / 4)
		step = max(step, 1)
		n := 4 * step
		b := buffer(t, d, "b", make([]uint32, n))
		v := b.Slice(step, 2*step)
		w := v.Slice(step, step)
		if b.Name() != "b" || w.Name() != fmt.Sprintf("b[%d:%d]", 2*step, 3*step) || w.Len() != step {
			t.Errorf("view %s of %d", w.Name(), w.Len())
		}
		if err := w.Write(slices.Repeat([]uint32{9}, step)); err != nil {
			t.Fatal(err)
		}
		if err := v.WriteAt(1, nil); err != nil {
			t.Fatal(err)
		}
		r := d.NewRecording("views")
		r.Fill(b.Slice(3*step, step), 5)
		r.Copy(b.Slice(0, step), w)
		r.Dispatch("mix", gpu.Threads(step), gpu.Push(step), gpu.Read(w, step), gpu.ReadWrite(v.Slice(0, step), step))
		run(t, r)
		want := slices.Concat(slices.Repeat([]uint32{9}, step), slices.Repeat([]uint32{9}, step), slices.Repeat([]uint32{9}, step), slices.Repeat([]uint32{5}, step))
		if got := content(t, b); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		panics(t, func() { b.Slice(0, n+1) }, "b, which has")
		panics(t, func() { b.Slice(-step, 1) }, "slice")
		panics(t, func() { b.Slice(n, 1) }, "slice")
		panics(t, func() { b.Slice(0, 0) }, "slice")
		panics(t, func() { v.Slice(step, step+1) }, "slice")
		if step > 1 {
			panics(t, func() { b.Slice(1, 1) }, "byte 4", "alignment")
		}
		panics(t, func() { v.Free() }, "view")
		panics(t, func() { b.Write(make([]uint32, n+1)) }, "write elements")
		panics(t, func() { b.ReadAt(n, make([]uint32, 1)) }, "read elements")
		panics(t, func() { b.ReadAt(-1, make([]uint32, 1)) }, "read elements")
	})
}

func TestFreed(t *testing.T) {
	d := device(t)
	b := buffer(t, d, "gone", []float32{1})
	r := d.NewRecording("uses gone")
	r.Fill(b, 0)
	run(t, r)
	b.Free()
	b.Free()
	gpu.Buffer[float32]{}.Free()
	panics(t, func() { b.Read(make([]float32, 1)) }, `"gone" was freed`)
	panics(t, func() { r.Run() }, `"gone" was freed`)
	panics(t, func() { d.NewRecording("r").Fill(b, 0) }, `"gone" was freed`)
	panics(t, func() { gpu.Buffer[float32]{}.Read(nil) }, "never allocated")
	r.Free()
	if err := r.Run(); err == nil || !strings.Contains(err.Error(), "freed") {
		t.Errorf("running a freed recording: %v", err)
	}
}

// TestSuballocation allocates and frees at random and checks that no buffer lies in another, that blocks are shared, and
// that all memory goes back.
func TestSuballocation(t *testing.T) {
	d, l := watched(t)
	r := rand.New(rand.NewPCG(3, 4))
	type held struct {
		b    gpu.Buffer[uint32]
		mark uint32
	}
	var all []held
	check := func(h held) {
		for i, w := range content(t, h.b) {
			if w != h.mark+uint32(i) {
				t.Fatalf("%s[%d] = %d, want %d: another buffer lies in it", h.b.Name(), i, w, h.mark+uint32(i))
			}
		}
	}
	most := uint64(0)
	for step := range 1500 {
		if len(all) > 0 && r.IntN(100) < 45 {
			k := r.IntN(len(all))
			check(all[k])
			all[k].b.Free()
			all = slices.Delete(all, k, k+1)
			continue
		}
		n := 1 + r.IntN(1<<r.IntN(16))
		if step%200 == 0 {
			n = gpu.BlockSize / 4 * 3 / 5 // more than half a block: a block of its own
		}
		mark := r.Uint32()
		data := make([]uint32, n)
		for i := range data {
			data[i] = mark + uint32(i)
		}
		b, err := gpu.NewBuffer[uint32](d, fmt.Sprint("b", step), n)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Write(data); err != nil {
			t.Fatal(err)
		}
		all = append(all, held{b, mark})
		most = max(most, d.Allocated())
	}
	if most == 0 || most > 20*gpu.BlockSize {
		t.Errorf("%d bytes were held at most", most)
	}
	for _, h := range all {
		check(h)
		h.b.Free()
	}
	if d.Allocated() != 0 {
		t.Errorf("%d bytes are held after everything was freed", d.Allocated())
	}
	for _, m := range l.list {
		t.Errorf("validation: %s", m)
	}
}

func TestOutOfMemory(t *testing.T) {
	d := another(t)
	heap := d.Info().Memory
	for _, n := range []int{int(d.Limits().MaxAllocation/4) + 1, 1 << 50, int(^uint(0) >> 2)} {
		b, err := gpu.NewBuffer[float32](d, "huge", n)
		if !errors.Is(err, gpu.ErrOutOfMemory) || !strings.Contains(err.Error(), `"huge", `) || b.Len() != 0 {
			t.Errorf("%d elements: %v", n, err)
		}
	}
	// Fill the heap up, untouched: software drivers give memory when it is used.
	if heap > 1<<40 || !d.Info().Software {
		t.Skip("filling a graphics card would disturb others")
	}
	var last error
	for used := uint64(0); used <= heap; used += d.Limits().MaxAllocation / 4 * 4 {
		var b gpu.Buffer[float32]
		if b, last = gpu.NewBuffer[float32](d, "part", int(d.Limits().MaxAllocation/4)); last != nil {
			break
		}
		defer b.Free()
	}
	if !errors.Is(last, gpu.ErrOutOfMemory) || !strings.Contains(last.Error(), fmt.Sprintf("heap of %d", heap)) || !strings.Contains(last.Error(), "in use by this device") {
		t.Fatalf("after filling the heap: %v", last)
	}
	t.Log(last)
}

// TestOrder: reading and writing from the host come after what was started, without a Wait in between.
func TestOrder(t *testing.T) {
	ways(t, func(t *testing.T, d *gpu.Device) {
		const n = 1 << 16
		x := buffer(t, d, "x", slices.Repeat([]uint32{1}, n))
		y := buffer(t, d, "y", make([]uint32, n))
		r := d.NewRecording("mix")
		r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(x), gpu.ReadWrite(y))
		if err := r.StartN(20); err != nil {
			t.Fatal(err)
		}
		panics(t, func() { r.Start() }, "is running")
		// y = (3²⁰ − 1)/2 after twenty times 3y + 1. Writing x during the run must not reach the run.
		if err := x.Write(make([]uint32, n)); err != nil {
			t.Fatal(err)
		}
		for i, v := range content(t, y) {
			if v != (3486784401-1)/2 {
				t.Fatalf("y[%d] = %d, want %d", i, v, (3486784401-1)/2)
			}
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		y.Free() // waits
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}
