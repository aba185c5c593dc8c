package data

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vklstm/train/internal/numpy"
	"vklstm/train/metrics"
)

// Parts are the windows of each part of a data set, by number.
type Parts struct {
	Train, Val, Test []int32
}

// withoutValidation returns the parts with the validation windows after the training ones.
func (p Parts) WithoutValidation() Parts {
	return Parts{Train: append(slices.Clip(p.Train), p.Val...), Test: p.Test}
}

// minWindows is the least number of windows that SplitRandom divides into three parts: int(.15·7) = 1.
const minWindows = 7

// SplitRandom divides windows 0 … n−1 as NumPy does it with
//
//	i = np.arange(n); np.random.seed(seed); np.random.shuffle(i)
//	a = int(.7*n); b = a + int(.15*n); train, val, test = i[:a], i[a:b], i[b:]
//
// in the same order. Parts of a small set may be empty; Dataset.Check says so.
func SplitRandom(n int, seed uint32) Parts {
	order := shuffled(n, seed)
	size := float64(n) // float64 products, as in Python
	a := int(0.7 * size)
	b := a + int(0.15*size)
	return Parts{Train: order[:a:a], Val: order[a:b:b], Test: order[b:]}
}

// shuffled returns 0 … n−1 in the order of np.random.seed(seed); np.random.shuffle.
func shuffled(n int, seed uint32) []int32 {
	order := metrics.All(n)
	numpy.New(seed).Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// Shares of the parts in percent.
var shares = [3]float64{70, 15, 15}

// cluster is the windows of one group.
type cluster struct {
	windows []int32
	of      []int // windows of each class after the first
}

// SplitGroup divides windows 70/15/15 with every group whole, and the windows, and those of each class after the first, as near
// to those shares as whole groups allow; each part holds all classes wherever that can be found. The groups start
// in an order drawn from seed (as SplitRandom draws it), each joins the part that it brings nearest to its share,
// then groups move and change places as long as that helps. Windows are listed in ascending order. The result
// depends on the seed, the groups and the labels, not on the groups' names.
//
// The error wraps ErrTooSmall when there are no groups or fewer than three.
func SplitGroup(d *Dataset, seed uint32) (Parts, error) {
	if d.Group == nil {
		return Parts{}, fmt.Errorf("%s: no groups to split by: none of the arrays %s has one element per window; name one with --group-key, or use --split random: %w",
			d.Path, strings.Join(GroupKeys, ", "), ErrTooSmall)
	}
	clusters := clustersOf(d)
	if len(clusters) < 3 {
		return Parts{}, fmt.Errorf("%s: %s has %d group(s); a split by groups needs at least 3, one for each part: use --split random: %w",
			d.Path, d.GroupKey, len(clusters), ErrTooSmall)
	}
	var best *assignment
	for try := range uint32(maxTries) {
		a := assign(clusters, shuffled(len(clusters), seed+try*0x9E3779B9))
		if best == nil || a.cost() < best.cost()-1e-9 {
			best = a
		}
		if best.lacking() == 0 {
			break
		}
	}
	var lists [3][]int32
	for g, part := range best.part {
		lists[part] = append(lists[part], clusters[g].windows...)
	}
	for _, l := range lists {
		slices.Sort(l)
	}
	return Parts{Train: lists[0], Val: lists[1], Test: lists[2]}, nil
}

// maxTries bounds the starting orders that are tried to have both classes in each part; one nearly always does.
const maxTries = 32

// clustersOf returns the groups in the order of their first windows.
func clustersOf(d *Dataset) []cluster {
	number := map[string]int{}
	var clusters []cluster
	for i, name := range d.Group {
		g, ok := number[name]
		if !ok {
			g = len(clusters)
			number[name] = g
			clusters = append(clusters, cluster{of: make([]int, max(len(d.Classes), 2)-1)})
		}
		clusters[g].windows = append(clusters[g].windows, int32(i))
		if c := int(d.Y[i]); c > 0 {
			clusters[g].of[c-1]++
		}
	}
	return clusters
}

// assignment says in which part each group is.
type assignment struct {
	clusters []cluster
	part     []int    // of each group
	have     [3]tally // what each part holds
	all      tally    // what all hold
}

// tally counts windows, and those of each class after the first.
type tally struct {
	windows int
	of      []int
}

func (t *tally) add(c cluster, sign int) {
	t.windows += sign * len(c.windows)
	for i, n := range c.of {
		t.of[i] += sign * n
	}
}

// first is the windows of the first class.
func (t *tally) first() int {
	n := t.windows
	for _, m := range t.of {
		n -= m
	}
	return n
}

func assign(clusters []cluster, order []int32) *assignment {
	a := &assignment{clusters: clusters, part: make([]int, len(clusters))}
	for _, t := range []*tally{&a.all, &a.have[0], &a.have[1], &a.have[2]} {
		t.of = make([]int, len(clusters[0].of))
	}
	for _, c := range clusters {
		a.all.add(c, 1)
	}
	// Large groups first, since small ones can even out; the order of equals is that drawn.
	order = slices.Clone(order)
	slices.SortStableFunc(order, func(i, j int32) int { return magnitude(clusters[j]) - magnitude(clusters[i]) })
	for _, g := range order {
		best, bestCost := 0, math.Inf(1)
		for p := range a.have {
			a.have[p].add(clusters[g], 1)
			if c := a.distance(); c < bestCost {
				best, bestCost = p, c
			}
			a.have[p].add(clusters[g], -1)
		}
		a.part[g] = best
		a.have[best].add(clusters[g], 1)
	}
	a.improve(order)
	return a
}

// magnitude is the binary order of a group's size: within one, the seed decides which group goes where.
func magnitude(c cluster) int {
	n := 0
	for w := len(c.windows); w > 1; w >>= 1 {
		n++
	}
	return n
}

// distance is how far the parts are from their shares: the sum of the squared differences in percent of all
// windows and of those of each class after the first. The conversions keep compilers from fusing, so that every machine agrees.
func (a *assignment) distance() float64 {
	sum := 0.0
	for p, t := range a.have {
		w := 100*float64(t.windows)/float64(a.all.windows) - shares[p]
		sum += float64(w * w)
		for c, all := range a.all.of {
			if all > 0 {
				w = 100*float64(t.of[c])/float64(all) - shares[p]
				sum += float64(w * w)
			}
		}
	}
	return sum
}

// lacking counts what the parts lack: windows, or windows of one class where the data has both. The training part
// counts more, for it cannot do without.
func (a *assignment) lacking() int {
	n := 0
	for p, t := range a.have {
		weight := 1
		if p == 0 {
			weight = 3
		}
		if t.windows == 0 {
			n += 8
		}
		for c, all := range a.all.of {
			if t.of[c] == 0 && all > 0 {
				n += weight
			}
		}
		if t.first() == 0 && a.all.first() > 0 {
			n += weight
		}
	}
	return n
}

// cost is what improve lowers; nothing weighs more than a class that a part lacks.
func (a *assignment) cost() float64 { return 1e6*float64(a.lacking()) + a.distance() }

// Work bounds of improve: passes over the groups, and the number of groups up to which pairs change places.
const (
	maxPasses = 20
	maxPairs  = 1500
)

// improve moves single groups and exchanges pairs, in this order, while the cost goes down.
func (a *assignment) improve(order []int32) {
	cost := a.cost()
	try := func(g int32, to int) {
		a.have[a.part[g]].add(a.clusters[g], -1)
		a.have[to].add(a.clusters[g], 1)
		a.part[g] = to
	}
	for range maxPasses {
		before := cost
		for i, g := range order {
			for to := range a.have {
				from := a.part[g]
				if to == from {
					continue
				}
				try(g, to)
				if c := a.cost(); c < cost-1e-9 {
					cost = c
				} else {
					try(g, from)
				}
			}
			if len(order) > maxPairs {
				continue
			}
			for _, h := range order[:i] {
				from, to := a.part[g], a.part[h]
				if from == to {
					continue
				}
				try(g, to)
				try(h, from)
				if c := a.cost(); c < cost-1e-9 {
					cost = c
				} else {
					try(g, from)
					try(h, to)
				}
			}
		}
		if cost == before {
			return
		}
	}
}
