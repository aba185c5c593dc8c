package metrics

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"vklstm/model/npz"
)

// alike says whether two numbers are equal to 1e-12, or both undefined.
func alike(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12
}

// arrays reads arrays of a file that testdata/make.py wrote.
func arrays(t testing.TB, names ...string) [][]float64 {
	t.Helper()
	f, err := npz.Open(filepath.Join("testdata", "scores.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list [][]float64
	for _, name := range names {
		a, _, err := f.Float64(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// numbers converts numbers to another type.
func numbers[T int32 | float32](a []float64) []T {
	out := make([]T, len(a))
	for i, v := range a {
		out[i] = T(v)
	}
	return out
}

// fixture are the probabilities of testdata/scores.npz.
type fixture struct {
	y      []float32
	group  []int32
	series []Predicted
	fold   [][]int32 // [series][N]
	k      int       // folds
}

func readFixture(t testing.TB) fixture {
	a := arrays(t, "y", "group", "p", "fold")
	f := fixture{y: numbers[float32](a[0]), group: numbers[int32](a[1]), k: 4}
	n := len(f.y)
	for s := range len(a[2]) / n {
		f.series = append(f.series, predictedAt(numbers[float32](a[2][s*n:(s+1)*n])))
		f.fold = append(f.fold, numbers[int32](a[3][s*n:(s+1)*n]))
	}
	return f
}

// windows lists those of a fold.
func (f fixture) windows(series, fold int) []int32 {
	var list []int32
	for i, g := range f.fold[series] {
		if int(g) == fold {
			list = append(list, int32(i))
		}
	}
	return list
}

// predictedAt returns what the threshold 0.5 makes of probabilities.
func predictedAt(p []float32) Predicted {
	s := Predicted{Probability: p}
	for _, v := range p {
		s.Positive = append(s.Positive, v > 0.5)
	}
	return s
}

// TestScoresAgainstSklearn compares the scores of each fold and of all windows with those of sklearn.metrics, a fold
// without positive windows among them, and their mean and deviation with NumPy's.
func TestScoresAgainstSklearn(t *testing.T) {
	f := readFixture(t)
	a := arrays(t, "per_fold", "pooled", "mean", "sd")
	undefined := 0
	check := func(what string, got Scores, m Confusion, want []float64) {
		t.Helper()
		var all []float64
		for _, v := range got.Values() {
			all = append(all, float64(v))
		}
		all = append(all, float64(m.TN), float64(m.FP), float64(m.FN), float64(m.TP))
		for i := range all {
			if !alike(all[i], want[i]) {
				t.Errorf("%s: number %d is %v, want %v", what, i, all[i], want[i])
			}
		}
		if got.AUC != got.AUC {
			undefined++
		}
	}
	for i, s := range f.series {
		var list []Scores
		for fold := range f.k {
			got, m := Score(f.y, s, f.windows(i, fold))
			list = append(list, got)
			check("fold", got, m, a[0][(i*f.k+fold)*9:][:9])
		}
		got, m := Score(f.y, s, nil)
		check("all", got, m, a[1][i*9:][:9])
		mean, sd := MeanAndSD(list)
		for j := range 5 {
			if m, d := float64(mean.Values()[j]), float64(sd.Values()[j]); !alike(m, a[2][i*5+j]) || !alike(d, a[3][i*5+j]) {
				t.Errorf("series %d, score %d: %v ± %v, want %v ± %v", i, j, m, d, a[2][i*5+j], a[3][i*5+j])
			}
		}
	}
	if undefined == 0 {
		t.Error("no fold has one class only; the test needs one")
	}
}

// TestResampleAgainstSklearn compares the scores of resamples with those of the windows written out as often as drawn.
func TestResampleAgainstSklearn(t *testing.T) {
	f := readFixture(t)
	groups := int(slices.Max(f.group)) + 1
	a := arrays(t, "draws", "resampled")
	for n := range len(a[0]) / groups {
		weight := make([]int, groups)
		for _, g := range numbers[int32](a[0][n*groups:][:groups]) {
			weight[g]++
		}
		for i, s := range f.series {
			got := newResampler(f.y, s.Probability, s.Positive, f.group, groups).score(weight).Values()
			for j, want := range a[1][(n*len(f.series)+i)*9:][:5] {
				if !alike(float64(got[j]), want) {
					t.Errorf("resample %d, series %d, score %d: %v, want %v", n, i, j, got[j], want)
				}
			}
		}
	}
}

func TestPercentileAgainstNumPy(t *testing.T) {
	a := arrays(t, "x", "at", "percentile")
	slices.Sort(a[0])
	for i, q := range a[1] {
		if got := percentile(a[0], q); !alike(got, a[2][i]) {
			t.Errorf("percentile %v is %v, want %v", q, got, a[2][i])
		}
	}
	if !math.IsNaN(percentile(nil, 50)) {
		t.Error("a percentile of nothing")
	}
}

// TestBootstrapCovers draws data whose true recall is known, as groups that differ, and looks how often the interval
// over groups holds it. Of 95 % intervals over 25 groups that are a little too narrow (percentile intervals are, at so
// few), at least 85 % must: for 200 trials at 0.90, three deviations below. An interval over windows, which takes
// windows of one group for independent, holds it less often.
func TestBootstrapCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const trials, groups, size = 200, 25, 12
	random := rand.New(rand.NewPCG(3, 4))
	inside := map[bool]int{}
	for range trials {
		var y, p []float32
		var group []int32
		for g := range groups {
			share := random.Float64() // of this group's windows are found; 0.5 on average
			for i := range 2 * size {
				label, q := float32(i%2), float32(0.1)
				if i%2 == 1 && random.Float64() < share {
					q = 0.9
				}
				y, p, group = append(y, label), append(p, q), append(group, int32(g))
			}
		}
		list := []Predicted{predictedAt(p)}
		for _, over := range []bool{true, false} {
			unit := group
			if !over {
				unit = nil
			}
			if b := Bootstrap(y, unit, list, nil, 400); b.Low.Recall <= 0.5 && 0.5 <= b.High.Recall {
				inside[over]++
			}
		}
	}
	t.Logf("of %d intervals %d over groups and %d over windows hold the truth", trials, inside[true], inside[false])
	if inside[true] < 85*trials/100 || inside[false] > inside[true]-10 {
		t.Errorf("of %d intervals %d over groups and %d over windows hold the truth", trials, inside[true], inside[false])
	}
}

// BenchmarkBootstrap draws the resamples of a cross-validation of SisFall's size, with three series.
func BenchmarkBootstrap(b *testing.B) {
	const windows, groups, series = 16178, 38, 3
	random := rand.New(rand.NewPCG(7, 8))
	y, group := make([]float32, windows), make([]int32, windows)
	var list []Predicted
	for s := range series {
		p := make([]float32, windows)
		for i := range p {
			if s == 0 {
				y[i], group[i] = float32(random.IntN(3)/2), int32(i*groups/windows)
			}
			p[i] = random.Float32()
		}
		list = append(list, predictedAt(p))
	}
	for b.Loop() {
		Bootstrap(y, group, list, nil, Resamples)
	}
}

// TestUncertainty draws two recordings, one of which is detected and one missed in every window: both of one in a quarter of
// the draws each, so that 95 % of them reach from 0 to 1, however many windows there are.
func TestUncertainty(t *testing.T) {
	var y, p []float32
	var group []int32
	for i := range 200 {
		y, p, group = append(y, float32(i/100)), append(p, float32(i%2)), append(group, int32(i%2))
	}
	e := ScoreAt(y, p, 0.7)
	v := Uncertainty(e, group)
	if v.Low.Recall != 0 || v.High.Recall != 1 || v.Units != "groups" {
		t.Errorf("%+v", v)
	}
	// 100 positive windows drawn singly: recall's standard deviation is a root of .25/100, 3 of them wide at most with 95 %.
	if v := Uncertainty(e, nil); v.Low.Recall < .35 || v.High.Recall > .65 || v.Units != "windows" {
		t.Errorf("%+v", v)
	}
	if v := Uncertainty(ScoreAt(y, p, 0.9999), group); v.High.Recall != 1 {
		t.Errorf("at another threshold: %+v", v)
	}
	e.Threshold = 1
	if v := Uncertainty(e, group); v.High.Recall != 0 {
		t.Errorf("above every probability: %+v", v)
	}
}
