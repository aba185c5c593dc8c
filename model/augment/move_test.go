package augment_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/go-gl/mathgl/mgl64"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
)

// A turned component takes, in units of 2⁻²⁴ and with axis components, sin θ and 1 − cos θ each rounded once: the diagonal
// element 6 on 1 − cos θ ≤ 2 and one more, the others 5 on ½·(1 − cos θ) ≤ 1, 3 on sin θ, and one more; and with the row's
// length 1, three roundings of at most |v| for products and sums: √(13² + 9² + 9²) + 3 = 21.2, and 23 with what is of second
// order.
const turnTolerance = 23 * 0x1p-24

// unmoved are windows of T = 1 and two triplets: an acceleration and a rate of turn.
func unmoved(rng *rand.Rand) []float32 {
	x := make([]float32, 6)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * 10)
	}
	return x
}

func vector(x []float32) mgl64.Vec3 { return mgl64.Vec3{float64(x[0]), float64(x[1]), float64(x[2])} }

// Each window turns as mathgl's matrix has it, both triplets alike; lengths, and the angle between acceleration and rate of turn,
// stay what they are.
func TestRotation(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 21))
	for _, degrees := range []float64{0.5, 30, 90, 180} {
		o := model.Options{Augment: model.Augment{MoveProb: 1, Rotate: degrees, Triplets: 2}, Seed: rng.Uint64()}
		window := input(1, 6, o)
		for n := range uint32(5000) {
			x := unmoved(rng)
			got, _ := window(x, true, n, 7)
			word := philox.Draw([4]uint32{0, n, 7, philox.Move}, philox.Key(o.Seed))[3]
			axis, angle := augment.Turn(word)
			turn := mgl64.HomogRotate3D(augment.Angle(angle, degrees), augment.Axis(axis)).Mat3()
			a, g, ta, tg := vector(x), vector(x[3:]), vector(got), vector(got[3:])
			for _, v := range [][2]mgl64.Vec3{{a, ta}, {g, tg}} {
				want := turn.Mul3x1(v[0])
				for i := range want {
					if e := math.Abs(v[1][i] - want[i]); e > turnTolerance*v[0].Len() {
						t.Fatalf("%v° window %d: %v turns to %v, want %v; %.1f times the tolerance", degrees, n, v[0], v[1], want, e/turnTolerance/v[0].Len())
					}
				}
				// Three components may err at once.
				if e := math.Abs(v[1].Len() - v[0].Len()); e > math.Sqrt(3)*turnTolerance*v[0].Len() {
					t.Fatalf("%v° window %d: length %v becomes %v", degrees, n, v[0].Len(), v[1].Len())
				}
			}
			if e := math.Abs(ta.Dot(tg) - a.Dot(g)); e > 2*math.Sqrt(3)*1.001*turnTolerance*a.Len()*g.Len() {
				t.Fatalf("%v° window %d: the inner product of both becomes %v from %v", degrees, n, ta.Dot(tg), a.Dot(g))
			}
		}
	}
}

// uniform compares sorted numbers with the uniform distribution on [0,1]: Kolmogorov and Smirnov's D·√n is above 1.95 with
// probability 0.001. The numbers are multiples of a step, which D may grow by.
func uniform(t *testing.T, what string, x []float64, step float64) {
	t.Helper()
	x = slices.Clone(x)
	sort.Float64s(x)
	n, worst := float64(len(x)), 0.0
	for i, v := range x {
		worst = math.Max(worst, math.Max(v-float64(i)/n, float64(i+1)/n-v))
	}
	if !(worst < 1.95/math.Sqrt(n)+step) {
		t.Errorf("%s: Kolmogorov–Smirnov statistic %.3f, above 1.95", what, (worst-step)*math.Sqrt(n))
	}
}

// correlated returns whether two samples' correlation is beyond 4 standard deviations of one of independent numbers.
func correlated(a, b []float64) bool {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		sa, sb, saa, sbb, sab = sa+a[i], sb+b[i], saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
	}
	n := float64(len(a))
	r := (sab - sa*sb/n) / math.Sqrt((saa-sa*sa/n)*(sbb-sb*sb/n))
	return !(math.Abs(r) < 4/math.Sqrt(n))
}

