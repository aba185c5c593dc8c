package crossval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/train/data"
	"vklstm/train/internal/numpy"
)

// Folds divide the windows of a data set: fold f's windows are the test part of model f, and the others train it.
type Folds struct {
	K  int     // folds
	Of []int32 // [N], the fold of each window, 0 … K−1
}

// Test returns the windows of fold f, in ascending order.
func (f Folds) Test(fold int) []int32 {
	var list []int32
	for i, g := range f.Of {
		if int(g) == fold {
			list = append(list, int32(i))
		}
	}
	return list
}

// StratifiedKFold returns, for labels y that number the classes from 0, the folds of scikit-learn's
//
//	StratifiedKFold(k)                                            shuffle nil
//	StratifiedKFold(k, shuffle=True, random_state=*shuffle)
//
// windows of each class dealt out evenly. The error says what k must be.
func StratifiedKFold(y []float32, k int, shuffle *uint32) (Folds, error) {
	if err := checkClasses(y, k); err != nil {
		return Folds{}, err
	}
	// Classes count in the order in which they appear, as there.
	var classes []float32
	count := map[float32]int{}
	for _, v := range y {
		if count[v]++; count[v] == 1 {
			classes = append(classes, v)
		}
	}
	var random *numpy.Random
	if shuffle != nil {
		random = numpy.New(*shuffle)
	}
	f := Folds{K: k, Of: make([]int32, len(y))}
	before := 0 // labels of the classes before
	for _, class := range classes {
		// The sorted labels, those of one class and then those of the next, are dealt out one by one; what a fold gets of a
		// class, it takes as a block of this class's windows.
		var dealt []int32
		for fold := range k {
			for range dealtTo(fold, k, before+count[class]) - dealtTo(fold, k, before) {
				dealt = append(dealt, int32(fold))
			}
		}
		before += count[class]
		if random != nil {
			random.Shuffle(len(dealt), func(i, j int) { dealt[i], dealt[j] = dealt[j], dealt[i] })
		}
		for i, v := range y {
			if v == class {
				f.Of[i] = dealt[0]
				dealt = dealt[1:]
			}
		}
	}
	return f, nil
}

// dealtTo returns how many of n things that are dealt to k hands in turn go to the given hand.
func dealtTo(hand, k, n int) int { return (n - hand + k - 1) / k }

// countClasses returns the number of windows of each class.
func countClasses(y []float32) []int {
	n := make([]int, max(2, int(slices.Max(append([]float32{0}, y...)))+1))
	for _, v := range y {
		n[int(v)]++
	}
	return n
}

// checkClasses returns an error when no class has a window for each fold, or there is one class only.
func checkClasses(y []float32, k int) error {
	count := countClasses(y)
	most, there := slices.Max(count), 0
	for _, n := range count {
		if n > 0 {
			there++
		}
	}
	switch {
	case k < 2:
		return fmt.Errorf("crossval: %d folds; at least 2 are needed, one to test on and the rest to train on", k)
	case there < 2:
		return fmt.Errorf("crossval: all %d windows have the same label; both classes are needed", len(y))
	case k > most && len(count) == 2:
		return fmt.Errorf("crossval: %d folds of %d windows with y = 0 and %d with y = 1; take at most %d folds", k, count[0], count[1], most)
	case k > most:
		return fmt.Errorf("crossval: %d folds, and no class has more than %d windows; take at most as many folds", k, most)
	}
	return nil
}

