package augment_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
	"vklstm/model/reference"
)

var nan = float32(math.NaN())

// input returns windows prepared by package augment.
func input(t, f int, o model.Options) func(raw []float32, train bool, window, epoch uint32) ([]float32, []bool) {
	in := augment.NewInput(model.Chain{T: t, F: f, Masked: true}, o, augment.NewTables(t, o.Augment))
	return func(raw []float32, train bool, window, epoch uint32) ([]float32, []bool) {
		x, mask := make([]float32, t*f), make([]bool, t)
		in.Window(x, mask, raw, train, window, epoch)
		return x, mask
	}
}

// raw draws a window with missing cells, steps of zeros, and steps of nothing but zeros and missing cells.
func raw(rng *rand.Rand, t, f int) []float32 {
	x := make([]float32, t*f)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		if rng.IntN(6) == 0 {
			x[i] = nan
		}
	}
	for step := range t {
		for feature := range f {
			switch rng.IntN(8) {
			case 0:
				x[step*f+feature] = 0
			case 1:
				if step%4 == 1 {
					x[step*f+feature] = nan
				}
			}
		}
		if step%5 == 2 {
			for feature := range f {
				x[step*f+feature] = []float32{0, nan, float32(math.Copysign(0, -1))}[rng.IntN(3)]
			}
		}
	}
	return x
}

func wide(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

// Scaling takes two roundings. A resampled value is a + (b − a)·share, twice over. A share is a quotient of small
// integers from two or three products, so it errs by 4 units of 2⁻²⁴ absolutely, and with it, and with four more
// roundings of numbers up to 2·max|x|, each pass by 12·max|x|; the second inherits the first's. Noise adds three
// roundings. 40 units of max|x| hold all that.
const inputTolerance = 40 * 0x1p-24

func TestAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, shape := range [][2]int{{1, 1}, {2, 3}, {3, 1}, {7, 5}, {60, 6}, {30, 51}} {
		T, F := shape[0], shape[1]
		for _, a := range []model.Augment{{}, {Prob: 1, Warp: 0.1}, {Prob: 1, Warp: 0.9}, {Prob: 1, Noise: 0.2}, {Prob: 1, Drop: 0.4},
			{Prob: 0.5, Warp: 0.15, Noise: 0.07, Drop: 0.1}, {MoveProb: 1, Shift: 0.4}, {MoveProb: 1, Magnitude: 0.9},
			{MoveProb: 1, Rotate: 180}, {Prob: 0.7, Warp: 0.2, Noise: 0.1, Drop: 0.1, MoveProb: 0.7, Shift: 0.3, Magnitude: 0.3, Rotate: 60}} {
			if a.Triplets = F / 3; F < 3 {
				a.Rotate = 0
			}
			for _, scaled := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d×%d/%+v/scaled=%v", T, F, a, scaled), func(t *testing.T) {
					o := model.Options{Augment: a, Seed: rng.Uint64()}
					for range F {
						if scaled {
							o.Scaling.Offset = append(o.Scaling.Offset, float32(rng.NormFloat64()))
							o.Scaling.Factor = append(o.Scaling.Factor, float32(0.2+rng.Float64()))
							o.Scaling.Low = append(o.Scaling.Low, -1)
							o.Scaling.High = append(o.Scaling.High, 1.5)
						}
					}
					window := input(T, F, o)
					for n := range uint32(20) {
						x := raw(rng, T, F)
						for _, train := range []bool{false, true} {
							got, gotMask := window(x, train, n, n/3)
							want, wantMask := reference.Window(o, F, wide(x), train, n, n/3)
							largest, tol := 1.0, inputTolerance
							if a.MoveProb > 0 {
								// Before, 4 units for the factor and its product, and 23 for a turned component (turnTolerance), of
								// values that grow by √3·(1 + Magnitude), times a scale of up to 1.2.
								largest, tol = math.Sqrt(3)*(1+a.Magnitude), tol+1.2*27*0x1p-24
							}
							grown := largest
							for _, v := range x {
								if v == v {
									largest = max(largest, 3*grown*math.Abs(float64(v)))
								}
							}
							for i := range want {
								if e := math.Abs(float64(got[i]) - want[i]); !(e <= tol*largest) {
									t.Fatalf("window %d, train %v: x[%d][%d] = %v, want %v; %.1f times the tolerance",
										n, train, i/F, i%F, got[i], want[i], e/tol/largest)
								}
							}
							if !slices.Equal(gotMask, wantMask) {
								t.Fatalf("window %d, train %v: mask %v, want %v", n, train, gotMask, wantMask)
							}
						}
					}
				})
			}
		}
	}
}

