package gpu_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vklstm/gpu"
)

// compileOne opens a device with a cache folder, runs a kernel and closes it; it returns the cache's file.
func compileOne(t *testing.T, dir string, constants ...uint32) string {
	t.Helper()
	d := another(t, gpu.WithCacheDir(dir))
	y := buffer(t, d, "y", make([]uint32, 128))
	for range 2 {
		r := d.NewRecording("r")
		r.DispatchWith(append([]uint32{8}, constants...), "count", gpu.Threads(1), gpu.Push(1, 1), gpu.ReadWrite(y.Slice(0, 64)), gpu.ReadWrite(y.Slice(64, 64)))
		run(t, r)
	}
	if d.Compiled() != 1 {
		t.Errorf("%d pipelines for one kernel", d.Compiled())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return d.CacheFile()
}

func TestPipelineCache(t *testing.T) {
	d := device(t)
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	file := compileOne(t, dir, 1)
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
	data := gpu.ReadCache(file, d.Physical())
	if len(data) < 32 {
		t.Fatalf("%d bytes were read back", len(data))
	}
	// Damage of every kind is ignored, and the device works and writes a whole cache again.
	flip := func(at int) []byte {
		b := bytes.Clone(first)
		b[at] ^= 1
		return b
	}
	body := len(first) - len(data)
	other := bytes.Clone(data)
	other[8]++ // the vendor
	for name, damaged := range map[string][]byte{
		"empty": {}, "cut": first[:len(first)-1], "header cut": first[:body+16], "text": []byte("hello"),
		"magic": flip(0), "sum": flip(body - 1), "payload": flip(len(first) - 1), "longer": append(bytes.Clone(first), 0),
	} {
		if err := os.WriteFile(file, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if gpu.ReadCache(file, d.Physical()) != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for i, at := range []int{0, 4, 8, 12, 16, 31} { // header length, version, vendor, device, UUID
		foreign := bytes.Clone(data)
		foreign[at]++
		if err := gpu.WriteCache(file, foreign); err != nil {
			t.Fatal(err)
		}
		if gpu.ReadCache(file, d.Physical()) != nil {
			t.Errorf("foreign cache %d: accepted", i)
		}
	}
	compileOne(t, dir, 2)
	if gpu.ReadCache(file, d.Physical()) == nil {
		t.Error("no whole cache was written over a foreign one")
	}
}

// TestUnwritableCache: a cache folder that cannot be made is no error.
func TestUnwritableCache(t *testing.T) {
	device(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	compileOne(t, filepath.Join(file, "folder"), 1)
	if got := compileOne(t, "", 1); got != "" {
		t.Errorf("a cache in %q without a folder", got)
	}
}