// What comes out is turned by an angle uniform in [0, Rotate] around an axis uniform on the sphere, enlarged by a factor uniform
// in 1 ± Magnitude, and shifted by a uniform number of steps, each independent of the others, of the next window and epoch.
func TestMoveDistributions(t *testing.T) {
	const T, n, degrees, magnitude, most = 7, 20000, 50, 0.2, 2
	o := model.Options{Augment: model.Augment{MoveProb: 1, Rotate: degrees, Triplets: 2, Magnitude: magnitude, Shift: 0.4}, Seed: 22}
	window := input(T, 6, o)
	x := slices.Repeat([]float32{1, 0, 0, 0, 1, 0}, T) // e₁ and e₂: they become the rotation's first two columns
	counts := make([]int, 2*most+1)
	draws := map[string][]float64{}
	for w := range uint32(n) {
		got, mask := window(x, true, w, 3)
		first := slices.Index(mask, true)
		last := T - 1
		for !mask[last] {
			last--
		}
		shift := first
		if last < T-1 {
			shift = last - (T - 1)
		}
		if first > 0 && last < T-1 || shift < -most || shift > most {
			t.Fatalf("window %d: steps %d to %d are left", w, first, last)
		}
		counts[shift+most]++
		c1, c2 := vector(got[6*first:]), vector(got[6*first+3:])
		factor := c1.Len()
		c1, c2 = c1.Mul(1/factor), c2.Mul(1/c2.Len())
		c3 := c1.Cross(c2)
		// cos θ = (trace − 1)/2; the antisymmetric part is 2·sin θ·axis.
		odd := mgl64.Vec3{c2[2] - c3[1], c3[0] - c1[2], c1[1] - c2[0]}
		angle, axis := math.Atan2(odd.Len(), c1[0]+c2[1]+c3[2]-1), odd.Normalize()
		for name, v := range map[string]float64{
			"angle": angle / mgl64.DegToRad(degrees), "factor": (factor - 1 + magnitude) / (2 * magnitude),
			"shift": float64(shift), "height of the axis": (axis[2] + 1) / 2, "longitude of the axis": math.Atan2(axis[1], axis[0])/(2*math.Pi) + 0.5,
			"first component of the axis": (axis[0] + 1) / 2,
		} {
			draws[name] = append(draws[name], v)
		}
	}
	uniform(t, "angle", draws["angle"], 1.0/augment.Angles)
	uniform(t, "factor", draws["factor"], 1e-6)
	for _, name := range []string{"height of the axis", "longitude of the axis", "first component of the axis"} {
		uniform(t, name, draws[name], 1.0/300) // what a cap's share of the lattice may err by
	}
	chi := 0.0
	for _, c := range counts {
		e := float64(n) / float64(len(counts))
		chi += (float64(c) - e) * (float64(c) - e) / e
	}
	if chi > 18.5 { // 4 degrees of freedom: probability 0.001
		t.Errorf("χ² of the shifts %v is %.1f", counts, chi)
	}
	for a, x := range draws {
		for b, y := range draws {
			if a < b && correlated(x, y) {
				t.Errorf("%s and %s go together", a, b)
			}
		}
		if correlated(x, append(slices.Clone(x[1:]), x[0])) {
			t.Errorf("%s and that of the next window go together", a)
		}
	}
	a, _ := window(x, true, 5, 3)
	if b, _ := window(x, true, 5, 4); slices.Equal(a, b) {
		t.Error("a window is moved alike in the next epoch")
	}
}

// Each of the rotations comes from as many words as any other.
func TestTurn(t *testing.T) {
	seen := make([]bool, augment.Axes*augment.Angles)
	for i := range uint32(len(seen)) { // the words' high bits
		axis, angle := augment.Turn(i<<12 | i&4095)
		seen[axis*augment.Angles+angle] = true
	}
	if i := slices.Index(seen, false); i >= 0 {
		t.Errorf("no word turns around axis %d by angle %d", i/augment.Angles, i%augment.Angles)
	}
}

