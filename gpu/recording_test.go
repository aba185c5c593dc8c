package gpu_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vklstm/gpu"
)

// TestFold: every index below the count comes exactly once, on a device that allows three workgroups in x.
func TestFold(t *testing.T) {
	for _, most := range []uint32{3, 65535} {
		d := another(t, gpu.WithLimits(func(l *gpu.Limits) { l.MaxWorkgroupCount[0] = most }))
		for _, tc := range []struct {
			size   gpu.Size
			x, y   uint32 // workgroup size
			n      int
			groups bool
		}{
			{gpu.Threads(1), 64, 1, 1, false},
			{gpu.Threads(64), 64, 1, 64, false},
			{gpu.Threads(65), 64, 1, 65, false},
			{gpu.Threads(64*3 + 1), 64, 1, 64*3 + 1, false},
			{gpu.Threads(1000), 4, 1, 1000, false},
			{gpu.Threads(1000), 8, 4, 1000, false},
			{gpu.Threads(0), 64, 1, 0, false},
			{gpu.Groups(1), 8, 2, 1, true},
			{gpu.Groups(3), 8, 1, 3, true},
			{gpu.Groups(4), 8, 1, 4, true},
			{gpu.Groups(100), 2, 1, 100, true},
			{gpu.Groups(0), 2, 1, 0, true},
		} {
			t.Run(fmt.Sprintf("limit=%d/%v/%dx%d", most, tc.size, tc.x, tc.y), func(t *testing.T) {
				const room = 2048
				threads := buffer(t, d, "threads", make([]uint32, room))
				groups := buffer(t, d, "groups", make([]uint32, room))
				r := d.NewRecording("count")
				r.DispatchWith([]uint32{tc.x, tc.y, 5}, "count", tc.size, gpu.Push(room, room), gpu.ReadWrite(threads, room), gpu.ReadWrite(groups, room))
				run(t, r)
				got := content(t, threads)
				if tc.groups {
					got = content(t, groups)
				}
				for i, v := range got {
					if want := uint32(5); i < tc.n && v != want || v != 0 && v != want {
						t.Fatalf("index %d came %d times", i, v/5)
					}
				}
				last := slices.Index(got, 0)
				if last < tc.n {
					t.Fatalf("index %d never came", last)
				}
				if tc.n == 0 && last != 0 {
					t.Fatalf("%d indices came, want none", last)
				}
			})
		}
	}
}

func TestFoldLimits(t *testing.T) {
	limit := [3]uint32{65535, 65535, 65535}
	for _, tc := range []struct {
		size    gpu.Size
		threads uint64
		limit   [3]uint32
		x, y    uint32
		err     string
	}{
		{gpu.Threads(65535 * 64), 64, limit, 65535, 1, ""},
		{gpu.Threads(65535*64 + 1), 64, limit, 32768, 2, ""},
		{gpu.Groups(65535), 64, limit, 65535, 1, ""},
		{gpu.Groups(65536), 64, limit, 32768, 2, ""},
		{gpu.Groups(1 << 30), 64, limit, 65533, 16385, ""},
		{gpu.Threads(math.MaxUint32), 64, limit, 0, 0, "exceed a 32-bit index"},
		{gpu.Threads(1<<32 - 64*1024), 64, limit, 65535, 1024, ""},
		{gpu.Groups(10), 1, [3]uint32{3, 3, 3}, 0, 0, "the device allows 3 × 3"},
	} {
		x, y, err := tc.size.Fold(tc.threads, tc.limit)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%v: error %v, want %q", tc.size, err, tc.err)
		} else if x != tc.x || y != tc.y {
			t.Errorf("%v: %d × %d, want %d × %d", tc.size, x, y, tc.x, tc.y)
		}
	}
	for _, n := range []int{-1, 1 << 32} {
		panics(t, func() { gpu.Threads(n) }, "Threads")
		panics(t, func() { gpu.Groups(n) }, "Groups")
	}
}

