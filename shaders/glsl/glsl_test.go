package glsl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// folder is a new folder with files, by path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const kernel = `#version 450
#extension GL_GOOGLE_include_directive : require
#include "outer.glsl"
layout(local_size_x = 1) in;
layout(binding = 0) buffer Y { float y[]; };
void main() { y[0] = value(); }
`

// current pretends to have compiled: it writes the sums of the sources and empty SPIR-V.
func current(t *testing.T, dir string) {
	t.Helper()
	now, err := read(dir, []string{filepath.Join(dir, "include")})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sums.txt"), now.sums)
	for _, name := range now.names {
		write(t, spv(dir, name), "")
	}
}

func TestStale(t *testing.T) {
	files := map[string]string{
		"k.comp": kernel, "other.comp": "void main() {}\n",
		"include/outer.glsl": "#include \"inner.glsl\"\nfloat value() { return two(); }\n", "include/inner.glsl": "float two() { return 2.0; }\n",
	}
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"line ends", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "k.comp"), strings.ReplaceAll(kernel, "\n", "\r\n"))
		}, nil},
		{"source", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "k.comp"), kernel+" ") }, []string{"k.comp or a file it includes was changed"}},
		{"included file", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "include/inner.glsl"), "float two() { return 3.0; }\n")
		}, []string{"k.comp or a file it includes was changed"}},
		{"SPIR-V is gone", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "spv/k.spv")) }, []string{"k.comp has no spv/k.spv"}},
		{"a new kernel", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "new.comp"), "") }, []string{"new.comp has no spv/new.spv"}},
		{"not in the sums", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "new.comp"), "")
			write(t, filepath.Join(dir, "spv/new.spv"), "")
		}, []string{"new.comp is not in sums.txt"}},
		{"source is gone", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "other.comp")) }, []string{"spv/other.spv has no source", "sums.txt lists other"}},
		{"sums are gone", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "sums.txt")) }, []string{"k.comp is not in sums.txt", "other.comp is not in sums.txt"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := folder(t, files)
			current(t, dir)
			tc.change(t, dir)
			got, err := Stale(dir, []string{filepath.Join(dir, "include")})
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("%q, %v; want %q", got, err, tc.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tc.want[i]) {
					t.Errorf("%q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
	dir := folder(t, map[string]string{"k.comp": kernel})
	if _, err := Stale(dir, nil); err == nil || !strings.Contains(err.Error(), "includes outer.glsl, which is not found") {
		t.Errorf("missing include: %v", err)
	}
}

// need skips a test without a program that it runs; where nothing may be missing, it fails it.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("VKLSTM_REQUIRE_DEVICE") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

func TestCompile(t *testing.T) {
	need(t, "glslangValidator", "spirv-val")
	dir := folder(t, map[string]string{
		"k.comp": kernel, "include/outer.glsl": "float value() { return 2.0; }\n", "spv/left.spv": "over",
	})
	include := []string{filepath.Join(dir, "include")}
	for i, want := range [][]string{{"k"}, nil} {
		if made, err := Compile(dir, include, false); err != nil || strings.Join(made, " ") != strings.Join(want, " ") {
			t.Fatalf("call %d: compiled %q, %v; want %q", i, made, err, want)
		}
		if stale, err := Stale(dir, include); err != nil || len(stale) > 0 {
			t.Fatalf("%q, %v", stale, err)
		}
	}
	if made, err := Compile(dir, include, true); err != nil || len(made) != 1 {
		t.Errorf("forced: %q, %v", made, err)
	}
	write(t, filepath.Join(dir, "k.comp"), kernel+"nonsense")
	if _, err := Compile(dir, include, false); err == nil || !strings.Contains(err.Error(), "k.comp") || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("a syntax error: %v", err)
	}
	if stale, err := Stale(dir, include); err != nil || len(stale) != 1 {
		t.Errorf("after a failed compilation: %q, %v", stale, err)
	}
}

// A source that needs a newer compiler says how to name one, and takes the one that is named.
func TestNewerCompiler(t *testing.T) {
	need(t, "sh", "glslangValidator", "spirv-val")
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	put("x.comp", "#version 450\n#extension GL_KHR_cooperative_matrix : require\nvoid main() {}\n", 0o644)
	t.Setenv("VKLSTM_GLSLANG", put("refuses", "#!/bin/sh\nexit 1\n", 0o755))
	if _, err := Compile(dir, nil, false); err == nil || !strings.Contains(err.Error(), "VKLSTM_GLSLANG") {
		t.Errorf("a compiler that refuses: %v; the error must name VKLSTM_GLSLANG", err)
	}
	t.Setenv("VKLSTM_GLSLANG", put("compiles", "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\necho made > \"$2\"\n", 0o755))
	t.Setenv("VKLSTM_SPIRV_VAL", put("accepts", "#!/bin/sh\nexit 0\n", 0o755))
	if _, err := Compile(dir, nil, false); err != nil {
		t.Error(err)
	}
	if made, err := os.ReadFile(filepath.Join(dir, "spv", "x.spv")); err != nil || string(made) != "made\n" {
		t.Errorf("compiled %q, %v", made, err)
	}
}

// TestWords: constants keep their values, comments and paragraphs; what is no constant is left out.
func TestWords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some.glsl")
	text := "// Words.\n#ifndef A\n\nconst uint KEY_HIGH = 1u; // high half\nconst uint ALL = 0xFFu;\n\nconst uint B2 = 3u;\nconst uint C = B2 + 1u;\n\n#endif\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Words("some", file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "const (\n\tKeyHigh = 1 // high half\n\tAll     = 0xFF\n\n\tB2 = 3\n)\n"; !strings.HasSuffix(string(got), want) {
		t.Errorf("%s\nwant it to end\n%s", got, want)
	}
	if _, err := Words("some", file+"?"); err == nil {
		t.Error("a file that is not there was read")
	}
}
