package search

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vklstm/train/internal/wording"
)

// fakeFlags are flags of each kind, as the command line has them.
func fakeFlags(name string) (Flag, error) {
	f := Flag{Name: name}
	switch name {
	case "lr", "dropout":
		f.Kind = Real
		f.Canonical = func(text string) (string, error) {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return "", fmt.Errorf("%q: it must be a number", text)
			}
			return strconv.FormatFloat(x, 'g', -1, 64), nil
		}
	case "batch", "epochs":
		f.Kind = Integer
		f.Canonical = func(text string) (string, error) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return "", fmt.Errorf("%q: it must be a whole number", text)
			}
			return strconv.Itoa(n), nil
		}
	case "lstm-units":
		f.Kind = Text
		f.Canonical = func(text string) (string, error) {
			for part := range strings.SplitSeq(text, ",") {
				if _, err := strconv.Atoi(part); err != nil {
					return "", fmt.Errorf("%q: whole numbers with commas", text)
				}
			}
			return text, nil
		}
	case "augment":
		f.Kind = Text
		f.Canonical = func(text string) (string, error) { return text, nil }
	default:
		return f, fmt.Errorf("training has no flag --%s", name)
	}
	return f, nil
}

// tries parses texts of --try.
func tries(t testing.TB, texts ...string) Space {
	t.Helper()
	var s Space
	for _, text := range texts {
		d, err := ParseTry(text, fakeFlags)
		if err != nil {
			t.Fatal(err)
		}
		s = append(s, d)
	}
	return s
}

func TestParseTry(t *testing.T) {
	for text, want := range map[string]Dimension{
		"lr=1e-4:1e-2:log":          {Name: "lr", Kind: Real, Lo: 1e-4, Hi: 1e-2, Log: true},
		"--lr=0.1:0.5":              {Name: "lr", Kind: Real, Lo: .1, Hi: .5},
		"batch=8:64":                {Name: "batch", Kind: Integer, Lo: 8, Hi: 64},
		"lstm-units=8:64":           {Name: "lstm-units", Kind: Integer, Lo: 8, Hi: 64},
		"lstm-units=32,64,128":      {Name: "lstm-units", Kind: Text, Choices: []string{"32", "64", "128"}},
		"lstm-units=64,32;":         {Name: "lstm-units", Kind: Text, Choices: []string{"64,32"}},
		"lstm-units=64;64,32":       {Name: "lstm-units", Kind: Text, Choices: []string{"64", "64,32"}},
		"augment=none, strong":      {Name: "augment", Kind: Text, Choices: []string{"none", "strong"}},
		"augment=a:b":               {Name: "augment", Kind: Text, Choices: []string{"a:b"}},
		"augment=recall>=0.95,best": {Name: "augment", Kind: Text, Choices: []string{"recall>=0.95", "best"}},
		"lr=1e-3":                   {Name: "lr", Kind: Real, Choices: []string{"0.001"}},
		"dropout=0:1:5":             {Name: "dropout", Kind: Real, Choices: []string{"0", "0.25", "0.5", "0.75", "1"}},
		"lr=1e-4:1e-2:log:3":        {Name: "lr", Kind: Real, Choices: []string{"0.0001", "0.001", "0.01"}},
		"lr=1e-4:1e-2:3:log":        {Name: "lr", Kind: Real, Choices: []string{"0.0001", "0.001", "0.01"}},
		"batch=1:3:9":               {Name: "batch", Kind: Integer, Choices: []string{"1", "2", "3"}},
		"lr=-1:1:3":                 {Name: "lr", Kind: Real, Choices: []string{"-1", "0", "1"}},
	} {
		got, err := ParseTry(text, fakeFlags)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v (%v)", text, got, want, err)
			continue
		}
		if again, err := ParseTry(got.String(), fakeFlags); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s, written as %s and read again: %+v, want %+v (%v)", text, got, again, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                 "write NAME=A,B,C",
		"lr":               "write NAME=A,B,C",
		"=1,2":             "write NAME=A,B,C",
		"lr=":              "write NAME=A,B,C",
		"speed=1,2":        "no flag --speed",
		"lr=1,,2":          "a value is empty",
		"lr=1,x":           "it must be a number",
		"lr=1e-3,0.001":    "0.001 is there twice",
		"lr=2:1":           "from a smaller number to a larger",
		"lr=1:1":           "from a smaller number to a larger",
		"lr=0:1:log":       "must begin above 0",
		"lr=1:2:lag":       `"lag" is neither log nor a count`,
		"lr=1:2:1":         `"1" is neither log nor a count`,
		"lr=1:2:3:4":       `"4" is neither log nor a count`,
		"lr=1:2:log:log":   `"log" is neither`,
		"lr=1:2:100000":    "neither log nor a count",
		"lr=NaN:1":         `"NaN" is not a number`,
		"lr=1:Inf":         `"Inf" is not a number`,
		"lr=-1e308:1e308":  "from a smaller number to a larger",
		"lr=a:b":           `"a" is not a number`,
		"batch=1.5:3":      "whole numbers",
		"lstm-units=1.5:3": "whole numbers",
		"lr=1:":            `"" is not a number`,
		"batch=0:1e300":    "whole numbers",
		"augment=" + strings.Repeat("a,", maxChoices) + "b": "at most 10000 can be tried",
	} {
		if d, err := ParseTry(text, fakeFlags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, error %v, want %q", wording.Short(text), d, err, want)
		}
	}
}