// A straight line, and a constant, stay what they are under any warp, missing cells or not.
func TestWarpKeepsLines(t *testing.T) {
	const T = 60
	o := model.Options{Augment: model.Augment{Prob: 1, Warp: 0.5}, Seed: 3}
	window := input(T, 2, o)
	line := make([]float32, T*2)
	for step := range T {
		line[step*2], line[step*2+1] = float32(step)+1, 5
		if step > 0 && step < T-1 && step%7 == 3 {
			line[step*2] = nan
		}
	}
	for n := range uint32(50) {
		x, _ := window(line, true, n, 0)
		for i, v := range x {
			want := float64(line[i])
			if want != want {
				want = 0
			}
			if math.Abs(float64(v)-want) > inputTolerance*T {
				t.Fatalf("window %d: x[%d][%d] = %v, want %v", n, i/2, i%2, v, want)
			}
		}
	}
}

// A warp must smooth: what varies from step to step is no longer met by fewer points. Without this, a warp that does
// nothing would keep every line.
func TestWarpMoves(t *testing.T) {
	const T = 60
	window := input(T, 1, model.Options{Augment: model.Augment{Prob: 1, Warp: 0.1}, Seed: 3})
	zigzag := make([]float32, T)
	for step := range zigzag {
		zigzag[step] = 1 + float32(step%2)
	}
	moved := 0
	for n := range uint32(200) {
		if x, _ := window(zigzag, true, n, 0); !slices.Equal(x, zigzag) {
			moved++
		}
	}
	// m = T, which changes nothing, has probability 1/12.
	if moved < 160 || moved == 200 {
		t.Errorf("%d of 200 windows warped; about 183 were expected", moved)
	}
}

// The time factor must be uniform in 1 ± warp: the numbers of points, ⌊T·w⌋, against equal shares, by χ².
func TestWarpFactors(t *testing.T) {
	const T, n = 100, 20000
	counts := map[int]int{}
	for w := range uint32(n) {
		word := philox.Draw([4]uint32{0, w, 9, philox.Augment}, philox.Key(77))[1]
		counts[reference.Points(0.1, T, word)]++
	}
	chi := 0.0
	for m := 90; m < 110; m++ {
		e := float64(n) / 20
		chi += (float64(counts[m]) - e) * (float64(counts[m]) - e) / e
		delete(counts, m)
	}
	// 19 degrees of freedom: 43.8 is passed with probability 0.001.
	if len(counts) > 0 || chi > 43.8 {
		t.Errorf("χ² %.1f, points out of range %v", chi, counts)
	}
}

// The largest windows: products of two positions must not overflow.
func TestLongWarp(t *testing.T) {
	T := augment.MaxTimesteps
	window := input(T, 1, model.Options{Augment: model.Augment{Prob: 1, Warp: 0.9}, Seed: 4})
	line := make([]float32, T)
	for step := range line {
		line[step] = float32(step) + 1
	}
	for n := range uint32(4) {
		x, _ := window(line, true, n, 0)
		for i, v := range x {
			// A share of 1/30000 of a step is all there is to be rounded; the values are integers up to 30000.
			if math.Abs(float64(v)-float64(line[i])) > inputTolerance*float64(T) {
				t.Fatalf("window %d: x[%d] = %v, want %v", n, i, v, line[i])
			}
		}
	}
}

func TestGate(t *testing.T) {
	const n = 20000
	ones := []float32{1, 1}
	for _, prob := range []float64{0, 0.3, 0.5, 1} {
		window := input(2, 1, model.Options{Augment: model.Augment{Prob: prob, Noise: 0.1}, Seed: 5})
		varied := 0
		for w := range uint32(n) {
			if x, _ := window(ones, true, w, 2); x[0] != 1 || x[1] != 1 {
				varied++
			}
			if x, _ := window(ones, false, w, 2); x[0] != 1 || x[1] != 1 {
				t.Fatal("a window is varied outside training")
			}
		}
		// Binomial: 4 standard deviations.
		if d := math.Abs(float64(varied) - n*prob); d > 4*math.Sqrt(n*prob*(1-prob)) {
			t.Errorf("prob %v: %d of %d windows varied", prob, varied, n)
		}
	}
}

