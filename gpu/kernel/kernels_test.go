package kernel_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// One name, five things: a shader has a binding, a reference, a test, a benchmark and a row in the catalogue. The input
// kernels' reference is package augment; advance needs none.
func TestEveryKernelIsComplete(t *testing.T) {
	files, err := filepath.Glob("../../shaders/*.comp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shaders: %v", err)
	}
	catalogue, err := os.ReadFile("../../shaders/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".comp")
		binding, err := os.ReadFile(name + ".go")
		if err != nil {
			t.Errorf("%s.comp has no binding: %v", name, err)
			continue
		}
		m := regexp.MustCompile(`// (\w+) is ` + name + `\.comp`).FindSubmatch(binding)
		if m == nil {
			t.Errorf("%s.go has no type that says it is %s.comp", name, name)
			continue
		}
		tests, err := os.ReadFile(name + "_test.go")
		if err != nil {
			t.Errorf("%s.comp has no test: %v", name, err)
		}
		for _, want := range []string{"func Test" + string(m[1]) + "(", "func Benchmark" + string(m[1]) + "("} {
			if !strings.Contains(string(tests), want) {
				t.Errorf("%s_test.go has no %s", name, strings.TrimSuffix(want, "("))
			}
		}
		if _, err := os.Stat("../../model/reference/" + name + ".go"); err != nil &&
			!slices.Contains([]string{"gather", "time_warp", "augment", "advance", "resident_input"}, name) {
			t.Errorf("%s.comp has no reference", name)
		}
		if !strings.Contains(string(catalogue), "| `"+name+"` |") {
			t.Errorf("shaders/README.md has no row for %s", name)
		}
	}
	rows := bufio.NewScanner(strings.NewReader(string(catalogue)))
	for rows.Scan() {
		if m := regexp.MustCompile("^\\| `(\\w+)` \\|").FindStringSubmatch(rows.Text()); m != nil {
			if _, err := os.Stat("../../shaders/" + m[1] + ".comp"); err != nil {
				t.Errorf("shaders/README.md has a row for %s, which is no shader", m[1])
			}
		}
	}
}
