package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
)

func TestSplitRandomIsNumPys(t *testing.T) {
	for _, tc := range traintest.Golden[[]struct {
		N      int
		Seed   uint32
		Start  []int32
		SHA256 string
		Cuts   [2]int
	}](t, "shuffle.json") {
		p := SplitRandom(tc.N, tc.Seed)
		if got := [2]int{len(p.Train), len(p.Train) + len(p.Val)}; got != tc.Cuts {
			t.Errorf("n = %d: cut at %v, want %v", tc.N, got, tc.Cuts)
		}
		order := slices.Concat(p.Train, p.Val, p.Test)
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, order)
		sum := sha256.Sum256(b.Bytes())
		if !slices.Equal(order[:len(tc.Start)], tc.Start) || hex.EncodeToString(sum[:]) != tc.SHA256 {
			t.Errorf("n = %d, seed %d: order begins %v, want %v", tc.N, tc.Seed, order[:len(tc.Start)], tc.Start)
		}
	}
	if p := SplitRandom(0, 42); len(p.Train)+len(p.Val)+len(p.Test) != 0 {
		t.Errorf("n = 0: %v", p)
	}
}

func TestSmallestRandomSplit(t *testing.T) {
	for n, whole := range map[int]bool{minWindows - 1: false, minWindows: true} {
		p := SplitRandom(n, 42)
		if got := len(p.Train) > 0 && len(p.Val) > 0 && len(p.Test) > 0; got != whole {
			t.Errorf("%d windows: parts of %d, %d and %d", n, len(p.Train), len(p.Val), len(p.Test))
		}
	}
}

// groups returns a data set with these numbers of negative and positive windows in each group.
func groups(counts ...[2]int) *Dataset {
	d := &Dataset{Path: "data.npz", GroupKey: "subject", T: 1, F: 1}
	for g, c := range counts {
		for y, n := range c {
			for range n {
				d.X, d.Y, d.Group = append(d.X, 1), append(d.Y, float32(y)), append(d.Group, fmt.Sprint("g", g))
				d.N++
			}
		}
	}
	return d
}

// wantWhole checks that every window is in one part, in ascending order, and every group in one part.
func wantWhole(t *testing.T, d *Dataset, p Parts) {
	t.Helper()
	seen, in := make([]bool, d.N), map[string]int{}
	for part, list := range [][]int32{p.Train, p.Val, p.Test} {
		if !slices.IsSorted(list) {
			t.Error("a part is not in ascending order")
		}
		for _, w := range list {
			if seen[w] {
				t.Fatalf("window %d twice", w)
			}
			seen[w] = true
			if before, ok := in[d.Group[w]]; ok && before != part {
				t.Fatalf("group %s in two parts", d.Group[w])
			}
			in[d.Group[w]] = part
		}
	}
	if slices.Contains(seen, false) {
		t.Fatal("a window is in no part")
	}
}

func TestSplitGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	many := make([][2]int, 200)
	for i := range many {
		many[i] = [2]int{1 + rng.IntN(30), rng.IntN(15)}
	}
	subjects := make([][2]int, 25)
	for i := range subjects {
		subjects[i] = [2]int{200 + rng.IntN(100), 50 + rng.IntN(50)}
	}
	single := make([][2]int, 3000)
	for i := range single {
		single[i] = [2]int{1 - i%5/4, i % 5 / 4}
	}
	equal := slices.Repeat([][2]int{{8, 2}}, 20)
	videos := append(slices.Repeat([][2]int{{0, 9}}, 30), slices.Repeat([][2]int{{12, 0}}, 40)...)
	for _, tc := range []struct {
		name   string
		counts [][2]int
		worst  float64 // of the six shares, in percent of all windows or of all positive ones
	}{
		{"many groups", many, 0.5},
		{"25 people", subjects, 1.5},
		{"a group a window", single, 0.2},
		{"equal groups", equal, 0.01},
		{"videos of one class", videos, 4.0}, // a video holds 3.3 % of the positive windows
		{"one large group", append([][2]int{{500, 100}}, many...), 1},
		{"a large group with most positives", append([][2]int{{10, 700}}, many...), 12},
		{"few of one class", append([][2]int{{40, 1}, {35, 1}, {30, 1}}, slices.Repeat([][2]int{{25, 0}}, 12)...), 37},
	} {
		d := groups(tc.counts...)
		total := d.Positives(metrics.All(d.N))
		different := map[string]bool{}
		for seed := range uint32(10) {
			p, err := SplitGroup(d, seed)
			if err != nil {
				t.Fatal(tc.name, err)
			}
			wantWhole(t, d, p)
			if warnings, err := d.Check(p, Division{}); err != nil || len(warnings) > 0 {
				t.Errorf("%s, seed %d: %v, %q", tc.name, seed, err, warnings)
			}
			for i, list := range [][]int32{p.Train, p.Val, p.Test} {
				w := 100*float64(len(list))/float64(d.N) - shares[i]
				y := 100*float64(d.Positives(list))/float64(total) - shares[i]
				if math.Abs(w) > tc.worst || math.Abs(y) > tc.worst {
					t.Errorf("%s, seed %d: part %d is off by %.2f %% of the windows, %.2f %% of the positive ones; at most %v is possible", tc.name, seed, i, w, y, tc.worst)
				}
			}
			again, _ := SplitGroup(d, seed)
			if fmt.Sprint(p) != fmt.Sprint(again) {
				t.Errorf("%s, seed %d: a second call gives another split", tc.name, seed)
			}
			different[fmt.Sprint(p.Test)] = true
		}
		if len(different) < 5 {
			t.Errorf("%s: 10 seeds give %d different splits", tc.name, len(different))
		}
	}
}