// noise returns many draws of noise, in the order cell, window, epoch.
func noise(t *testing.T, sigma float64, windows, epochs int) []float64 {
	const T, F = 20, 3
	window := input(T, F, model.Options{Augment: model.Augment{Prob: 1, Noise: sigma}, Seed: 6})
	flat := slices.Repeat([]float32{1}, T*F)
	var out []float64
	for e := range uint32(epochs) {
		for w := range uint32(windows) {
			x, _ := window(flat, true, w, e)
			for _, v := range x {
				out = append(out, float64(v)-1)
			}
		}
	}
	return out
}

func TestNoiseIsNormal(t *testing.T) {
	const sigma = 0.5
	z := noise(t, sigma, 500, 2)
	n := float64(len(z))
	var mean, square, neighbour, nextWindow, nextEpoch float64
	for i, v := range z {
		mean += v / n
		square += v * v / n
		neighbour += v * z[(i+1)%len(z)] / n
		nextWindow += v * z[(i+60)%len(z)] / n
		nextEpoch += v * z[(i+len(z)/2)%len(z)] / n
	}
	sd := math.Sqrt(square - mean*mean)
	// 4 standard deviations of a mean, of a standard deviation, and of a correlation of n normal numbers. The quantile
	// table ends at 4.3, and its 65,536 steps lower the variance by less than 1e-4 of itself. (Epochs pair up twice.)
	if math.Abs(mean) > 4*sigma/math.Sqrt(n) || math.Abs(sd/sigma-1) > 4/math.Sqrt(2*n) {
		t.Errorf("mean %v, standard deviation %v, want 0, %v", mean, sd, sigma)
	}
	for what, c := range map[string]float64{"cell": neighbour, "window": nextWindow} {
		if math.Abs(c)/(sigma*sigma) > 4/math.Sqrt(n) {
			t.Errorf("correlation with the next %s: %v", what, c/(sigma*sigma))
		}
	}
	if math.Abs(nextEpoch)/(sigma*sigma) > 4*math.Sqrt2/math.Sqrt(n) {
		t.Errorf("correlation with the next epoch: %v", nextEpoch/(sigma*sigma))
	}
	// Kolmogorov and Smirnov: D·√n above 1.95 has probability 0.001.
	sort.Float64s(z)
	worst := 0.0
	for i, v := range z {
		p := 0.5 * math.Erfc(-v/sigma/math.Sqrt2)
		worst = math.Max(worst, math.Max(p-float64(i)/n, float64(i+1)/n-p))
	}
	if d := worst * math.Sqrt(n); d > 1.95 {
		t.Errorf("Kolmogorov–Smirnov statistic %v, above 1.95", d)
	}
}

func TestNoiseKeepsBounds(t *testing.T) {
	o := model.Options{Augment: model.Augment{Prob: 1, Noise: 1}, Seed: 7,
		Scaling: model.Scaling{Low: []float32{0, -0.5}, High: []float32{1, 0.25}}}
	window := input(2, 2, o)
	var low, high [2]float32
	met := 0
	for n := range uint32(500) {
		x, _ := window([]float32{0.5, 0.1, nan, 0.1}, true, n, 0)
		for i, v := range []float32{x[0], x[1]} {
			low[i], high[i] = min(low[i], v), max(high[i], v)
		}
		if x[0] == 0 || x[0] == 1 {
			met++
		}
		if x[2] != 0 {
			t.Fatalf("noise makes %v of a missing cell", x[2])
		}
	}
	if low != [2]float32{0, -0.5} || high != [2]float32{1, 0.25} || met < 200 {
		t.Errorf("values from %v to %v, %d of 500 on a bound", low, high, met)
	}
	// Values that are not varied are not bounded: the bounds are noise's.
	if x, _ := window([]float32{3, 3, 3, 3}, false, 0, 0); x[0] != 3 {
		t.Errorf("outside training a value of 3 becomes %v", x[0])
	}
}

