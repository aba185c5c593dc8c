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

// matmulShapes are M, N, Inner, and the models side by side.
var matmulShapes = []struct {
	name                string
	M, N, Inner, Models int
}{
	{"one element", 1, 1, 1, 1},
	{"one column", 32, 1, 32, 3},
	{"one row", 1, 37, 5, 1},
	{"primes", 67, 41, 53, 3},
	{"a tile and one", 33, 33, 17, 2},
	{"exact tiles", 64, 96, 32, 1},
	{"input of 6 features", 193, 256, 6, 1},
	{"recurrent", 32, 256, 64, 3},
	{"recurrent, backwards", 32, 64, 256, 1},
	{"weight gradient", 6, 256, 480, 3},
	{"recurrent weight gradient", 64, 256, 1920, 1},
}

// product is a Matmul on the host: the buffers' contents and their exact result.
type product struct {
	k          kernel.Matmul
	a, b, bias []float32
	c          []float32 // before
	want, tol  []float64 // of all of C's buffer
}

// newProduct fills a Matmul's buffers, with gaps before and between the matrices, from value. The gaps of the factors and
// of bias are NaN, so that a product with one of them is seen; C's gaps must survive.
func newProduct(rng *rand.Rand, k kernel.Matmul, value func(n int) []float32) product {
	// lay lies matrices of size elements in a buffer: the first at an offset, with a gap between them.
	lay := func(size int) (offset, stride, total int) {
		offset, stride = 3*rng.IntN(5), size+1+rng.IntN(7)
		return offset, stride, offset + k.Models*stride // a gap behind the last one too
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
	run(t, d, k)
	return get(t, k.C)
}

// forMatmul runs f on each shape with each of the 16 kinds of product.
func forMatmul(t *testing.T, f func(t *testing.T, d *gpu.Device, k kernel.Matmul)) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, s := range matmulShapes {
			t.Run(s.name, func(t *testing.T) {
				for kind := range 16 {
					k := kernel.Matmul{M: s.M, N: s.N, Inner: s.Inner, Models: s.Models,
						TransposeA: kind&1 != 0, TransposeB: kind&2 != 0, Accumulate: kind&4 != 0, Bias: kind&8 != 0}
					few := s.M*s.N*s.Inner > 1e6 || d.Limits().MaxWorkgroupCount[0] == 3
					if few && kind != 0 && kind != 1 && kind != 6 && kind != 15 {
						continue // large shapes, and lowered limits, only in four kinds
					}
					t.Run(fmt.Sprintf("transposeA=%v,transposeB=%v,accumulate=%v,bias=%v", k.TransposeA, k.TransposeB, k.Accumulate, k.Bias),
						func(t *testing.T) { f(t, d, k) })
				}
			})
		}
	})
}

func TestMatmul(t *testing.T) {
	forMatmul(t, func(t *testing.T, d *gpu.Device, k kernel.Matmul) {
		rng := source(t)
		p := newProduct(rng, k, func(n int) []float32 { return randoms(rng, n, 1) })
		nearEach(t, "C", p.run(t, d), p.want, p.tol)
	})
}

// Small whole numbers have exact sums: every index is right, or the result is wrong.
func TestMatmulIntegers(t *testing.T) {
	forMatmul(t, func(t *testing.T, d *gpu.Device, k kernel.Matmul) {
		rng := source(t)
		p := newProduct(rng, k, func(n int) []float32 { return integers(rng, n, 9) })
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

func BenchmarkMatmul(b *testing.B) {
	for _, s := range []struct {
		name string
		k    kernel.Matmul
	}{
		{"input", kernel.Matmul{M: 60 * 32, N: 256, Inner: 6}},
		{"recurrent", kernel.Matmul{M: 32, N: 256, Inner: 64, Accumulate: true}},
		{"recurrent_backward", kernel.Matmul{M: 32, N: 64, Inner: 256, TransposeB: true, Accumulate: true}},
		{"recurrent_gradient", kernel.Matmul{M: 64, N: 256, Inner: 60 * 32, TransposeA: true}},
		{"square", kernel.Matmul{M: 256, N: 256, Inner: 256}},
	} {
		b.Run(fmt.Sprintf("%s/M=%d/N=%d/Inner=%d", s.name, s.k.M, s.k.N, s.k.Inner), func(b *testing.B) {
			d, k := gputest.Device(b), s.k
			k.Models = 1
			k.A, k.B = put(b, d, "A", make([]float32, k.M*k.Inner)), put(b, d, "B", make([]float32, k.Inner*k.N))
			k.C = put(b, d, "C", make([]float32, k.M*k.N))
			bench(b, d, 2*float64(k.M*k.N*k.Inner), 4*float64(k.M*k.Inner+k.Inner*k.N+k.M*k.N), k)
		})
	}
}
