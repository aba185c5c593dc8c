package keras

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func leBytes(a []float32) []byte {
	var b []byte
	for _, x := range a {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// check decodes data, which must end soon without a panic, and holds what was accepted to the contract.
func check(t *testing.T, data []byte) {
	t.Helper()
	start := time.Now()
	f, err := Decode(data)
	if d := time.Since(start); d > 10*time.Second {
		t.Fatalf("reading %d bytes took %v", len(data), d)
	}
	if err != nil {
		if f != nil || err.Error() == "" {
			t.Fatalf("error %v with file %v", err, f)
		}
		return
	}
	l := f.Spec.Layout() // panics on a bad Spec
	if len(f.Params) != l.Size {
		t.Fatalf("%d parameters for a network of %d", len(f.Params), l.Size)
	}
	for _, params := range append([][]float32{f.Params}, f.Others...) {
		if len(params) != l.Size {
			t.Fatalf("a member of %d parameters for a network of %d", len(params), l.Size)
		}
		for _, x := range params {
			if notFinite(x) {
				t.Fatalf("parameter %v", x)
			}
		}
	}
	if o := f.Optimizer; o != nil && (len(o.M) != l.Size || len(o.V) != l.Size || o.Step < 0) {
		t.Fatalf("optimizer of %d, %d elements, step %d", len(o.M), len(o.V), o.Step)
	}
	if f.Loss.Kind != "" && f.Loss.Check(classesOf(f.Spec)) != nil {
		t.Fatalf("loss %+v", f.Loss)
	}
}

// FuzzReadH5 mutates files of every writer: no input may panic, hang or allocate beyond its length's proportion.
// Run it with -fuzzminimizetime=1x: shrinking files of 40 KB takes a minute each.
func FuzzReadH5(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.[hk]*5*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	more, _ := filepath.Glob("testdata/*.keras")
	for _, path := range append(paths, more...) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, file := range []*File{small(), ensemble()} {
		b, err := Encode(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("\x89HDF\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

// TestMutations does on every run what the fuzzer does for longer: it cuts files, and overwrites bytes and whole
// offsets with what is likely to hurt.
func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"keras3.h5", "keras2.h5", "chunked.h5", "latest.h5", "keras3.keras", "keras3_chain.h5", "keras2_ensemble.h5", "keras3_ensemble.keras"} {
		src, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			b := bytes.Clone(src)
			for range 1 + rng.IntN(4) {
				// Half of the time where the structure is dense, in the first 8 KiB.
				at := rng.IntN(len(b))
				if rng.IntN(2) == 0 {
					at = rng.IntN(min(len(b), 8192))
				}
				switch rng.IntN(4) {
				case 0:
					b[at] ^= 1 << rng.IntN(8)
				case 1:
					b[at] = []byte{0, 1, 127, 128, 255}[rng.IntN(5)]
				case 2: // an offset to somewhere in the file, or a large one
					v := []uint64{uint64(rng.IntN(len(b))) &^ 7, 1 << 36, 1<<63 - 1, math.MaxUint64, 0, uint64(at) &^ 7}[rng.IntN(6)]
					copy(b[at&^7:], binary.LittleEndian.AppendUint64(nil, v))
				case 3:
					if rng.IntN(20) == 0 {
						b = b[:at+1]
					}
				}
			}
			check(t, b)
		}
	}
}
