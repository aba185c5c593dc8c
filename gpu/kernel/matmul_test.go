package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// matmulShape is a product: M, N, Inner, the models side by side, and whether the sum may be cut.
type matmulShape struct {
	name                string
	M, N, Inner, Models int
	split               bool
}

var matmulShapes = []matmulShape{
	{name: "one element", M: 1, N: 1, Inner: 1, Models: 1},
	{name: "one column", M: 32, N: 1, Inner: 32, Models: 3},
	{name: "one row", M: 1, N: 37, Inner: 5, Models: 1},
	{name: "primes", M: 67, N: 41, Inner: 53, Models: 3},
	{name: "a tile and one", M: 33, N: 33, Inner: 17, Models: 2},
	{name: "exact tiles", M: 64, N: 96, Inner: 32, Models: 1},
	{name: "input of 6 features", M: 193, N: 256, Inner: 6, Models: 1},
	{name: "recurrent", M: 32, N: 256, Inner: 64, Models: 3},
	{name: "recurrent, backwards", M: 32, N: 64, Inner: 256, Models: 1},
	{name: "weight gradient", M: 6, N: 256, Inner: 480, Models: 3},
	{name: "weight gradient in parts", M: 6, N: 256, Inner: 480, Models: 3, split: true},
	{name: "one less than two parts", M: 5, N: 7, Inner: 255, Models: 2, split: true},
	{name: "two parts", M: 5, N: 7, Inner: 256, Models: 2, split: true},
	{name: "a part and three", M: 31, N: 36, Inner: 387, Models: 2, split: true},
	{name: "one element in parts", M: 1, N: 1, Inner: 1921, Models: 1, split: true},
	{name: "recurrent weight gradient", M: 64, N: 256, Inner: 1920, Models: 1, split: true},
	{name: "68 by 132", M: 68, N: 132, Inner: 53, Models: 3},
	{name: "tiles of 64", M: 60, N: 61, Inner: 21, Models: 256},
	{name: "256 by 1024", M: 256, N: 1024, Inner: 44, Models: 2, split: true},
	{name: "tiles of 128", M: 252, N: 250, Inner: 20, Models: 32},
}

// product is a Matmul on the host: the buffers' contents and their exact result.
type product struct {
	k          kernel.Matmul
	split      bool
	a, b, bias []float32
	scale      []float32 // [Models][2]; with Half
	c          []float32 // before
	want, tol  []float64 // of all of C's buffer
}

// newProduct fills a Matmul's buffers, with gaps before and between the matrices, from value. The gaps of the factors and
// of bias are NaN, so that a product with one of them is seen; C's gaps must survive. The matrices start at multiples of 4
// elements, or at none. With Half, the device rounds as mode says.
func newProduct(rng *rand.Rand, k kernel.Matmul, fours bool, mode reference.HalfRounding, value func(n int) []float32) product {
	// lay lies matrices of size elements in a buffer: the first at an offset, with a gap between them.
	lay := func(size int) (offset, stride, total int) {
		offset, stride = 1+2*rng.IntN(5), size+1+rng.IntN(7)
		if fours {
			offset, stride = 4*rng.IntN(4), (size+3)/4*4+4*(1+rng.IntN(2))
		}
		return offset, stride, offset + k.Models*stride // a gap after the last one too
	}
	var na, nb, nc, nbias int
	k.OffsetA, k.StrideA, na = lay(k.M * k.Inner)
	k.OffsetB, k.StrideB, nb = lay(k.Inner * k.N)
	k.OffsetC, k.StrideC, nc = lay(k.M * k.N)
	k.OffsetBias, k.StrideBias, nbias = lay(k.N)
	p := product{k: k, a: value(na), b: value(nb), c: value(nc), bias: value(nbias)}
	blot := func(x []float32, offset, stride, size int) {
		for i := range x {
			if i < offset || (i-offset)%stride >= size {
				x[i] = float32(math.NaN())
			}
		}
	}
	blot(p.a, k.OffsetA, k.StrideA, k.M*k.Inner)
	blot(p.b, k.OffsetB, k.StrideB, k.Inner*k.N)
	blot(p.bias, k.OffsetBias, k.StrideBias, k.N)
	p.want, p.tol = wide(p.c), make([]float64, nc)
	for i := range p.tol {
		p.tol[i] = 1e-300 // what is not of the matrices must not change at all
	}
	for m := range k.Models {
		a := wide(p.a[k.OffsetA+m*k.StrideA:][:k.M*k.Inner])
		b := wide(p.b[k.OffsetB+m*k.StrideB:][:k.Inner*k.N])
		if k.Half {
			s := math.Ldexp(1, 5*m%9-3)
			p.scale = append(p.scale, float32(s), float32(1/s))
			for i := range a {
				a[i] = reference.RoundHalf(a[i], mode)
			}
			for i := range b {
				b[i] = reference.RoundHalf(b[i]*s, mode) / s
			}
		}
		sum := reference.MatMul(k.TransposeA, k.TransposeB, k.M, k.N, k.Inner, a, b)
		size := reference.MatMul(k.TransposeA, k.TransposeB, k.M, k.N, k.Inner, magnitudes(a), magnitudes(b))
		for i := range sum {
			at := k.OffsetC + m*k.StrideC + i
			if k.Bias {
				v := float64(p.bias[k.OffsetBias+m*k.StrideBias+i%k.N])
				sum[i], size[i] = sum[i]+v, size[i]+math.Abs(v)
			}
			if k.Accumulate {
				sum[i], size[i] = sum[i]+p.want[at], size[i]+math.Abs(p.want[at])
			}
			// Inner products and as many sums, then bias and C: (Inner + 2)·u·Σ|aᵢbᵢ|, and u for second order.
			p.want[at], p.tol[at] = sum[i], float64(k.Inner+3)*u*size[i]+tiny
		}
	}
	return p
}