// Each part must get both classes whenever that is possible at all.
func TestSplitGroupHoldsBothClasses(t *testing.T) {
	for name, counts := range map[string][][2]int{
		"three groups":        {{5, 5}, {2, 1}, {1, 3}},
		"six pure groups":     {{9, 0}, {0, 9}, {3, 0}, {0, 3}, {2, 0}, {0, 2}},
		"three rare ones":     {{50, 0}, {1, 1}, {60, 0}, {70, 1}, {2, 0}, {40, 1}, {30, 0}},
		"rare in large ones":  {{100, 1}, {100, 1}, {100, 1}, {1, 0}, {1, 0}},
		"negatives are rare":  {{1, 50}, {0, 60}, {1, 20}, {0, 30}, {1, 3}},
		"one of each, mostly": {{1, 0}, {0, 1}, {1, 0}, {0, 1}, {1, 0}, {0, 1}, {100, 100}},
	} {
		d := groups(counts...)
		for seed := range uint32(50) {
			p, err := SplitGroup(d, seed)
			if err != nil {
				t.Fatal(err)
			}
			wantWhole(t, d, p)
			if warnings, err := d.Check(p, Division{}); err != nil || len(warnings) > 0 {
				t.Errorf("%s, seed %d: %v %v, %q", name, seed, p, err, warnings)
			}
		}
	}
	// Where it is not, the training part has both.
	d := groups([2]int{5, 5}, [2]int{6, 0}, [2]int{7, 0}, [2]int{8, 0})
	p, err := SplitGroup(d, 1)
	if err != nil {
		t.Fatal(err)
	}
	if warnings, err := d.Check(p, Division{}); err != nil || len(warnings) != 2 {
		t.Errorf("%v, %q; want two warnings", err, warnings)
	}
}

func TestSplitGroupDependsOnNoName(t *testing.T) {
	d := groups([2]int{3, 2}, [2]int{4, 1}, [2]int{2, 2}, [2]int{5, 3}, [2]int{3, 3})
	p, err := SplitGroup(d, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range d.Group {
		d.Group[i] = "z" + string('9'-g[1]) + "x"
	}
	if q, _ := SplitGroup(d, 7); fmt.Sprint(p) != fmt.Sprint(q) {
		t.Errorf("%v after renaming, %v before", q, p)
	}
}

// Groups need not lie together in the file.
func TestSplitGroupOfMixedOrder(t *testing.T) {
	d := groups(slices.Repeat([][2]int{{6, 4}}, 12)...)
	for i, j := range shuffled(d.N, 1) {
		d.Y[i], d.Y[j], d.Group[i], d.Group[j] = d.Y[j], d.Y[i], d.Group[j], d.Group[i]
	}
	p, err := SplitGroup(d, 42)
	if err != nil {
		t.Fatal(err)
	}
	wantWhole(t, d, p)
}

func TestSplitGroupErrors(t *testing.T) {
	for _, d := range []*Dataset{groups([2]int{5, 5}, [2]int{5, 5}), {Path: "data.npz", N: 9, Y: make([]float32, 9)}} {
		if _, err := SplitGroup(d, 1); !errors.Is(err, ErrTooSmall) {
			t.Errorf("%d groups: %v", len(d.Group), err)
		}
	}
}

func BenchmarkSplitGroup(b *testing.B) {
	for _, n := range []int{70, 1000, 16000} {
		counts := make([][2]int, n)
		for i := range counts {
			counts[i] = [2]int{1 + i%7, i % 3}
		}
		d := groups(counts...)
		b.Run(fmt.Sprintf("groups=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := SplitGroup(d, 42); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