// TestBarriers counts the barriers that a sequence of accesses needs; every sequence also runs under synchronisation
// validation.
func TestBarriers(t *testing.T) {
	d := device(t)
	step := int(max(d.Limits().OffsetAlignment/4, 1))
	type bufs struct{ a, b, c gpu.Buffer[uint32] }
	mix := func(r *gpu.Recording, x, y gpu.Buffer[uint32]) {
		r.Dispatch("mix", gpu.Threads(step), gpu.Push(step), gpu.Read(x, step), gpu.ReadWrite(y, step))
	}
	for _, tc := range []struct {
		name     string
		barriers int
		record   func(r *gpu.Recording, v bufs)
	}{
		{"one dispatch", 0, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b) }},
		{"read twice", 0, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); mix(r, v.a, v.c) }},
		{"read after write", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); mix(r, v.b, v.c) }},
		{"write after read", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); mix(r, v.c, v.a) }},
		{"write after write", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); mix(r, v.c, v.b) }},
		{"a barrier serves all", 1, func(r *gpu.Recording, v bufs) {
			mix(r, v.a.Slice(0, step), v.b.Slice(0, step))
			mix(r, v.a.Slice(0, step), v.c.Slice(0, step))
			mix(r, v.b.Slice(0, step), v.a.Slice(step, step))
			mix(r, v.c.Slice(0, step), v.a.Slice(2*step, step))
		}},
		{"three in a row", 2, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); mix(r, v.b, v.c); mix(r, v.c, v.a) }},
		{"views apart", 0, func(r *gpu.Recording, v bufs) {
			mix(r, v.a.Slice(0, step), v.b.Slice(0, step))
			mix(r, v.b.Slice(step, step), v.b.Slice(2*step, step))
		}},
		{"views that overlap", 1, func(r *gpu.Recording, v bufs) {
			mix(r, v.a, v.b.Slice(0, 2*step))
			mix(r, v.b.Slice(step, step), v.c)
		}},
		{"whole and view", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b.Slice(3*step, step)); mix(r, v.b, v.c) }},
		{"fill, then read", 1, func(r *gpu.Recording, v bufs) { r.Fill(v.a, 1); mix(r, v.a, v.b) }},
		{"fills apart", 0, func(r *gpu.Recording, v bufs) { r.Fill(v.a, 1); r.Fill(v.b, 1) }},
		{"read, then fill", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); r.Fill(v.a, 1) }},
		{"copy of what was written", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); r.Copy(v.c, v.b) }},
		{"copy of what was read", 0, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); r.Copy(v.c, v.a) }},
		{"copy over what was read", 1, func(r *gpu.Recording, v bufs) { mix(r, v.a, v.b); r.Copy(v.a, v.c) }},
		{"write after copy from", 1, func(r *gpu.Recording, v bufs) { r.Copy(v.b, v.a); r.Fill(v.a, 0) }},
		{"nothing runs, nothing waits", 0, func(r *gpu.Recording, v bufs) {
			r.Dispatch("mix", gpu.Threads(0), gpu.Push(0), gpu.Read(v.a), gpu.ReadWrite(v.b))
			mix(r, v.b, v.c)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			device(t) // a validation message fails this subtest
			v := bufs{buffer(t, d, "a", make([]uint32, 4*step)), buffer(t, d, "b", make([]uint32, 4*step)), buffer(t, d, "c", make([]uint32, 4*step))}
			r := d.NewRecording(tc.name)
			defer r.Free()
			tc.record(r, v)
			if got := r.Stats().Barriers; got != tc.barriers {
				t.Errorf("%d barriers, want %d", got, tc.barriers)
			}
			run(t, r)
			if err := r.RunN(2); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRepeat: a recording that runs many times, one by one and in one submission, gives what the same loop in Go gives.
func TestRepeat(t *testing.T) {
	d := device(t)
	const n = 1000
	x, y := make([]uint32, n), make([]uint32, n)
	for i := range x {
		x[i], y[i] = uint32(i)*2654435761, uint32(i)
	}
	bx, by := buffer(t, d, "x", x), buffer(t, d, "y", y)
	r := d.NewRecording("mix")
	defer r.Free()
	r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(bx, n), gpu.ReadWrite(by, n))
	r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(by, n), gpu.ReadWrite(bx, n))
	times := 0
	for _, k := range []int{1, 3, 10} {
		if err := r.RunN(k); err != nil {
			t.Fatal(err)
		}
		times += k
		if d.Limits().TimestampPeriod > 0 && r.DeviceTime() <= 0 {
			t.Errorf("device time %v", r.DeviceTime())
		}
	}
	for range times {
		for i := range x {
			y[i] = 3*y[i] + x[i]
			x[i] = 3*x[i] + y[i]
		}
	}
	if !slices.Equal(content(t, bx), x) || !slices.Equal(content(t, by), y) {
		t.Error("results differ from the loop in Go")
	}
	panics(t, func() { r.RunN(0) }, "0 times")
	panics(t, func() { r.Fill(bx, 0) }, "was ended")
}