// Any cap of the sphere holds its share of the axes to within 1/300 of all of them.
func TestAxes(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 23))
	var axes []mgl64.Vec3
	for i := range augment.Axes {
		axes = append(axes, augment.Axis(i))
		if l := axes[i].Len(); math.Abs(l-1) > 4e-15 {
			t.Fatalf("axis %d has length %v", i, l)
		}
	}
	worst := 0.0
	for range 2000 {
		centre := mgl64.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}.Normalize()
		height := 2*rng.Float64() - 1
		inside := 0
		for _, a := range axes {
			if a.Dot(centre) > height {
				inside++
			}
		}
		worst = math.Max(worst, math.Abs(float64(inside)/augment.Axes-(1-height)/2))
	}
	if worst > 1.0/300 {
		t.Errorf("a cap's share of the axes is off by %v", worst)
	}
}

func TestMoveGate(t *testing.T) {
	const n = 20000
	for _, prob := range []float64{0, 0.3, 1} {
		window := input(1, 1, model.Options{Augment: model.Augment{Prob: 0.5, MoveProb: prob, Magnitude: 0.5}, Seed: 24})
		moved := 0
		for w := range uint32(n) {
			if x, _ := window([]float32{1}, true, w, 2); x[0] != 1 { // a factor of exactly 1 has probability 2⁻²⁴
				moved++
			}
			if x, _ := window([]float32{1}, false, w, 2); x[0] != 1 {
				t.Fatal("a window is moved outside training")
			}
		}
		// Binomial: 4 standard deviations.
		if d := math.Abs(float64(moved) - n*prob); d > 4*math.Sqrt(n*prob*(1-prob)) {
			t.Errorf("prob %v: %d of %d windows moved", prob, moved, n)
		}
	}
}

// Cells keep their place beside each other, steps that nothing moves into are masked, and so are those that were.
func TestShift(t *testing.T) {
	const T = 8
	window := input(T, 2, model.Options{Augment: model.Augment{MoveProb: 1, Shift: 0.5}, Seed: 25,
		Scaling: model.Scaling{Offset: []float32{1, 1}, Factor: []float32{2, 2}}})
	x := make([]float32, 2*T)
	for step := range T {
		x[2*step], x[2*step+1] = float32(step+1), nan
	}
	x[2*3] = 0 // masked
	seen := map[int]bool{}
	for n := range uint32(300) {
		got, mask := window(x, true, n, 0)
		shift := slices.Index(mask, true)
		if mask[0] { // then it came early: step 0 holds step −shift, valid or masked
			shift = -int(got[0] / 2)
		} else if got[2*shift] == 8 { // step 0 came out masked since it holds step 3
			shift = -3
		}
		seen[shift] = true
		for step := range T {
			from, want := step-shift, float32(0)
			valid := from >= 0 && from < T && from != 3
			if valid {
				want = float32(from) * 2 // (from + 1 − 1)·2
			}
			if mask[step] != valid || got[2*step] != want || got[2*step+1] != 0 {
				t.Fatalf("window %d, shift %d: step %d is %v, mask %v; want %v, %v", n, shift, step, got[2*step:2*step+2], mask[step], want, valid)
			}
		}
	}
	for s := -4; s <= 4; s++ {
		if !seen[s] {
			t.Errorf("no shift by %d in 300 windows", s) // each has probability 1/9
		}
	}
}

