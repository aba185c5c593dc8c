package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	scigolib "github.com/scigolib/hdf5"
)

// sample returns a group with more children than one symbol table node holds, nested groups and odd strings.
func sample() *Group {
	g := &Group{}
	g.SetString("text", "größe")
	g.SetString("empty", "")
	g.SetStrings("list", []string{"a", "", "ccc"})
	g.SetStrings("none", nil)
	for i := range 100 {
		g.Array(fmt.Sprintf("many/x%d", i), []int{1, i%3 + 1}, []float32{float32(i), -1, 0.5}[:i%3+1])
	}
	g.Array("deep/er/w", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6})
	g.Array("deep/er/v", []int{1}, []float32{float32(math.Inf(1))})
	g.Group("bare")
	return g
}

func open(t *testing.T, data []byte) *Object {
	t.Helper()
	f, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestRoundTrip(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	root := open(t, data)
	for name, want := range map[string][]string{"text": {"größe"}, "empty": {""}, "list": {"a", "", "ccc"}, "none": nil} {
		if got, err := root.Strings(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("attribute %q: %q, %v, want %q", name, got, err, want)
		}
	}
	if got, err := root.ScalarStrings(); err != nil || !reflect.DeepEqual(got, map[string]string{"text": "größe", "empty": ""}) {
		t.Errorf("scalar attributes: %q, %v", got, err)
	}
	if _, err := root.Strings("absent"); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent attribute: %v", err)
	}
	check := func(path string, shape []int, want []float32) {
		t.Helper()
		o, err := root.Child(path)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := o.Shape(); err != nil || !slices.Equal(s, shape) {
			t.Errorf("%s: shape %v, %v, want %v", path, s, err, shape)
		}
		if a, err := o.Floats(); err != nil || !slices.Equal(a, want) {
			t.Errorf("%s: %v, %v, want %v", path, a, err, want)
		}
		if _, err := o.Int(); err == nil {
			t.Errorf("%s is no integer", path)
		}
	}
	for i := range 100 {
		check(fmt.Sprintf("many/x%d", i), []int{1, i%3 + 1}, []float32{float32(i), -1, 0.5}[:i%3+1])
	}
	check("deep/er/w", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6})
	check("/deep//er/v", []int{1}, []float32{float32(math.Inf(1))})
	for _, path := range []string{"many/x100", "deep/er/w/x", "bare/x", "x"} {
		if _, err := root.Child(path); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if root.Has("absent") || !root.Has("bare") {
		t.Error("Has errs")
	}
	bare, err := root.Child("bare")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Floats(); err == nil {
		t.Error("a group has elements")
	}
}

func TestEncodeRefuses(t *testing.T) {
	for what, build := range map[string]func(g *Group){
		"two attributes":   func(g *Group) { g.SetString("a", "x"); g.SetString("a", "y") },
		"zero byte":        func(g *Group) { g.SetString("a", "x\x00") },
		"no name":          func(g *Group) { g.SetString("", "x") },
		"long attribute":   func(g *Group) { g.SetStrings("a", slices.Repeat([]string{strings.Repeat("x", 100)}, 700)) },
		"empty child":      func(g *Group) { g.Group("a").Group("") },
		"slash":            func(g *Group) { g.Group("a/b") },
		"array over group": func(g *Group) { g.Group("a"); g.Array("a", []int{1}, []float32{1}) },
		"group over array": func(g *Group) { g.Array("a", []int{1}, []float32{1}); g.Group("a") },
		"no elements":      func(g *Group) { g.Array("a", []int{0}, nil) },
		"too many children": func(g *Group) {
			for i := range 2*internalK*2*leafK + 1 {
				g.Group(fmt.Sprint(i))
			}
		},
	} {
		g := &Group{}
		build(g)
		if b, err := g.Encode(); err == nil || b != nil {
			t.Errorf("%s: %d bytes, %v", what, len(b), err)
		}
	}
}