// StratifiedGroupKFold returns the folds of scikit-learn's
//
//	StratifiedGroupKFold(k)                                       shuffle nil
//	StratifiedGroupKFold(k, shuffle=True, random_state=*shuffle)
//
// where group[i] is the place of window i's group in the order of np.unique (train.Dataset.Groups). Groups stay whole;
// those whose classes are the most uneven go first, each into the fold where the classes' shares of all folds then
// differ least. The error says what k must be.
func StratifiedGroupKFold(y []float32, group []int32, k int, shuffle *uint32) (Folds, error) {
	if err := checkClasses(y, k); err != nil {
		return Folds{}, err
	}
	groups := 0
	if len(group) > 0 {
		groups = int(slices.Max(group)) + 1
	}
	if k > groups {
		return Folds{}, fmt.Errorf("crossval: %d folds of %d group(s); take at most as many folds as there are groups", k, groups)
	}
	// Counts are whole numbers in float64, as there: what they are compared by is rounded in the same way.
	classes := len(countClasses(y))
	total := make([]float64, classes)
	count, apart := make([][]float64, groups), make([]float64, groups)
	for g := range count {
		count[g] = make([]float64, classes)
	}
	for i, g := range group {
		count[g][int(y[i])]++
		total[int(y[i])]++
	}
	order := make([]int, groups)
	for i := range order {
		order[i], apart[i] = i, deviation(count[i], sum)
	}
	if shuffle != nil {
		numpy.New(*shuffle).Shuffle(groups, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(apart[b], apart[a]) })
	have := make([][]float64, k)
	for f := range have {
		have[f] = make([]float64, classes)
	}
	foldOf := make([]int32, groups)
	for _, g := range order {
		f := bestFold(have, total, count[g])
		addTo(have[f], count[g], 1)
		foldOf[g] = int32(f)
	}
	f := Folds{K: k, Of: make([]int32, len(y))}
	for i, g := range group {
		f.Of[i] = foldOf[g]
	}
	return f, nil
}

func addTo(sum, more []float64, sign float64) {
	for c, n := range more {
		sum[c] += float64(sign * n)
	}
}

// bestFold returns the fold that a group goes to: where, with it, the mean over the classes of the deviation over folds
// of a class's share is least; among about equals (np.isclose), that with fewest windows. A class without a window has no share.
func bestFold(have [][]float64, total, group []float64) int {
	best, least, fewest := 0, math.Inf(1), math.Inf(1)
	shares, spreads := make([]float64, len(have)), make([]float64, 0, len(total))
	for f := range have {
		windows := sum(have[f])
		addTo(have[f], group, 1)
		spreads = spreads[:0]
		for c, all := range total {
			if all == 0 {
				continue
			}
			for i, h := range have {
				shares[i] = h[c] / all
			}
			spreads = append(spreads, deviation(shares, inOrder))
		}
		addTo(have[f], group, -1)
		mean := sum(spreads) / float64(len(spreads))
		close := !math.IsInf(least, 0) && math.Abs(mean-least) <= 1e-8+float64(1e-5*math.Abs(least))
		if mean < least || close && windows < fewest {
			best, least, fewest = f, mean, windows
		}
	}
	return best
}

// deviation is np.std, with NumPy's order of operations, which sum has: along an array's last axis it is sum, along another inOrder.
// Explicit conversions keep compilers from fusing, so that every machine rounds as NumPy does.
func deviation(a []float64, sum func([]float64) float64) float64 {
	n := float64(len(a))
	mean := sum(a) / n
	squares := make([]float64, len(a))
	for i, v := range a {
		d := v - mean
		squares[i] = float64(d * d)
	}
	return math.Sqrt(sum(squares) / n)
}

func inOrder(a []float64) float64 {
	s := 0.0
	for _, v := range a {
		s += v
	}
	return s
}

// sum is np.sum of up to 128 numbers: from eight on in eight sums side by side.
func sum(a []float64) float64 {
	if len(a) < 8 {
		return inOrder(a)
	}
	var r [8]float64
	copy(r[:], a)
	i := 8
	for ; i+8 <= len(a); i += 8 {
		for j := range r {
			r[j] += a[i+j]
		}
	}
	s := ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
	for ; i < len(a); i++ {
		s += a[i]
	}
	return s
}

// ByRank deals the groups out in the order of np.unique: group number r goes to fold r mod k.
func ByRank(group []int32, k int) (Folds, error) {
	groups := 0
	if len(group) > 0 {
		groups = int(slices.Max(group)) + 1
	}
	switch {
	case k < 2:
		return Folds{}, fmt.Errorf("crossval: %d folds; at least 2 are needed, one to test on and the rest to train on", k)
	case k > groups:
		return Folds{}, fmt.Errorf("crossval: %d folds of %d group(s); take at most as many folds as there are groups", k, groups)
	}
	f := Folds{K: k, Of: make([]int32, len(group))}
	for i, g := range group {
		f.Of[i] = g % int32(k)
	}
	return f, nil
}

// Rule says how folds, and the validation parts inside of them, are made.
type Rule string

// The rules.
const (
	// Stratified is StratifiedGroupKFold, and StratifiedKFold where the data has no groups.
	Stratified Rule = "stratified"
	// Windows is StratifiedKFold whatever groups there are: windows of one group lie on both sides.
	Windows Rule = "windows"
	// Rank is ByRank.
	Rank Rule = "rank"
)