// TestRunAll: several recordings in one submission run in the order and as often as they are listed, like the same loop in Go;
// buffers of all of them are waited for.
func TestRunAll(t *testing.T) {
	d := device(t)
	const n = 1000
	x, y := make([]uint32, n), make([]uint32, n)
	for i := range x {
		x[i], y[i] = uint32(i)*2654435761, uint32(i)
	}
	bx, by := buffer(t, d, "x", x), buffer(t, d, "y", y)
	one, two := d.NewRecording("one"), d.NewRecording("two")
	defer one.Free()
	defer two.Free()
	one.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(bx, n), gpu.ReadWrite(by, n))
	two.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(by, n), gpu.ReadWrite(bx, n))
	parts := []gpu.Times{{Recording: one, N: 2}, {Recording: two, N: 1}, {Recording: one, N: 1}, {Recording: two, N: 3}}
	before := d.Submitted()
	took, err := gpu.RunAll(parts...)
	if err != nil {
		t.Fatal(err)
	}
	if d.Limits().TimestampPeriod > 0 && took <= 0 {
		t.Errorf("device time %v", took)
	}
	did := d.Submitted().Minus(before)
	if did.Submissions != 1 || did.Dispatches != 7 || did.Kernels["mix"].Dispatches != 7 {
		t.Errorf("%+v was counted; want 1 submission, 7 dispatches", did)
	}
	for _, p := range parts {
		from, to := x, y
		if p.Recording == two {
			from, to = y, x
		}
		for range p.N {
			for i := range to {
				to[i] = 3*to[i] + from[i]
			}
		}
	}
	if !slices.Equal(content(t, bx), x) || !slices.Equal(content(t, by), y) {
		t.Error("results differ from the loop in Go")
	}
	if took, err := gpu.RunAll(); took != 0 || err != nil {
		t.Errorf("nothing took %v, %v", took, err)
	}
	panics(t, func() { gpu.RunAll(gpu.Times{Recording: one, N: 1}, gpu.Times{Recording: two, N: 0}) }, "0 times")
}

// TestDeviceTime: the time of n repetitions grows with n, and lies below what the host sees.
func TestDeviceTime(t *testing.T) {
	d := device(t)
	if d.Limits().TimestampPeriod == 0 {
		t.Skip("the device has no timestamps")
	}
	const n = 1 << 18
	x, y := buffer(t, d, "x", make([]uint32, n)), buffer(t, d, "y", make([]uint32, n))
	r := d.NewRecording("time")
	defer r.Free()
	for range 8 {
		r.Dispatch("mix", gpu.Threads(n), gpu.Push(n), gpu.Read(x, n), gpu.ReadWrite(y, n))
	}
	if r.DeviceTime() != 0 {
		t.Errorf("%v before the first run", r.DeviceTime())
	}
	run(t, r)              // compiles, on software drivers
	once := r.DeviceTime() // the least of a few: other programs may take the processor away
	for range 8 {
		run(t, r)
		once = min(once, r.DeviceTime())
	}
	if err := r.RunN(32); err != nil {
		t.Fatal(err)
	}
	if many := r.DeviceTime(); once <= 0 || many < 4*once {
		t.Errorf("once %v, 32 times %v", once, many)
	}
}

func TestConstantsAndSharedMemory(t *testing.T) {
	d := device(t)
	const N = 21
	x := make([][4]float32, N*N)
	for i := range x {
		x[i] = [4]float32{float32(i), 1, 2, float32(-i)}
	}
	bx := buffer(t, d, "x", x)
	for _, side := range []uint32{1, 2, 3, 8} {
		by := buffer(t, d, "y", make([][4]float32, N*N))
		tiles := (N + int(side) - 1) / int(side)
		r := d.NewRecording("tile")
		r.DispatchWith([]uint32{side}, "tile", gpu.Groups(tiles*tiles), gpu.Push(N), gpu.Read(bx, N, N), gpu.Write(by, N, N))
		run(t, r)
		got := content(t, by)
		for i := range got {
			if want := x[i%N*N+i/N]; got[i] != want {
				t.Fatalf("side %d: y[%d][%d] = %v, want %v", side, i/N, i%N, got[i], want)
			}
		}
		r.Free()
	}
}