// TestSecondOpinion reads our file with an independent reader.
func TestSecondOpinion(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.h5")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := scigolib.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string][]float64{}
	f.Walk(func(path string, o scigolib.Object) {
		if d, ok := o.(*scigolib.Dataset); ok {
			if got[path], err = d.Read(); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
	if len(got) != 102 || !slices.Equal(got["/deep/er/w"], []float64{1, 2, 3, 4, 5, 6}) || !slices.Equal(got["/many/x98"], []float64{98, -1, 0.5}) {
		t.Errorf("%d arrays: %v", len(got), got)
	}
}

// TestH5py reads our file with the HDF5 library, and files of the HDF5 library with ours.
func TestH5py(t *testing.T) {
	interpreter := os.Getenv("VKLSTM_PYTHON")
	if interpreter == "" && os.Getenv("VKLSTM_REQUIRE_PYTHON") == "1" {
		t.Fatal("VKLSTM_REQUIRE_PYTHON=1, but VKLSTM_PYTHON names no interpreter with h5py; run go run ./cmd/check -setup")
	}
	if interpreter == "" {
		t.Skip("no HDF5 library to judge the file: VKLSTM_PYTHON names no interpreter; go run ./cmd/check -setup installs one")
	}
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ours.h5"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(interpreter, "testdata/h5py_judge.py", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if data, err = os.ReadFile(filepath.Join(dir, "theirs.h5")); err != nil {
		t.Fatal(err)
	}
	root := open(t, data)
	for _, name := range []string{"vlen", "fixed", "terminated", "spaces"} {
		if got, err := root.Strings(name); err != nil || !slices.Equal(got, []string{"a", "größe", ""}) {
			t.Errorf("attribute %q: %q, %v", name, got, err)
		}
	}
	if got, err := root.Strings("number"); !errors.Is(err, ErrFormat) {
		t.Errorf("attribute number: %q, %v", got, err)
	}
	for _, name := range []string{"f2", "f4", "f8", "f4be", "f8be", "f2be", "gzip", "gzip_f2", "edge", "compact"} {
		o, err := root.Child(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.Floats()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, x := range got {
			if want := (float32(i) - 20) / 8; x != want { // exact in 16 bits
				t.Errorf("%s: element %d is %v, want %v", name, i, x, want)
				break
			}
		}
		if len(got) != 60 {
			t.Errorf("%s: %d elements", name, len(got))
		}
	}
	tall, err := root.Child("tall")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tall.Floats(); err != nil || len(got) != 600 || got[1] != 1 || got[599] != 599 {
		t.Errorf("tall: %v, %v", got, err)
	}
	small, err := root.Child("half")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := small.Floats(); err != nil || !slices.Equal(got, []float32{0x1p-24, 0x3ffp-24, 0x1p-14, 65504, float32(math.Inf(-1))}) {
		t.Errorf("subnormal and extreme halves: %v, %v", got, err)
	}
	for name, want := range map[string]int64{"i1": -7, "i2be": -300, "u4": 4000000000, "i8": -1 << 40} {
		o, err := root.Child(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.Int(); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", name, got, err, want)
		}
	}
	for name, kind := range map[string]error{"hole": ErrFormat, "never": ErrFormat, "lzf": ErrUnsupported, "checksum": ErrUnsupported, "text": ErrUnsupported, "bfloat": ErrUnsupported} {
		o, err := root.Child(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.Floats(); !errors.Is(err, kind) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, kind)
		}
	}
	if data, err = os.ReadFile(filepath.Join(dir, "bomb.h5")); err != nil {
		t.Fatal(err)
	}
	bomb, err := open(t, data).Child("x")
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := bomb.Floats()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrTooLarge) || n > 200<<20 {
		t.Errorf("1 GiB in a file of %d bytes: %d elements, %v, with %d bytes allocated", len(data), len(got), err, n)
	}
	if _, err := root.Child("soft"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("soft link: %v", err)
	}
}

// readW reads the array g/w.
func readW(data []byte) ([]float32, error) {
	f, err := Open(data)
	if err != nil {
		return nil, err
	}
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	o, err := root.Child("g/w")
	if err != nil {
		return nil, err
	}
	return o.Floats()
}

// TestHostile puts values into a sound file that have ended or hung other readers.
func TestHostile(t *testing.T) {
	g := &Group{}
	g.SetStrings("a", []string{"p", "q", "r", "s", "t", "u", "v"})
	g.Group("g").Array("w", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6})
	good, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	find := func(s string) int {
		i := bytes.Index(good, []byte(s))
		if i < 0 {
			t.Fatalf("%q is not in the file", s)
		}
		return i
	}
	heap, node := find("HEAP"), find("SNOD")
	dims := find(string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 2), 3)))
	root := int(binary.LittleEndian.Uint64(good[64:]))
	tree := find("TREE")
	for _, tc := range []struct {
		what  string
		at    int
		value uint64
	}{
		{"heap of 2^62 bytes", heap + 8, 1 << 62},
		{"heap of 2^36 bytes", heap + 8, 1 << 36},
		{"heap beyond the end", heap + 24, uint64(len(good)) - 1},
		{"array of 2^36 rows", dims, 1 << 36},
		{"array of 2^63 rows", dims, 1 << 63},
		{"row of 2^62 elements", dims + 8, 1 << 62},
		{"child is the root", node + 16, uint64(root)},
		{"name beyond the heap", node + 8, 1 << 40},
		{"tree node points to itself", tree + 32, uint64(tree)},
		{"root beyond the end", 64, 1 << 50},
		{"root at the superblock", 64, 0},
		{"file longer than it is", 40, uint64(len(good)) + 1},
	} {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint64(b[tc.at:], tc.value)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, err := readW(b)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read %v", tc.what, a)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", tc.what, n, len(b))
		}
	}
	// A level 1 tree node that is its own child is refused by its level.
	b := bytes.Clone(good)
	b[tree+5], b[tree+6] = 1, 200
	for i := range 32 {
		binary.LittleEndian.PutUint64(b[tree+32+16*i:], uint64(tree))
	}
	if _, err := readW(b); err == nil || !strings.Contains(err.Error(), "level 1") {
		t.Errorf("a tree that is its own child: %v", err) // the budget alone would let it recurse too deep
	}
	b = bytes.Clone(good)
	count := find(string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 7), 7)))
	binary.LittleEndian.PutUint64(b[count:], 1<<20)
	if got, err := open(t, b).Strings("a"); !errors.Is(err, ErrFormat) {
		t.Errorf("attribute of 2^20 strings in 7 bytes: %d strings, %v", len(got), err)
	}
	for n := range len(good) {
		if _, err := Open(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are a file", n, len(good))
		}
	}
}
