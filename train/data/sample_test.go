package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"vklstm/model/augment"
	"vklstm/train/metrics"
)

// The sample must be the same on every machine: this is the hash of its bits, with one NaN for all.
func TestSampleIsAlwaysTheSame(t *testing.T) {
	d := Sample(100, 42)
	h := sha256.New()
	for _, v := range d.X {
		if v != v {
			v = math.Float32frombits(0x7fc00000)
		}
		binary.Write(h, binary.LittleEndian, v)
	}
	binary.Write(h, binary.LittleEndian, d.Y)
	const want = "5e0296df12a23d5c4a9d628e948888173022437ebcc12543a3a690bc81f5fe5f"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestSample(t *testing.T) {
	d := Sample(SampleWindows, 42)
	if d.N != SampleWindows || d.T != 60 || d.F != 6 || len(d.X) != d.N*360 || len(d.Y) != d.N || len(d.Group) != d.N {
		t.Fatalf("%d windows of %d × %d", d.N, d.T, d.F)
	}
	if pos := float64(d.Positives(metrics.All(d.N))) / float64(d.N); pos < 0.28 || pos > 0.38 {
		t.Errorf("%.3f positive, want about a third", pos)
	}
	missing, masked, left, right := 0, 0, 0, 0
	for i, v := range d.X {
		switch {
		case v != v:
			missing++
		case v < 0 || v > 1:
			t.Fatalf("x[%d] = %v is not in [0,1]", i, v)
		}
	}
	for w := range d.N {
		valid := func(t int) bool { return augment.Valid(d.X[(w*60+t)*6:][:6], 0) }
		for t := range 60 {
			if !valid(t) {
				masked++
			}
		}
		zero := func(t int) bool { return slices.Max(d.X[(w*60+t)*6:][:6]) == 0 }
		if zero(0) {
			left++
		}
		if zero(59) {
			right++
		}
	}
	for _, v := range []struct {
		what      string
		got       int
		low, high float64 // share
		of        int
	}{{"values missing", missing, 0.03, 0.12, len(d.X)}, {"steps masked", masked, 0.04, 0.15, d.N * 60},
		{"windows padded left", left, 0.1, 0.25, d.N}, {"windows padded right", right, 0.1, 0.25, d.N}} {
		if share := float64(v.got) / float64(v.of); share < v.low || share > v.high {
			t.Errorf("%s: %.3f, want %v to %v", v.what, share, v.low, v.high)
		}
	}
	if warnings, err := d.Check(SplitRandom(d.N, 42), Division{}); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	p, err := SplitGroup(d, 42)
	if err != nil {
		t.Fatal(err)
	}
	if warnings, err := d.Check(p, Division{}); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	if a, b := Sample(30, 42), Sample(20, 42); !bytes.Equal(rawBytes(a.X[:20*360]), rawBytes(b.X)) {
		t.Error("the first windows depend on how many there are")
	}
	if a, b := Sample(20, 1), Sample(20, 2); bytes.Equal(rawBytes(a.X), rawBytes(b.X)) {
		t.Error("two seeds give the same windows")
	}
}

func rawBytes(x []float32) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, x)
	return b.Bytes()
}

// The best threshold on one feature of one frame, or on its extreme over the window, must not do: the share of falls
// and others that it tells right stays well below what an LSTM reaches.
func TestSampleIsNotTrivial(t *testing.T) {
	d := Sample(SampleWindows, 42)
	last := func(w, f int) float64 {
		for t := 59; t >= 0; t-- {
			if v := d.X[(w*60+t)*6+f]; augment.Valid(d.X[(w*60+t)*6:][:6], 0) && v == v {
				return float64(v)
			}
		}
		return 0
	}
	extreme := func(sign float64) func(w, f int) float64 {
		return func(w, f int) float64 {
			most := math.Inf(-1)
			for t := range 60 {
				if v := float64(d.X[(w*60+t)*6+f]); v == v && augment.Valid(d.X[(w*60+t)*6:][:6], 0) {
					most = max(most, sign*v)
				}
			}
			return most
		}
	}
	for name, value := range map[string]func(w, f int) float64{"last frame": last, "largest": extreme(1), "smallest": extreme(-1)} {
		for f := range 6 {
			if f1 := bestF1(d, func(w int) float64 { return value(w, f) }); f1 > 0.87 {
				t.Errorf("%s of feature %d alone: F1 %.3f", name, f, f1)
			} else {
				t.Logf("%s of feature %d alone: F1 %.3f", name, f, f1)
			}
		}
	}
}

// bestF1 returns the best F1 that a threshold on value reaches, either way round.
func bestF1(d *Dataset, value func(w int) float64) float64 {
	best := 0.0
	for _, sign := range []float64{1, -1} {
		order := metrics.All(d.N)
		slices.SortFunc(order, func(i, j int32) int {
			if a, b := sign*value(int(i)), sign*value(int(j)); a > b {
				return -1
			} else if a < b {
				return 1
			}
			return 0
		})
		c := metrics.Confusion{FN: d.Positives(order)}
		for _, w := range order {
			if d.Y[w] == 1 {
				c.TP, c.FN = c.TP+1, c.FN-1
			} else {
				c.FP++
			}
			best = max(best, c.F1())
		}
	}
	return best
}
