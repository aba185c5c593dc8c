package crossval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
)

// golden reads arrays of a file that testdata/make.py wrote.
func golden(t testing.TB, file string, names ...string) [][]float64 {
	t.Helper()
	f, err := npz.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var arrays [][]float64
	for _, name := range names {
		a, _, err := f.Float64(name)
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, a)
	}
	return arrays
}

func whole(a []float64) []int32 {
	out := make([]int32, len(a))
	for i, v := range a {
		out[i] = int32(v)
	}
	return out
}

func single(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}

// TestFoldsAgainstSklearn compares the folds of 150 random structures with scikit-learn's, in order and shuffled; and of 150 of 3 to 12
// classes.
func TestFoldsAgainstSklearn(t *testing.T) {
	for _, file := range []string{"folds.npz", "folds_classes.npz"} {
		t.Run(file, func(t *testing.T) { foldsAgainstSklearn(t, file) })
	}
}

func foldsAgainstSklearn(t *testing.T, file string) {
	a := golden(t, file, "k", "seed", "size", "y", "group", "by_group", "by_group_shuffled", "by_window", "by_window_shuffled")
	at := 0
	for i, size := range whole(a[2]) {
		part := func(n int) []float64 { return a[n][at : at+int(size)] }
		y, group := single(part(3)), whole(part(4))
		k, seed := int(a[0][i]), uint32(a[1][i])
		for n, folds := range map[int]func() (Folds, error){
			5: func() (Folds, error) { return StratifiedGroupKFold(y, group, k, nil) },
			6: func() (Folds, error) { return StratifiedGroupKFold(y, group, k, &seed) },
			7: func() (Folds, error) { return StratifiedKFold(y, k, nil) },
			8: func() (Folds, error) { return StratifiedKFold(y, k, &seed) },
		} {
			f, err := folds()
			if err != nil {
				t.Fatalf("structure %d: %v", i, err)
			}
			if want := whole(part(n)); f.K != k || !slices.Equal(f.Of, want) {
				t.Errorf("structure %d, array %d: folds %v, want %v", i, n, f.Of, want)
			}
		}
		at += int(size)
	}
}

// TestFoldsOfDataSets compares the folds of real data sets with scikit-learn's.
func TestFoldsOfDataSets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "sets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sets []struct {
		File     string
		YKey     string `json:"y_key"`
		GroupKey string `json:"group_key"`
		K        int
		Seed     *uint32
		Groups   []string
		Folds    []int32
		Windows  []int
	}
	if err := json.Unmarshal(text, &sets); err != nil {
		t.Fatal(err)
	}
	var d *data.Dataset
	var names []string
	var group []int32
	for _, s := range sets {
		if len(s.Groups) > 0 {
			if d, err = data.LoadNPZ(traintest.Shared(t, "data", s.File), data.Keys{Y: s.YKey, Group: s.GroupKey}); err != nil {
				t.Fatal(err)
			}
			if names, group = d.Groups(); !slices.Equal(names, s.Groups) {
				t.Errorf("%s, %s: groups %v, want %v", s.File, s.GroupKey, names, s.Groups)
			}
		}
		f, err := Stratified.Make(d, s.K, s.Seed)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range group {
			if f.Of[i] != s.Folds[g] {
				t.Fatalf("%s, %s, k = %d, seed %v: %s is in fold %d, want %d", s.File, s.GroupKey, s.K, s.Seed, names[g], f.Of[i], s.Folds[g])
			}
		}
		if f, err = Windows.Make(d, s.K, s.Seed); err != nil {
			t.Fatal(err)
		}
		got := make([]int, s.K+1)
		for i, fold := range f.Of {
			got[0] += int(fold) * (i + 1) % 1000003
			got[fold+1]++
		}
		if !slices.Equal(got, s.Windows) {
			t.Errorf("%s, k = %d, seed %v: windows %v, want %v", s.File, s.K, s.Seed, got, s.Windows)
		}
	}
}

// TestByRank has the folds that the peers' figures are of.
func TestByRank(t *testing.T) {
	f, err := ByRank([]int32{3, 0, 1, 2, 2, 4}, 3)
	if want := []int32{0, 0, 1, 2, 2, 1}; err != nil || !slices.Equal(f.Of, want) {
		t.Errorf("%v, %v; want %v", f.Of, err, want)
	}
}

// lettered returns a data set of one window for each letter, of the letter's group; capitals are positive.
func lettered(s string) *data.Dataset {
	d := &data.Dataset{Path: "paper.npz", N: len(s), T: 1, F: 1, X: make([]float32, len(s)), GroupKey: "group"}
	for _, c := range s {
		y := float32(0)
		if c < 'a' {
			y = 1
		}
		d.Y, d.Group = append(d.Y, y), append(d.Group, strings.ToLower(string(c)))
	}
	return d
}

