package kernel_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
	"vklstm/shaders/words"
)

// u is the unit roundoff of float32. Vulkan rounds +, − and · correctly (u of the result), a division to 2.5 ulp (5u),
// exp(x) to 3 + 2|x| ulp (6 + 4|x| units of u).
const u = 0x1p-24

// tiny is what denormal results, which a device may flush to 0, can cost in a few operations.
const tiny = 1e-32

// recorder is a kernel's binding.
type recorder interface{ Record(*gpu.Recording) }

// small is the test device, with the least that Vulkan guarantees and dispatches of at most 3 workgroups in x.
var small struct {
	once sync.Once
	d    *gpu.Device
	err  error
	mu   sync.Mutex
	said []string
}

func openSmall() {
	name, err := gputest.Name()
	if err != nil {
		small.err = err
		return
	}
	lower := gpu.WithLimits(func(l *gpu.Limits) {
		l.MaxWorkgroupCount = [3]uint32{3, 65535, 1}
		l.MaxInvocations, l.MaxWorkgroupSizeX, l.SharedMemory, l.PushConstants = 128, 128, 16384, 128
	})
	small.d, small.err = gpu.Open(name, lower, gpu.WithCacheDir(""), gpu.WithValidation(func(msg string) {
		small.mu.Lock()
		defer small.mu.Unlock()
		small.said = append(small.said, msg)
	}))
	if errors.Is(small.err, gpu.ErrNoLayer) {
		small.d, small.err = gpu.Open(name, lower, gpu.WithCacheDir(""))
	}
}

// devices runs f on the test device, and on the same device with its limits lowered.
func devices(t *testing.T, f func(t *testing.T, d *gpu.Device)) {
	full := gputest.Device(t)
	t.Run("device", func(t *testing.T) { f(t, full) })
	t.Run("lowered limits", func(t *testing.T) {
		small.once.Do(openSmall)
		if small.err != nil {
			t.Fatal(small.err)
		}
		small.mu.Lock()
		before := len(small.said)
		small.mu.Unlock()
		defer func() {
			small.mu.Lock()
			defer small.mu.Unlock()
			for _, m := range small.said[before:] {
				t.Errorf("validation: %s", m)
			}
		}()
		f(t, small.d)
	})
}

// guard is how many words after a buffer's content must stay what they are: a kernel that writes past its shape is seen.
const guard = 64

// canary is what they hold.
func canary[T float32 | uint32]() (c T) {
	switch p := any(&c).(type) {
	case *float32:
		*p = -12345
	case *uint32:
		*p = 0xDEADBEEF
	}
	return c
}

// put makes a buffer with this content, and the guard after it.
func put[T float32 | uint32](tb testing.TB, d *gpu.Device, name string, data []T) gpu.Buffer[T] {
	tb.Helper()
	all := append([]T(nil), data...)
	for range guard {
		all = append(all, canary[T]())
	}
	b, err := gpu.NewBuffer[T](d, name, len(all))
	if err == nil {
		tb.Cleanup(b.Free)
		err = b.Write(all)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// blank makes a buffer of n elements that hold the canary: what a kernel must overwrite.
func blank[T float32 | uint32](tb testing.TB, d *gpu.Device, name string, n int) gpu.Buffer[T] {
	tb.Helper()
	data := make([]T, n)
	for i := range data {
		data[i] = canary[T]()
	}
	return put(tb, d, name, data)
}

// get reads what put or blank made, and fails the test when the guard was written to.
func get[T float32 | uint32](tb testing.TB, b gpu.Buffer[T]) []T {
	tb.Helper()
	all := make([]T, b.Len())
	if err := b.Read(all); err != nil {
		tb.Fatal(err)
	}
	n := len(all) - guard
	for i, v := range all[n:] {
		if v != canary[T]() {
			tb.Errorf("%s: element %d, after its end, was overwritten with %v", b.Name(), n+i, v)
			break
		}
	}
	return all[:n]
}

// run records the kernels in order and runs them once.
func run(tb testing.TB, d *gpu.Device, kernels ...recorder) {
	tb.Helper()
	rec := d.NewRecording(tb.Name())
	defer rec.Free()
	for _, k := range kernels {
		k.Record(rec)
	}
	if err := rec.Run(); err != nil {
		tb.Fatal(err)
	}
}

// source is the random generator of a test, by its name: equal in every run.
func source(tb testing.TB) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, c := range []byte(tb.Name()) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(h, 1))
}

// randoms are n values, uniform in ±scale.
func randoms(rng *rand.Rand, n int, scale float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32((2*rng.Float64() - 1) * scale)
	}
	return out
}

// integers are n whole numbers in ±limit, as float32.
func integers(rng *rand.Rand, n, limit int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.IntN(2*limit+1) - limit)
	}
	return out
}