// Rules lists the rules.
var Rules = []Rule{Stratified, Windows, Rank}

// Make returns the folds of d by the rule.
func (r Rule) Make(d *data.Dataset, k int, shuffle *uint32) (Folds, error) {
	_, group := d.Groups()
	f, err := r.make(d.Y, group, k, shuffle)
	if err != nil && d.Path != "" {
		err = of(d, err)
	}
	return f, err
}

// of has an error begin with the data's path.
func of(d *data.Dataset, err error) error {
	return fmt.Errorf("%s: %s", d.Path, strings.TrimPrefix(err.Error(), "crossval: "))
}

func (r Rule) make(y []float32, group []int32, k int, shuffle *uint32) (Folds, error) {
	switch {
	case r == Rank && group == nil:
		return Folds{}, fmt.Errorf("crossval: rule %s deals out groups, and the data has none; name them with --group-key", r)
	case r == Rank && shuffle != nil:
		return Folds{}, fmt.Errorf("crossval: rule %s has one way to deal groups out; nothing can be shuffled", r)
	case r == Rank:
		return ByRank(group, k)
	case r == Stratified && group != nil:
		return StratifiedGroupKFold(y, group, k, shuffle)
	case r == Stratified || r == Windows:
		return StratifiedKFold(y, k, shuffle)
	}
	return Folds{}, fmt.Errorf("crossval: unknown rule %q; known are %v", r, Rules)
}

// innerFolds is how many parts the windows outside of a fold are divided into, of which one validates.
const innerFolds = 5

// Parts returns the parts of a fold: its windows are the test part; the others are training and validation, or
// training alone without validation. The validation part is one of five (fewer where there are fewer groups) that the
// rule makes of the other windows: the first that holds both classes by Stratified and Windows, the middle one
// (the third of five) by Rank. Groups, where the rule keeps them whole, are whole here too.
func (r Rule) Parts(d *data.Dataset, f Folds, fold int, validation bool, shuffle *uint32) (data.Parts, error) {
	p := data.Parts{Test: f.Test(fold)}
	var rest []int32
	for i, g := range f.Of {
		if int(g) != fold {
			rest = append(rest, int32(i))
		}
	}
	if !validation {
		p.Train = rest
		return p, nil
	}
	y := make([]float32, len(rest))
	for i, w := range rest {
		y[i] = d.Y[w]
	}
	_, all := d.Groups()
	group, groups := densely(all, rest)
	k := innerFolds
	if group != nil && r != Windows {
		k = min(k, groups)
	}
	inner, err := r.make(y, group, k, shuffle)
	if err != nil {
		return p, of(d, fmt.Errorf("no validation part can be taken from the windows outside of fold %d (%s); take more folds, or train without early stopping",
			fold, strings.TrimPrefix(err.Error(), "crossval: ")))
	}
	chosen := k / 2
	if r != Rank {
		chosen = inner.firstWhole(y)
	}
	for i, w := range rest {
		if int(inner.Of[i]) == chosen {
			p.Val = append(p.Val, w)
		} else {
			p.Train = append(p.Train, w)
		}
	}
	return p, nil
}

// firstWhole returns the first fold that holds all classes that there are, 0 where none does.
func (f Folds) firstWhole(y []float32) int {
	has := make([]map[float32]bool, f.K)
	all := map[float32]bool{}
	for i, g := range f.Of {
		if has[g] == nil {
			has[g] = map[float32]bool{}
		}
		has[g][y[i]], all[y[i]] = true, true
	}
	return max(0, slices.IndexFunc(has, func(h map[float32]bool) bool { return len(h) == len(all) && len(all) > 1 }))
}

// densely returns the groups of the listed windows, numbered anew without gaps in the same order, and how many there are.
func densely(group, windows []int32) ([]int32, int) {
	if group == nil {
		return nil, 0
	}
	there := map[int32]bool{}
	for _, w := range windows {
		there[group[w]] = true
	}
	var sorted []int32
	for g := range there {
		sorted = append(sorted, g)
	}
	slices.Sort(sorted)
	number := map[int32]int32{}
	for i, g := range sorted {
		number[g] = int32(i)
	}
	out := make([]int32, len(windows))
	for i, w := range windows {
		out[i] = number[group[w]]
	}
	return out, len(sorted)
}