func (p *product) run(t *testing.T, d *gpu.Device) []float32 {
	k := p.k
	k.A, k.B, k.C = put(t, d, "A", p.a), put(t, d, "B", p.b), put(t, d, "C", p.c)
	if k.Bias {
		k.BiasVector = put(t, d, "bias", p.bias)
	}
	if k.Half {
		k.Scale = put(t, d, "scale", p.scale)
	}
	if p.split {
		l := d.Limits()
		n := kernel.Partials(k.M, k.N, k.Inner, k.Models, l)
		if k.Half {
			n = max(n, kernel.HalfPartials(k.M, k.N, k.Inner, k.Models, l))
		}
		if n > 0 {
			k.Parts = blank[float32](t, d, "parts", n)
			defer get(t, k.Parts)
		}
	}
	run(t, d, k)
	return get(t, k.C)
}

// forMatmul runs f on products of each shape: of each of the 16 kinds, with lines that start at multiples of 4 elements and
// with others.
func forMatmul(t *testing.T, value func(rng *rand.Rand, n int) []float32, f func(t *testing.T, d *gpu.Device, p product)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, s := range matmulShapes {
			t.Run(s.name, func(t *testing.T) {
				for kind := range 32 {
					k := kernel.Matmul{M: s.M, N: s.N, Inner: s.Inner, Models: s.Models,
						TransposeA: kind&1 != 0, TransposeB: kind&2 != 0, Accumulate: kind&4 != 0, Bias: kind&8 != 0 && !s.split}
					few := s.Models*s.M*s.N*s.Inner > 1e6 || d.Limits().MaxWorkgroupCount[0] == 3
					if few && kind%16 != 0 && kind%16 != 1 && kind%16 != 6 && kind%16 != 15 {
						continue // large shapes, and lowered limits, only in four kinds
					}
					if s.Models >= 32 && kind%16 != 1 && kind%16 != 6 {
						continue // a driver compiles the larger tiles for seconds
					}
					fours := kind >= 16
					if fours && d.Limits().MaxWorkgroupCount[0] == 3 {
						continue
					}
					t.Run(fmt.Sprintf("transposeA=%v,transposeB=%v,accumulate=%v,bias=%v,fours=%v", k.TransposeA, k.TransposeB, k.Accumulate, k.Bias, fours),
						func(t *testing.T) {
							rng := source(t)
							p := newProduct(rng, k, fours, 0, func(n int) []float32 { return value(rng, n) })
							p.split = s.split
							f(t, d, p)
						})
				}
			})
		}
	})
}

func TestMatmul(t *testing.T) {
	forMatmul(t, func(rng *rand.Rand, n int) []float32 { return randoms(rng, n, 1) }, func(t *testing.T, d *gpu.Device, p product) {
		nearEach(t, "C", p.run(t, d), p.want, p.tol)
	})
}