func wide(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

func bits(a []float32) []uint32 {
	out := make([]uint32, len(a))
	for i, v := range a {
		out[i] = math.Float32bits(v)
	}
	return out
}

// nearEach is gputest.Near with a tolerance for each element: it compares the errors in units of theirs.
func nearEach(tb testing.TB, name string, got []float32, want, tol []float64, shape ...int) {
	tb.Helper()
	if len(got) != len(want) || len(want) != len(tol) {
		tb.Fatalf("%s: %d elements, %d wanted, %d tolerances", name, len(got), len(want), len(tol))
	}
	worst, at := -1.0, 0
	for i, g := range got {
		e := math.Abs(float64(g)-want[i]) / tol[i]
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		if e > worst {
			worst, at = e, i
		}
	}
	if worst > 1 {
		tb.Errorf("%s: worst at %s: got %v, want %v, error %.3g × tolerance %.3g", name, index(at, shape), got[at], want[at], worst, tol[at])
	}
}

// equal fails unless got is want, bit for bit.
func equal[T float32 | uint32](tb testing.TB, name string, got, want []T, shape ...int) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	word := func(v T) uint32 {
		switch v := any(v).(type) {
		case float32:
			return math.Float32bits(v)
		case uint32:
			return v
		}
		panic("unreachable")
	}
	bad, first := 0, 0
	for i := range got {
		if word(got[i]) != word(want[i]) {
			if bad == 0 {
				first = i
			}
			bad++
		}
	}
	if bad > 0 {
		tb.Errorf("%s: %d of %d elements differ, first at %s: got %v (%#08x), want %v (%#08x)", name, bad, len(got), index(first, shape),
			got[first], word(got[first]), want[first], word(want[first]))
	}
}

// index writes a flat index by a shape.
func index(i int, shape []int) string {
	s := ""
	for k := len(shape) - 1; k >= 0; k-- {
		s = fmt.Sprintf("[%d]", i%shape[k]) + s
		i /= shape[k]
	}
	if s == "" {
		s = fmt.Sprintf("[%d]", i)
	}
	return s
}

// optionsOf lays out options[32] of a model.
func optionsOf(o model.Options, rate float64, epoch uint32) []uint32 {
	w := make([]uint32, words.Options)
	key := philox.Key(o.Seed)
	w[words.KeyLow], w[words.KeyHigh], w[words.Epoch] = key[0], key[1], epoch
	w[words.VaryBelow], w[words.DropBelow] = philox.Below(o.Augment.Prob), philox.Below(o.Augment.Drop)
	w[words.DropoutBelow], w[words.MoveBelow] = philox.Below(rate), philox.Below(o.Augment.MoveProb)
	w[words.Turning] = uint32(augment.Turning(o.Augment))
	if o.Loss.Kind == model.BinaryFocal || o.Loss.Kind == model.CategoricalFocal {
		w[words.LossKind] = words.LossFocal
	}
	for i, x := range map[int]float64{
		words.Warp: o.Augment.Warp, words.Noise: o.Augment.Noise, words.Shift: o.Augment.Shift, words.Magnitude: o.Augment.Magnitude,
		words.DropoutScale: 1 / (1 - rate), words.FocalAlpha: o.Loss.Alpha, words.FocalGamma: o.Loss.Gamma, words.LabelSmoothing: o.Loss.LabelSmoothing,
		words.OneMinusBeta1: 1 - o.Optimizer.Beta1, words.OneMinusBeta2: 1 - o.Optimizer.Beta2, words.Epsilon: o.Optimizer.Epsilon,
		words.Clipnorm: o.Optimizer.ClipNorm, words.GlobalClipnorm: o.Optimizer.GlobalClipNorm, words.TwiceL2: 2 * o.Optimizer.L2,
	} {
		w[i] = math.Float32bits(float32(x))
	}
	return w
}

// bench runs the kernels and reports wall and device time and the rates that go with the counts of one run.
func bench(b *testing.B, d *gpu.Device, flop, bytes float64, kernels ...recorder) {
	b.Helper()
	rec := d.NewRecording(b.Name())
	defer rec.Free()
	for _, k := range kernels {
		k.Record(rec)
	}
	if err := rec.Run(); err != nil { // compiles
		b.Fatal(err)
	}
	device := 0.0
	for b.Loop() {
		if err := rec.Run(); err != nil {
			b.Fatal(err)
		}
		device += float64(rec.DeviceTime().Nanoseconds())
	}
	ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	if device > 0 { // the device has timestamps
		ns = device / float64(b.N)
		b.ReportMetric(ns, "gpu-ns/op")
	}
	if flop > 0 {
		b.ReportMetric(flop/ns, "GFLOP/s")
	}
	b.ReportMetric(bytes/ns, "GB/s")
}