func TestFeatureDrop(t *testing.T) {
	const T, F, n, drop = 10, 2, 2000, 0.1
	window := input(T, F, model.Options{Augment: model.Augment{Prob: 1, Drop: drop}, Seed: 8})
	lost, masked := 0, 0
	for w := range uint32(n) {
		x, mask := window(slices.Repeat([]float32{1}, T*F), true, w, 1)
		for step := range T {
			gone := 0
			for _, v := range x[step*F : (step+1)*F] {
				if v == 0 {
					gone++
				}
			}
			lost += gone
			if !mask[step] {
				masked++
			}
			if mask[step] != (gone < F) {
				t.Fatalf("step with %d of %d cells lost has mask %v", gone, F, mask[step])
			}
		}
	}
	within := func(what string, got int, n, p float64) {
		if math.Abs(float64(got)-n*p) > 4*math.Sqrt(n*p*(1-p)) {
			t.Errorf("%d %s of %v; %v were expected", got, what, n, n*p)
		}
	}
	within("cells lost", lost, T*F*n, drop)
	within("steps masked", masked, T*n, drop*drop) // cells go independently
	window = input(T, F, model.Options{Augment: model.Augment{Prob: 1, Drop: 1}, Seed: 8})
	x, mask := window(slices.Repeat([]float32{1}, T*F), true, 0, 0)
	if slices.Contains(mask, true) || !slices.Equal(x, make([]float32, T*F)) {
		t.Errorf("all cells dropped: x %v, mask %v", x, mask)
	}
}

// A step is masked by its measured values: scaling must not wake it, augmentation neither.
func TestMaskedStaysMasked(t *testing.T) {
	o := model.Options{Augment: model.Augment{Prob: 1, Warp: 0.2, Noise: 0.5}, Seed: 9,
		Scaling: model.Scaling{Offset: []float32{3, 4}, Factor: []float32{2, 2}}}
	window := input(4, 2, o)
	x := []float32{1, 2, 0, 0, 0, nan, 3, 0}
	for n := range uint32(50) {
		got, mask := window(x, n > 0, n, 0)
		if !slices.Equal(mask, []bool{true, false, false, true}) {
			t.Fatalf("mask %v", mask)
		}
		for i, v := range got[2:6] {
			if v != 0 || math.Signbit(float64(v)) {
				t.Fatalf("a masked cell holds %v at %d", v, i)
			}
		}
		if n == 0 && !slices.Equal(got, []float32{-4, -4, 0, 0, 0, 0, 0, -8}) {
			t.Fatalf("scaled to %v", got) // a zero in a valid step is a value, and is scaled
		}
	}
	// A valid value that scaling takes to 0 stays valid.
	if _, mask := window([]float32{3, 4, 3, 4, 3, 4, 3, 4}, false, 0, 0); slices.Contains(mask, false) {
		t.Errorf("mask %v of values equal to the offset", mask)
	}
}

// A window's variation depends on its number and the epoch alone: not on what was prepared before.
func TestOrderIndependence(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	o := model.Options{Augment: model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}, Seed: 10}
	window := input(9, 3, o)
	var raws, first [][]float32
	for n := range 40 {
		raws = append(raws, raw(rng, 9, 3))
		x, _ := window(raws[n], true, uint32(n), 4)
		first = append(first, x)
	}
	other := input(9, 3, o)
	for _, n := range rng.Perm(40) {
		if x, _ := other(raws[n], true, uint32(n), 4); !slices.Equal(x, first[n]) {
			t.Fatalf("window %d differs in another order", n)
		}
	}
	changed := 0
	for n := range 40 {
		if x, _ := window(raws[n], true, uint32(n), 5); !slices.Equal(x, first[n]) {
			changed++
		}
	}
	if changed < 25 {
		t.Errorf("only %d of 40 windows are varied otherwise in the next epoch", changed)
	}
	o.Seed++
	if x, _ := input(9, 3, o)(raws[1], true, 1, 4); slices.Equal(x, first[1]) {
		t.Error("another seed varies alike")
	}
}

func TestTables(t *testing.T) {
	tab := augment.NewTables(60, model.Augment{Warp: 0.1})
	if len(tab.Reciprocal) < 66 || tab.Reciprocal[0] != 0 || tab.Reciprocal[3] != float32(1.0/3) {
		t.Errorf("%d reciprocals, of 3 is %v", len(tab.Reciprocal), tab.Reciprocal[3])
	}
	for i, q := range tab.Quantile {
		p := 0.5 * math.Erfc(-float64(q)/math.Sqrt2)
		// Rounding q moves p by its density times 2⁻²⁴·q, at most 0.24·2⁻²⁴.
		if want := 0.5 + (float64(i)+0.5)/(2*augment.Quantiles); math.Abs(p-want) > 0.3*0x1p-24 {
			t.Fatalf("quantile %d is %v, of probability %v; want %v", i, q, p, want)
		}
	}
}