func TestReadSpace(t *testing.T) {
	got, err := parseYAML([]byte(`
# a comment
lr: {min: 1e-4, max: 1e-2, log: true}
lstm-units: [32, 64, "64,32"]
dropout: 0.1:0.5
batch:
  min: 8
  max: 32
  count: 4
augment: &a [none, strong]
epochs: 10
`), fakeFlags)
	want := tries(t, "lr=1e-4:1e-2:log", "lstm-units=32;64;64,32", "dropout=0.1:0.5", "batch=8,16,24,32", "augment=none,strong", "epochs=10")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%v (%v)", got, want, err)
	}
	for text, want := range map[string]string{
		"":                                   "it must be a mapping",
		"[1, 2]":                             "it must be a mapping",
		"lr: [":                              "yaml",
		"lr: {min: 1}":                       "needs min and max",
		"lr: {min: 1, max: x}":               `"x" is not a number`,
		"lr: {min: 1, max: 2, a: 1}":         `"a" is unknown`,
		"lr: {min: 1, max: 2, log: perhaps}": "true or false",
		"lr: {min: 1, max: 2, count: 1}":     "count is",
		"lr: []":                             "the list is empty",
		"lr: [[1]]":                          "must hold values",
		"lr:":                                "there is no value",
		"lr: 1\nlr: 2":                       "lr is tried twice",
		"{}":                                 "nothing to try",
		"a: &x\n  - *x":                      "training has no flag --a",
		"lr: &x\n  - *x":                     "must hold values",
		"lr: [1]\nspeed: [1]":                "line 2, speed",
		strings.Repeat("#", maxYAML+1):       "no description of a space",
	} {
		if s, err := parseYAML([]byte(text), fakeFlags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, error %v, want %q", wording.Short(text), s, err, want)
		}
	}
}