// TestTooLargeKernels: what a device cannot run is an error of End that says which limit, not a crash in the driver.
func TestTooLargeKernels(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lower  func(*gpu.Limits)
		record func(r *gpu.Recording, y gpu.Buffer[uint32])
		words  string
	}{
		{"invocations", func(l *gpu.Limits) { l.MaxInvocations = 128 }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.DispatchWith([]uint32{16, 9, 1}, "count", gpu.Threads(1), gpu.Push(1, 1), gpu.ReadWrite(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "workgroups of 16 × 9 × 1 threads; the device allows 128"},
		{"invocations in x", func(l *gpu.Limits) { l.MaxWorkgroupSizeX = 32 }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.DispatchWith([]uint32{33, 1, 1}, "count", gpu.Threads(1), gpu.Push(1, 1), gpu.ReadWrite(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "32 in x"},
		{"no thread", func(l *gpu.Limits) {}, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.DispatchWith([]uint32{0, 1, 1}, "count", gpu.Groups(1), gpu.Push(1, 1), gpu.ReadWrite(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "workgroups of 0"},
		{"shared memory", func(l *gpu.Limits) { l.SharedMemory = 1055 }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.DispatchWith([]uint32{8}, "tile", gpu.Groups(1), gpu.Push(1), gpu.Read(y.Slice(0, 64)), gpu.Write(y.Slice(64, 64)))
		}, "1056 bytes of shared memory; the device has 1055"}, // 8·8·16 + 8·4
		{"buffers", func(l *gpu.Limits) { l.StorageBuffers = 1 }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.Dispatch("mix", gpu.Threads(1), gpu.Push(1), gpu.Read(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "2 buffers; the device allows 1"},
		{"push constants", func(l *gpu.Limits) { l.PushConstants = 4 }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.DispatchWith([]uint32{1, 1}, "count", gpu.Threads(1), gpu.Push(1, 1), gpu.ReadWrite(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "8 bytes of push constants; the device allows 4"},
		{"workgroups", func(l *gpu.Limits) { l.MaxWorkgroupCount = [3]uint32{2, 2, 2} }, func(r *gpu.Recording, y gpu.Buffer[uint32]) {
			r.Dispatch("mix", gpu.Groups(5), gpu.Push(1), gpu.Read(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		}, "5 workgroups are needed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := another(t, gpu.WithLimits(tc.lower))
			y := buffer(t, d, "y", make([]uint32, 128))
			r := d.NewRecording("r")
			tc.record(r, y)
			r.Fill(y, 1)
			for _, err := range []error{r.End(), r.Run()} {
				if err == nil || !strings.Contains(err.Error(), tc.words) || !strings.HasPrefix(err.Error(), "gpu: dispatch ") {
					t.Errorf("error %v; want %q", err, tc.words)
				}
			}
		})
	}
}

// TestWrongCalls: each way in which a call may differ from its shader panics and names the place.
func TestWrongCalls(t *testing.T) {
	d := device(t)
	f := buffer(t, d, "f", make([]float32, 128))
	g := buffer(t, d, "g", make([]float32, 128))
	u := buffer(t, d, "u", make([]uint32, 128))
	big := another(t, gpu.WithLimits(func(l *gpu.Limits) { l.StorageRange = 500 }))
	bf := buffer(t, big, "bf", make([]float32, 128))
	r := d.NewRecording("wrong")
	defer r.Free()
	n4, push := gpu.Threads(4), gpu.Push(4, float32(1))
	panics(t, func() { r.Dispatch("nonsense", n4, push) }, `no kernel "nonsense"`)
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f)) }, "scale with 1 buffers; the shader has 2")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.Write(g), gpu.Read(u)) }, "scale with 3 buffers")
	panics(t, func() { r.Dispatch("scale", n4, gpu.Push(4), gpu.Read(f), gpu.Write(g)) }, "4 bytes of push constants; the shader has 8")
	panics(t, func() { r.DispatchWith([]uint32{1}, "scale", n4, push, gpu.Read(f), gpu.Write(g)) }, "specialisation constants", "id 0")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Write(f), gpu.Write(g)) }, "argument 0 (x): Write of f, but the shader says readonly")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.ReadWrite(f), gpu.Write(g)) }, "ReadWrite of f, but the shader says readonly")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.Read(g)) }, "argument 1 (y): Read of g, but the shader does not say readonly")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.ReadWrite(g)) }, "ReadWrite of g, but the shader says writeonly")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f, 129), gpu.Write(g)) }, "argument 0 (x): f: shape [129] needs 129 elements, the buffer has 128")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.Write(g, 43, 3)) }, "shape [43 3] needs 129")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f, -1), gpu.Write(g)) }, "shape [-1]")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f, math.MaxInt, 3, 3), gpu.Write(g)) }, "overflows")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(gpu.Buffer[float32]{}), gpu.Write(g)) }, "argument 0", "never allocated")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.Write(f)) }, "arguments 0 (Read f) and 1 (Write f) overlap")
	panics(t, func() { r.Dispatch("scale", n4, push, gpu.Read(f), gpu.Write(bf)) }, "another device")
	panics(t, func() {
		big.NewRecording("r").Dispatch("scale", n4, push, gpu.Read(bf), gpu.Write(bf))
	}, "512 bytes are bound, the device allows 500")
	panics(t, func() { r.Copy(f, g.Slice(0, 64)) }, "256 bytes to 512 bytes")
	panics(t, func() { r.Copy(f.Slice(0, 64), f.Slice(0, 64)) }, "overlap")
	panics(t, func() { r.Fill(bf, 0) }, "another device")
	panics(t, func() { gpu.Push(1.5) }, "float64")
	panics(t, func() { gpu.Push("x") }, "string")
	panics(t, func() { gpu.Push(1 << 32) }, "does not fit")
	panics(t, func() { gpu.Push(math.MinInt32 - 1) }, "does not fit")
	gpu.Push(math.MaxUint32, math.MinInt32, uint32(1), int32(-1), float32(2))
	// The same shapes are fine.
	r.Dispatch("scale", n4, push, gpu.Read(f, 128), gpu.Write(g, 2, 4, 16))
	r.Dispatch("scale", n4, push, gpu.Read(f.Slice(0, 64)), gpu.Write(f.Slice(64, 64)))
	r.Dispatch("scale", n4, push, gpu.Read(f, 0), gpu.Write(g, 0, 5))
	run(t, r)
}

