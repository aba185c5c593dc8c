package kernel_test

import (
	"embed"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model/philox"
	"vklstm/model/reference"
	"vklstm/shaders"
	"vklstm/shaders/glsl"
)

//go:generate go run ../../shaders/internal/compile -I ../../shaders/include testdata

//go:embed testdata/spv/*.spv
var testShaders embed.FS

// testShader makes a shader of testdata known under its file name, which no kernel has.
func testShader(tb testing.TB, name string) string {
	tb.Helper()
	code, err := testShaders.ReadFile("testdata/spv/" + name + ".spv")
	if err != nil {
		tb.Fatal(err)
	}
	shaders.Replace("test_"+name, code)
	return "test_" + name
}

func TestStale(t *testing.T) {
	wrong, err := glsl.Stale("testdata", []string{"../../shaders/include"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Errorf("%s; run go generate ./gpu/kernel", w)
	}
}

// The words of philox.glsl are those that Random123 publishes (kat_vectors, philox4x32-10), and those of package philox.
func TestPhilox(t *testing.T) {
	counters := []uint32{
		0, 0, 0, 0,
		0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
		0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344,
	}
	keys := []uint32{0, 0, 0xffffffff, 0xffffffff, 0xa4093822, 0x299f31d0}
	want := []uint32{
		0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8,
		0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
		0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
	}
	rng := source(t)
	for range 1000 {
		c, k := [4]uint32{rng.Uint32(), rng.Uint32(), rng.Uint32(), rng.Uint32()}, [2]uint32{rng.Uint32(), rng.Uint32()}
		w := philox.Draw(c, k)
		counters, keys, want = append(counters, c[:]...), append(keys, k[:]...), append(want, w[:]...)
	}
	d, n := gputest.Device(t), len(want)/4
	words := blank[uint32](t, d, "words", 4*n)
	rec := d.NewRecording("philox")
	defer rec.Free()
	rec.Dispatch(testShader(t, "philox"), gpu.Threads(n), gpu.Push(n), gpu.Read(put(t, d, "counter", counters), n, 4),
		gpu.Read(put(t, d, "key", keys), n, 2), gpu.Write(words, n, 4))
	if err := rec.Run(); err != nil {
		t.Fatal(err)
	}
	equal(t, "words[n][4]", get(t, words), want, n, 4)
}

// Errors in units of u, for e = exp(−|z|), which errs by 6 + 4|z|, and for tanh by 6 + 8|z|:
//
//	sigmoid   (e's error)/(1+e or 1+1/e), a sum, a division     ≤ 12 + 4|z|
//	softplus  log1p(e) passes e's error on at most whole; e/(2+e) 6, series and products 4 ≤ 18 + 4|z|
//	tanh      e's error times 2e/(1−e²), at most 0.86 at |z| = 1/2 and falling; 7 for two sums and a division ≤ 16;
//	          below 1/2 a polynomial of which the first term is exact ≤ 4
//
// all relative, so small values have as many good digits as large ones.
func TestActivations(t *testing.T) {
	z := []float32{0, float32(math.Copysign(0, -1)), 0.5, -0.5, math.Nextafter32(0.5, 0), 1e-10, -1e-10, 3e-20, 20, -20, 80, -80, 87, -87, 200, -200, 3e38, -3e38}
	rng := source(t)
	for range 4000 {
		s := float32(1)
		if rng.IntN(2) == 0 {
			s = -1
		}
		z = append(z, s*float32(math.Exp(rng.Float64()*16-11.5))) // 1e-5 … 90
	}
	d, n := gputest.Device(t), len(z)
	var out [3]gpu.Buffer[float32]
	args := []gpu.Arg{gpu.Read(put(t, d, "z", z), n)}
	for i := range out {
		out[i] = blank[float32](t, d, "out", n)
		args = append(args, gpu.Write(out[i], n))
	}
	rec := d.NewRecording("activations")
	defer rec.Free()
	rec.Dispatch(testShader(t, "activations"), gpu.Threads(n), gpu.Push(n), args...)
	if err := rec.Run(); err != nil {
		t.Fatal(err)
	}
	for i, f := range []struct {
		name  string
		exact func(float64) float64
		tol   func(a float64) float64
	}{
		{"sigmoid", reference.Sigmoid, func(a float64) float64 { return 12 + 4*a }},
		{"tanh", math.Tanh, func(a float64) float64 {
			if a < 0.5 {
				return 4
			}
			return 16
		}},
		{"softplus", reference.Softplus, func(a float64) float64 { return 18 + 4*a }},
	} {
		want, tol := make([]float64, n), make([]float64, n)
		for j, v := range wide(z) {
			want[j] = f.exact(v)
			tol[j] = f.tol(math.Abs(v))*u*math.Abs(want[j]) + 0x1p-125
		}
		got := get(t, out[i])
		nearEach(t, f.name, got, want, tol)
	}
}