func TestGrid(t *testing.T) {
	grid, err := tries(t, "lr=1,2", "augment=a,b,c").Grid()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, trial := range grid {
		got = append(got, settingsText(trial))
	}
	want := []string{"lr=1 augment=a", "lr=1 augment=b", "lr=1 augment=c", "lr=2 augment=a", "lr=2 augment=b", "lr=2 augment=c"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := tries(t, "lr=1:2").Grid(); err == nil || !strings.Contains(err.Error(), "lr=1:2:5") {
		t.Errorf("a range in a grid: %v", err)
	}
	if _, err := tries(t, "lr=0:1:9999", "dropout=0:1:9999").Grid(); err == nil || !strings.Contains(err.Error(), "more than 100000") {
		t.Errorf("a huge grid: %v", err)
	}
}

// What is drawn for a flag depends on the seed, the trial and the flag alone.
func TestDrawIsAFunction(t *testing.T) {
	one := tries(t, "lr=1e-4:1e-2:log")
	two := tries(t, "dropout=0.1:0.5", "lr=1e-4:1e-2:log")
	long, err := two.Random(7, 50)
	if err != nil {
		t.Fatal(err)
	}
	short, err := two.Random(7, 20)
	if err != nil {
		t.Fatal(err)
	}
	other, err := two.Random(8, 20)
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for i := range short {
		if settingsText(short[i]) != settingsText(long[i]) {
			t.Errorf("trial %d is %v of 20 and %v of 50", i, short[i], long[i])
		}
		if alone := one.Draw(7, i, 0)[0]; alone != short[i][1] {
			t.Errorf("trial %d: %v alone, %v beside another flag", i, alone, short[i][1])
		}
		if other[i][0] == short[i][0] {
			same++
		}
	}
	if same > 1 {
		t.Errorf("%d of 20 trials are the same under another seed", same)
	}
	if got := one.Draw(0, 0, 0)[0].Value; got == one.Draw(0, 0, 1)[0].Value || got == one.Draw(0, 1, 0)[0].Value {
		t.Errorf("attempts or trials draw the same: %s", got)
	}
}

// All trials differ, and all settings are found where there are no more than trials.
func TestRandomDiffers(t *testing.T) {
	s := tries(t, "lr=1,2,3", "augment=a,b", "batch=1:4")
	trials, err := s.Random(1, 24)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, trial := range trials {
		seen[settingsText(trial)] = true
	}
	if len(seen) != 24 {
		t.Errorf("%d different trials of 24", len(seen))
	}
	if _, err := s.Random(1, 25); err == nil || !strings.Contains(err.Error(), "only 24 different settings") {
		t.Errorf("25 of 24: %v", err)
	}
	if _, err := tries(t, "lr=1:1.0000000000000002").Random(1, 5); err == nil || !strings.Contains(err.Error(), "wider ranges") {
		t.Errorf("five of two numbers: %v", err)
	}
}

// Draws are distributed as they should be: for n = 20,000 draws in k bins that have the same share, χ² has k − 1 degrees of
// freedom, and passes their number by five standard deviations, √(2(k − 1)), once in some hundred thousand seeds. The seed is
// fixed.
func TestDistribution(t *testing.T) {
	const n = 20_000
	check := func(what string, counts []int) {
		chi, k := 0.0, len(counts)
		want := float64(n) / float64(k)
		for _, c := range counts {
			chi += (float64(c) - want) * (float64(c) - want) / want
		}
		if free := float64(k - 1); chi > free+5*math.Sqrt(2*free) {
			t.Errorf("%s: χ² is %.1f of %d bins: %v", what, chi, k, counts)
		}
	}
	count := func(text string, bins int, bin func(value string) int) []int {
		s := tries(t, text)
		counts := make([]int, bins)
		for i := range n {
			value := s.Draw(3, i, 0)[0].Value
			b := min(bin(value), bins-1) // the end is rounded to
			if b < 0 || b >= bins {
				t.Fatalf("%s: drew %s", text, value)
			}
			counts[b]++
		}
		return counts
	}
	real := func(value string) float64 {
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	check("uniform", count("lr=2:5", 30, func(v string) int { return int((real(v) - 2) / 3 * 30) }))
	check("log", count("lr=1e-4:1e-1:log", 30, func(v string) int { return int((math.Log10(real(v)) + 4) / 3 * 30) }))
	check("integer", count("batch=3:9", 7, func(v string) int { return int(real(v)) - 3 }))
	check("choice", count("augment=a,b,c,d,e", 5, func(v string) int { return int(v[0] - 'a') }))
	// By logarithm the whole number x has the share of log(x − ½) to log(x + ½).
	got := count("batch=1:6:log", 6, func(v string) int { return int(real(v)) - 1 })
	chi := 0.0
	for i, c := range got {
		want := n * (math.Log(float64(i)+1.5) - math.Log(float64(i)+0.5)) / (math.Log(6.5) - math.Log(0.5))
		chi += (float64(c) - want) * (float64(c) - want) / want
	}
	if chi > 5+5*math.Sqrt(10) {
		t.Errorf("integer by logarithm: χ² is %.1f: %v", chi, got)
	}
}

// Whatever is read can be drawn from, what is drawn is a value of the flag within its range, and the text of it is read as
// the same.
func FuzzParseTry(f *testing.F) {
	for _, text := range []string{"lr=1e-4:1e-2:log", "batch=1:5:3", "lstm-units=64;64,32", "augment=a:b", "lr=-1e-320:1", "batch=-5:-2", "lr=1:1.0000000000000002", "dropout=0:1:log:3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseTry(text, fakeFlags)
		if err != nil {
			return
		}
		again, err := ParseTry(d.String(), fakeFlags)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("%q is written as %q: %+v, want %+v (%v)", text, d, again, d, err)
		}
		flag, _ := fakeFlags(d.Name)
		for i := range 20 {
			v := Space{d}.Draw(uint64(i), i, 0)[0].Value
			if _, err := flag.Canonical(v); err != nil {
				t.Fatalf("%q draws %q: %v", text, v, err)
			}
			if d.Choices != nil {
				if !slices.Contains(d.Choices, v) {
					t.Fatalf("%q draws %q", text, v)
				}
			} else if x, err := strconv.ParseFloat(v, 64); err != nil || x < d.Lo || x > d.Hi {
				t.Fatalf("%q draws %q", text, v)
			}
		}
	})
}

func FuzzSpace(f *testing.F) {
	f.Add([]byte("lr: {min: 1e-4, max: 1e-2, log: true}\nlstm-units: [32, \"64,32\"]\ndropout: 0.1:0.5"))
	f.Add([]byte("lr: &x [1, 2]\ndropout: *x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseYAML(b, fakeFlags); err == nil {
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