// TestManyBuffers binds more buffers than Vulkan promises, where the device can.
func TestManyBuffers(t *testing.T) {
	d := device(t)
	if d.Limits().StorageBuffers < 10 {
		t.Skipf("the device allows %d buffers", d.Limits().StorageBuffers)
	}
	const n = 100
	args := make([]gpu.Arg, 10)
	for k := range 9 {
		args[k] = gpu.Read(buffer(t, d, fmt.Sprint("in", k), slices.Repeat([]uint32{1 << (2 * k)}, n)), n)
	}
	y := buffer(t, d, "y", make([]uint32, n))
	args[9] = gpu.Write(y, n)
	r := d.NewRecording("many")
	defer r.Free()
	r.Dispatch("many", gpu.Threads(n), gpu.Push(n), args...)
	run(t, r)
	for i, v := range content(t, y) {
		if v != 0x15555 {
			t.Fatalf("y[%d] = %#x", i, v)
		}
	}
}

// TestLong records more dispatches with more sets of buffers than one descriptor pool holds.
func TestLong(t *testing.T) {
	d := device(t)
	step := int(max(d.Limits().OffsetAlignment/4, 1))
	const k = 2500
	x := buffer(t, d, "x", slices.Repeat([]uint32{1}, step))
	y := buffer(t, d, "y", make([]uint32, k*step))
	r := d.NewRecording("long")
	defer r.Free()
	for i := range k {
		r.Dispatch("mix", gpu.Threads(1), gpu.Push(1), gpu.Read(x, 1), gpu.ReadWrite(y.Slice(i*step, step), 1))
	}
	if s := r.Stats(); s.Dispatches != k || s.Barriers != 0 {
		t.Errorf("%+v", s)
	}
	run(t, r)
	got := content(t, y)
	for i := range k {
		if got[i*step] != 1 {
			t.Fatalf("dispatch %d of %d did not reach its buffer", i, k)
		}
	}
}