// Small whole numbers have exact sums: every index is right, or the result is wrong.
func TestMatmulIntegers(t *testing.T) {
	forMatmul(t, func(rng *rand.Rand, n int) []float32 { return integers(rng, n, 9) }, func(t *testing.T, d *gpu.Device, p product) {
		want := make([]float32, len(p.want))
		for i, v := range p.want {
			want[i] = float32(v)
		}
		equal(t, "C", p.run(t, d), want)
	})
}

// A stride of 0 gives all models the same matrix.
func TestMatmulSharedMatrix(t *testing.T) {
	d, rng := gputest.Device(t), source(t)
	a, b := integers(rng, 3*4*5, 9), integers(rng, 5*6, 9)
	c := blank[float32](t, d, "C", 3*4*6)
	run(t, d, kernel.Matmul{A: put(t, d, "A", a), B: put(t, d, "B", b), C: c, M: 4, N: 6, Inner: 5, Models: 3, StrideA: 20, StrideC: 24})
	gputest.Near(t, "C", get(t, c), reference.MatMul(false, false, 12, 6, 5, wide(a), wide(b)), 0, 3, 4, 6)
}

// A buffer that is too small for its matrices is a caller's mistake.
func TestMatmulPanics(t *testing.T) {
	d := gputest.Device(t)
	fit := kernel.Matmul{A: put(t, d, "A", make([]float32, 12)), B: put(t, d, "B", make([]float32, 12)), C: put(t, d, "C", make([]float32, 9)),
		M: 3, N: 3, Inner: 4, Models: 1}
	for name, spoil := range map[string]func(*kernel.Matmul){
		"A":               func(k *kernel.Matmul) { k.OffsetA = guard + 1 },
		"B":               func(k *kernel.Matmul) { k.Models, k.StrideB = 3, 40 },
		"C":               func(k *kernel.Matmul) { k.M, k.Inner = 12, 1; k.N = 12 },
		"bias":            func(k *kernel.Matmul) { k.Bias, k.BiasVector, k.OffsetBias = true, k.A, guard+12 },
		"negative offset": func(k *kernel.Matmul) { k.OffsetA = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Record did not panic")
				}
			}()
			k := fit
			spoil(&k)
			rec := d.NewRecording("panics")
			defer rec.Free()
			k.Record(rec)
		})
	}
}

// The products of a training step at the shapes of B, T, F, H that DESIGN lists, and a square.
func BenchmarkMatmul(b *testing.B) {
	type named struct {
		name string
		k    kernel.Matmul
	}
	list := []named{{"square", kernel.Matmul{M: 256, N: 256, Inner: 256}}, {"square", kernel.Matmul{M: 512, N: 512, Inner: 512}}}
	for _, s := range [][4]int{{32, 60, 6, 64}, {64, 60, 51, 128}, {256, 128, 64, 256}, {256, 128, 64, 512}, {128, 256, 128, 1024}} {
		B, T, F, H := s[0], s[1], s[2], s[3]
		list = append(list,
			named{"input", kernel.Matmul{M: T * B, N: 4 * H, Inner: F}},
			named{"kernel_gradient", kernel.Matmul{M: F, N: 4 * H, Inner: T * B, TransposeA: true}},
			named{"recurrent_gradient", kernel.Matmul{M: H, N: 4 * H, Inner: T * B, TransposeA: true}})
	}
	for _, s := range list {
		b.Run(fmt.Sprintf("%s/M=%d/N=%d/Inner=%d", s.name, s.k.M, s.k.N, s.k.Inner), func(b *testing.B) {
			d, k := gputest.Device(b), s.k
			if d.Info().Software && k.M*k.N*k.Inner > 1<<31 {
				b.Skip("minutes on a software driver")
			}
			if most := max(k.M*k.Inner, k.Inner*k.N, k.M*k.N) + guard; uint64(4*most) > d.Limits().StorageRange {
				b.Skipf("%d bytes in one binding, the device allows %d", 4*most, d.Limits().StorageRange)
			}
			k.Models = 1
			k.A, k.B = put(b, d, "A", make([]float32, k.M*k.Inner)), put(b, d, "B", make([]float32, k.Inner*k.N))
			k.C = put(b, d, "C", make([]float32, k.M*k.N))
			if n := kernel.Partials(k.M, k.N, k.Inner, 1, d.Limits()); n > 0 && k.TransposeA {
				k.Parts = put(b, d, "parts", make([]float32, n))
			}
			bench(b, d, 2*float64(k.M*k.N*k.Inner), 4*float64(k.M*k.Inner+k.Inner*k.N+k.M*k.N), k)
		})
	}
}
