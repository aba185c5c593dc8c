package shaders_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vklstm/shaders"
	"vklstm/shaders/glsl"
	"vklstm/shaders/spirv"
)

// TestCurrent: the committed SPIR-V is that of the sources.
func TestCurrent(t *testing.T) {
	stale, err := glsl.Stale(".", []string{"include"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stale {
		t.Error(s)
	}
	if len(stale) > 0 {
		t.Error("run go generate ./shaders")
	}
}

// TestWordsCurrent: the constants of package words are those of the sources.
func TestWordsCurrent(t *testing.T) {
	want, err := glsl.Words("words", "include/options.glsl", "include/penalty.glsl", "include/resident.glsl")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("words/words.go")
	if err != nil {
		t.Fatal(err)
	}
	if normal := strings.ReplaceAll(string(got), "\r\n", "\n"); normal != string(want) {
		t.Error("words/words.go is not what shaders/include declares; run go generate ./shaders")
	}
}

// What every Vulkan device has, and more would shut some out: DESIGN's smallest device, and SwiftShader beside it.
const (
	leastInvocations = 128
	leastShared      = 16 << 10 // bytes
	leastPush        = 128      // bytes
)

// TestKernels looks at all kernels: SPIR-V 1.3 for Vulkan 1.1, buffers in one set without holes, and at the sizes the source
// has by itself no more threads, shared memory and push constants than every device offers.
func TestKernels(t *testing.T) {
	sources, err := filepath.Glob("*.comp")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != len(shaders.Names()) {
		t.Errorf("%d sources, %d kernels", len(sources), len(shaders.Names()))
	}
	for _, name := range shaders.Names() {
		t.Run(name, func(t *testing.T) {
			code, err := shaders.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			m, err := spirv.Parse(code)
			if err != nil {
				t.Fatal(err)
			}
			if m.Version > 0x00010300 {
				t.Errorf("SPIR-V version %#x; Vulkan 1.1 takes 1.3", m.Version)
			}
			if err := m.Contiguous(); err != nil {
				t.Error(err)
			}
			s := m.LocalSize(nil)
			if n := s[0] * s[1] * s[2]; n == 0 || n > leastInvocations {
				t.Errorf("workgroups of %v threads; some devices have %d", s, leastInvocations)
			}
			if n := m.SharedBytes(nil); n > leastShared {
				t.Errorf("%d bytes of shared memory; some devices have %d", n, leastShared)
			}
			if m.PushBytes > leastPush {
				t.Errorf("%d bytes of push constants; some devices have %d", m.PushBytes, leastPush)
			}
			for _, b := range m.Bindings {
				if b.NonWritable && b.NonReadable {
					t.Errorf("buffer %s can neither be read nor written", b.Name)
				}
			}
		})
	}
	if _, err := shaders.Lookup("no such kernel"); err == nil {
		t.Error("Lookup finds what does not exist")
	}
}

// TestHead: each source says at its head what it computes, by its own name, as the catalogue does.
func TestHead(t *testing.T) {
	for _, name := range shaders.Names() {
		text, err := os.ReadFile(name + ".comp")
		if err != nil {
			t.Error(err)
			continue
		}
		head := strings.TrimPrefix(string(text), "#version 450\n")
		if first, _, _ := strings.Cut(head, "\n"); !strings.HasPrefix(first, "// "+name+": ") {
			t.Errorf("%s.comp begins %q; want // %s: what it computes", name, first, name)
		}
	}
}

// TestCatalogue: README.md has one row for each kernel, and none for what does not exist.
func TestCatalogue(t *testing.T) {
	names := shaders.Names()
	if len(names) == 0 {
		t.Skip("there are no kernels")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| *\\[?`([a-z0-9_]+)(?:\\.comp)?`").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]]++
	}
	for _, name := range names {
		if rows[name] != 1 {
			t.Errorf("%s has %d rows in the catalogue, README.md; a row begins | `%s` |", name, rows[name], name)
		}
		delete(rows, name)
	}
	for name := range rows {
		if !slices.Contains(names, name) {
			t.Errorf("the catalogue has a row for %s, which does not exist", name)
		}
	}
}