// A triplet with a missing value is enlarged, but not turned; zeros stay zeros, in a masked step and beside a triplet that is not
// zero; features after the triplets do not turn.
func TestMoveEdges(t *testing.T) {
	window := input(4, 7, model.Options{Augment: model.Augment{MoveProb: 1, Magnitude: 0.5, Rotate: 180, Triplets: 2}, Seed: 26})
	x := []float32{
		1, 2, 3, 4, 5, 6, 7,
		1, nan, 3, 4, 5, 6, 7,
		0, 0, 0, 4, 5, 6, 0,
		0, 0, nan, 0, 0, 0, 0,
	}
	for n := range uint32(100) {
		got, mask := window(x, true, n, 0)
		m, _ := augment.DrawMove(model.Augment{MoveProb: 1, Magnitude: 0.5}, 4, philox.Key(26), n, 0)
		f := m.Factor
		if !slices.Equal(mask, []bool{true, true, true, false}) {
			t.Fatalf("mask %v", mask)
		}
		if !slices.Equal(got[7:10], []float32{f, 0, 3 * f}) || got[6] != 7*f || got[13] != 7*f {
			t.Fatalf("factor %v, step 1 is %v", f, got[7:14])
		}
		if !slices.Equal(got[14:17], []float32{0, 0, 0}) || !slices.Equal(got[21:], make([]float32, 7)) {
			t.Fatalf("zeros became %v and %v", got[14:17], got[21:])
		}
		if !slices.Equal(got[10:13], got[3:6]) || !slices.Equal(got[17:20], got[3:6]) || slices.Equal(got[3:6], []float32{4 * f, 5 * f, 6 * f}) {
			t.Fatalf("one vector in three steps became %v, %v, %v", got[3:6], got[10:13], got[17:20])
		}
	}
}

// Moving draws from a stream of its own: by nothing, it leaves every bit as it is, and without a probability it does nothing.
func TestMoveByNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 27))
	a := model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}
	still, never := a, a
	still.MoveProb, still.Triplets = 1, 2
	never.Shift, never.Magnitude, never.Rotate, never.Triplets = 0.3, 0.3, 90, 2
	plain := input(9, 6, model.Options{Augment: a, Seed: 27})
	for what, other := range map[string]model.Augment{"by nothing": still, "never": never} {
		window := input(9, 6, model.Options{Augment: other, Seed: 27})
		for n := range uint32(100) {
			x := raw(rng, 9, 6)
			want, wantMask := plain(x, true, n, 1)
			if got, mask := window(x, true, n, 1); !slices.Equal(got, want) || !slices.Equal(mask, wantMask) {
				t.Fatalf("window %d, moved %s, differs", n, what)
			}
		}
	}
}

// Augmented says that it has done something when a window is only moved, or only varied.
func TestVaried(t *testing.T) {
	for _, tc := range []struct {
		a    model.Augment
		want bool
	}{
		{model.Augment{}, false}, {model.Augment{Prob: 1}, true}, {model.Augment{MoveProb: 1, Magnitude: 0.1}, true},
		{model.Augment{Prob: 1, MoveProb: 1, Shift: 0.5}, true}, {model.Augment{Warp: 0.1, Rotate: 10, Triplets: 1}, false},
	} {
		t.Run(fmt.Sprintf("%+v", tc.a), func(t *testing.T) {
			o := model.Options{Augment: tc.a, Seed: 28}
			in := augment.NewInput(model.Chain{T: 3, F: 3, Masked: true}, o, augment.NewTables(3, o.Augment))
			x, raw := []float32{9, 9, 9, 9, 9, 9, 9, 9, 9}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 10}
			if got := in.Augmented(x, raw, 1, 2); got != tc.want || tc.a.Changes() != tc.want || slices.Equal(x, []float32{9, 9, 9, 9, 9, 9, 9, 9, 9}) == tc.want {
				t.Errorf("Varied returned %v with %v", got, x)
			}
		})
	}
}

// BenchmarkWindow prepares windows of the production shape, one after the other.
func BenchmarkWindow(b *testing.B) {
	move := model.Augment{MoveProb: 1, Shift: 0.1, Magnitude: 0.1, Rotate: 30, Triplets: 2}
	both := move
	both.Prob, both.Warp, both.Noise = 0.5, 0.1, 0.05
	for _, c := range []struct {
		name string
		a    model.Augment
	}{{"still", model.Augment{}}, {"moved", move}, {"varied", model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}}, {"moved and varied", both}} {
		b.Run("T=60/F=6/"+c.name, func(b *testing.B) {
			o := model.Options{Augment: c.a, Seed: 1}
			in := augment.NewInput(model.Chain{T: 60, F: 6, Masked: true}, o, augment.NewTables(60, c.a))
			x, mask, measured := make([]float32, 360), make([]bool, 60), raw(rand.New(rand.NewPCG(29, 29)), 60, 6)
			n := uint32(0)
			for b.Loop() {
				in.Window(x, mask, measured, true, n, 0)
				n++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "windows/s")
		})
	}
}