// TestParts looks at every fold's parts: each window is in one of them, each group too, and the validation part holds
// both classes where it can.
func TestParts(t *testing.T) {
	d := lettered("aAbbBcCcdDdeEefFfgGhhHiiIjJkKkllL")
	for _, rule := range Rules {
		for _, shuffle := range []*uint32{nil, new(uint32)} {
			if rule == Rank && shuffle != nil {
				continue
			}
			f, err := rule.Make(d, 4, shuffle)
			if err != nil {
				t.Fatal(err)
			}
			for fold := range 4 {
				for _, validation := range []bool{true, false} {
					p, err := rule.Parts(d, f, fold, validation, shuffle)
					if err != nil {
						t.Fatal(err)
					}
					part, partOf := map[int32]int{}, map[string]int{}
					for i, list := range [][]int32{p.Train, p.Val, p.Test} {
						for _, w := range list {
							part[w] = i
							if j, ok := partOf[d.Group[w]]; ok && j != i && rule != Windows {
								t.Errorf("%s, fold %d: group %s is in two parts", rule, fold, d.Group[w])
							}
							partOf[d.Group[w]] = i
						}
					}
					if n := len(p.Train) + len(p.Val) + len(p.Test); n != d.N || len(part) != d.N {
						t.Errorf("%s, fold %d: %d windows, %d different ones, of %d", rule, fold, n, len(part), d.N)
					}
					if validation == (len(p.Val) == 0) {
						t.Errorf("%s, fold %d: %d validation windows", rule, fold, len(p.Val))
					}
					if pos := d.Positives(p.Val); validation && (pos == 0 || pos == len(p.Val)) {
						t.Errorf("%s, fold %d: %d of %d validation windows are positive", rule, fold, pos, len(p.Val))
					}
				}
			}
		}
	}
}

// TestValidationHoldsBothClasses takes the first inner fold with both classes, where there is one.
func TestValidationHoldsBothClasses(t *testing.T) {
	of := []int32{0, 0, 1, 1, 2, 2}
	for _, tc := range []struct {
		y    []float32
		want int
	}{
		{[]float32{0, 0, 0, 1, 1, 0}, 1}, {[]float32{1, 0, 0, 1, 1, 0}, 0}, {[]float32{1, 1, 0, 0, 0, 1}, 2}, {[]float32{1, 1, 0, 0, 0, 0}, 0},
	} {
		if got := (Folds{K: 3, Of: of}).firstWhole(tc.y); got != tc.want {
			t.Errorf("labels %v: fold %d, want %d", tc.y, got, tc.want)
		}
	}
	// The large group fills the first inner fold; the one with positive windows goes to another.
	d := lettered("aaaaaaaaaaaaaaaabbbbccccddddeeeegGGhH")
	f := Folds{K: 2, Of: make([]int32, d.N)}
	for i, g := range d.Group {
		if g == "h" {
			f.Of[i] = 1
		}
	}
	p, err := Stratified.Parts(d, f, 1, true, nil)
	if pos := d.Positives(p.Val); err != nil || pos == 0 || pos == len(p.Val) {
		t.Errorf("%d of %d validation windows are positive (%v)", pos, len(p.Val), err)
	}
}

// TestRankValidates has the validation part of the peers' figures: of the sorted other groups, every fifth from the third.
func TestRankValidates(t *testing.T) {
	d := lettered("AbCdEfGhIjKlMn")
	f, err := Rank.Make(d, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Rank.Parts(d, f, 1, true, nil)
	// Without b, g and l there are a c d e f h i j k m n: the third and the eighth are d and j.
	if want := []int32{3, 9}; err != nil || !slices.Equal(p.Val, want) || !slices.Equal(p.Test, []int32{1, 6, 11}) {
		t.Errorf("validation %v, test %v, %v; want %v", p.Val, p.Test, err, want)
	}
}

// TestFoldsRefuse says what cannot be done, and what to do.
func TestFoldsRefuse(t *testing.T) {
	d := lettered("aAbBcC")
	bare := *d
	bare.Group = nil
	seed := uint32(1)
	for name, tc := range map[string]struct {
		err  func() error
		want string
	}{
		"fewer groups than folds": {func() error { _, err := Stratified.Make(lettered("aAbBcCcC"), 4, nil); return err }, "4 folds of 3 group(s)"},
		"rank, fewer groups":      {func() error { _, err := Rank.Make(d, 4, nil); return err }, "4 folds of 3 group(s)"},
		"one fold":                {func() error { _, err := Stratified.Make(d, 1, nil); return err }, "at least 2 are needed"},
		"one fold by rank":        {func() error { _, err := Rank.Make(d, 1, nil); return err }, "at least 2 are needed"},
		"fewer windows":           {func() error { _, err := Windows.Make(d, 4, nil); return err }, "3 windows with y = 0 and 3 with y = 1; take at most 3"},
		"one class":               {func() error { _, err := Stratified.Make(lettered("abc"), 2, nil); return err }, "both classes are needed"},
		"rank without groups":     {func() error { _, err := Rank.Make(&bare, 2, nil); return err }, "name them with --group-key"},
		"rank, shuffled":          {func() error { _, err := Rank.Make(d, 2, &seed); return err }, "nothing can be shuffled"},
		"unknown":                 {func() error { _, err := Rule("best").Make(d, 2, nil); return err }, "known are [stratified windows rank]"},
		"no validation part": {func() error {
			f := Folds{K: 2, Of: []int32{0, 0, 0, 0, 1, 1}}
			_, err := Stratified.Parts(d, f, 0, true, nil)
			return err
		}, "no validation part can be taken from the windows outside of fold 0"},
	} {
		if err := tc.err(); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "paper.npz: ") {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}

// near says whether two numbers are equal to 1e-12.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12 }

// seriesOf returns a series whose threshold is 0.5.
func seriesOf(p []float32, folds Folds) Series {
	s := Series{Folds: folds, Predicted: metrics.Predicted{Probability: p}}
	for _, v := range p {
		s.Positive = append(s.Positive, v > 0.5)
	}
	return s
}
