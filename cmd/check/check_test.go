package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLastLine(t *testing.T) {
	var total tally
	total.add("gofmt", good(""))
	total.add("test-cpu", result{passed: 120, skipped: 1, skips: []report{{"p", "TestA", "    a_test.go:1: shared data not present: ../shared\n"}}})
	total.add("race", result{passed: 2, skipped: 2, skips: []report{
		{"p", "TestA", "    a_test.go:1: shared data not present: ../shared\n"}, {"p", "TestB", "    b_test.go:1: too slow\n--- SKIP: TestB\n"}}})
	total.add("spirv", result{absent: "spirv-val is not here"})
	var b strings.Builder
	total.print(&b, time.Second)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if last := lines[len(lines)-1]; last != "123 passed, 0 failed, 3 skipped" {
		t.Errorf("last line %q", last)
	}
	for _, want := range []string{"validation messages: 0", "  p TestA", "  p TestB: b_test.go:1: too slow", "  spirv"} {
		if n := strings.Count(b.String(), "\n"+want+"\n"); n != 1 {
			t.Errorf("the line %q stands there %d times:\n%s", want, n, b.String())
		}
	}
}

func TestChoose(t *testing.T) {
	names := func(list []step) (n []string) {
		for _, s := range list {
			n = append(n, s.name)
		}
		return n
	}
	for _, tc := range []struct {
		only string
		fast bool
		want string
	}{
		{"gofmt,race", false, "gofmt race"},
		{"test", false, "test-cpu test-nocgo test-lavapipe4 test-lavapipe8 test-lavapipe16 test-swiftshader"},
		{"test-device", false, "test-device"},
		{"", true, "gofmt vet staticcheck test-cpu test-one"},
		{"", false, "gofmt vet staticcheck build spirv kernels test-cpu test-nocgo test-lavapipe4 test-lavapipe8 test-lavapipe16 test-swiftshader newer-layer matrices live-layer live-kernel live-table race gogc bench"},
	} {
		got, err := choose(steps(), tc.only, tc.fast)
		if err != nil || strings.Join(names(got), " ") != tc.want {
			t.Errorf("-run %q -fast=%v: %v, %v; want %s", tc.only, tc.fast, names(got), err, tc.want)
		}
	}
	if _, err := choose(steps(), "gofmt,rice", false); err == nil || !strings.Contains(err.Error(), `no step "rice"`) {
		t.Errorf("an unknown step: %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"go.mod": "module made\n", "a.go": "package a\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args []string
		want int
		say  string
	}{
		{[]string{"-list"}, 0, ""},
		{[]string{"-run", "rice"}, 2, "rice"},
		{[]string{"-nonsense"}, 2, "nonsense"},
		{[]string{"everything"}, 2, "everything"},
		{[]string{"-run", "gofmt", "-update"}, 2, "-update"},
		{[]string{"-run", "gofmt"}, 0, ""},
	} {
		var out, complaint strings.Builder
		if got := run(context.Background(), tc.args, &out, &complaint); got != tc.want || !strings.Contains(complaint.String(), tc.say) {
			t.Errorf("check %v: %d %q, want %d\n%s", tc.args, got, complaint.String(), tc.want, out.String())
		}
	}
	os.WriteFile("a.go", []byte("package   a\n"), 0o644)
	var out strings.Builder
	if got := run(context.Background(), []string{"-run", "gofmt"}, &out, &out); got != 1 || !strings.HasSuffix(out.String(), "\n0 passed, 1 failed, 0 skipped\n") {
		t.Errorf("a file that is not formatted: %d\n%s", got, out.String())
	}
}

// A step that lacks its tool is a failure under -setup and only noted without.
func TestMissingTool(t *testing.T) {
	lacks := step{name: "s", run: func(*checker) result { return result{absent: "spirv-val is not here"} }}
	for _, setup := range []bool{false, true} {
		var out strings.Builder
		c := &checker{ctx: context.Background(), out: &out, setup: setup}
		c.do(lacks)
		if failed := c.total.failed > 0; failed != setup || !strings.Contains(out.String(), "spirv-val is not here") {
			t.Errorf("setup %v: %d failed, %q", setup, c.total.failed, out.String())
		}
	}
}

func TestGofmt(t *testing.T) {
	c := &checker{root: t.TempDir()}
	write := func(name, text string) {
		file := filepath.Join(c.root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a/good.go", "package a\n\nvar x = 1\n")
	write(".local/ugly.go", "package   a\n")
	write("a/testdata/ugly.go", "package   a\n")
	if r := c.gofmt(); r.failed != 0 || r.passed != 1 {
		t.Errorf("a formatted tree: %+v", r)
	}
	write("a/ugly.go", "package a\nvar  x = 1\n")
	write("a/wrong.go", "package\n")
	if r := c.gofmt(); r.failed != 1 || !strings.Contains(r.output, "ugly.go") || !strings.Contains(r.output, "wrong.go") {
		t.Errorf("an unformatted tree: %+v", r)
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{"PATH=/bin", "VK_ICD_FILENAMES=mine", "GOGC=off", "HOME=/h", "VKLSTM_DEVICE=2", "VKLSTM_SHARED=/s"},
		[]string{"GOGC=1", "HOME=/other", "CUDA_VISIBLE_DEVICES="})
	if want := []string{"PATH=/bin", "VKLSTM_SHARED=/s", "GOGC=1", "HOME=/other", "CUDA_VISIBLE_DEVICES="}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestShorten(t *testing.T) {
	long := strings.Repeat("line\n", 1000)
	if s := shorten(long); strings.Count(s, "\n") != 400 || !strings.Contains(s, "… 60") {
		t.Errorf("%d lines", strings.Count(s, "\n"))
	}
	if s := shorten("a\nb\n"); s != "a\nb\n" {
		t.Errorf("a short output becomes %q", s)
	}
}

func TestFetchTriesAgain(t *testing.T) {
	dir := t.TempDir()
	c := &checker{ctx: context.Background(), root: dir}
	// Fails once, then finds its own mark.
	if err := c.fetch(command{args: []string{"sh", "-c", "test -e mark || { touch mark; exit 1; }"}}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.ctx = ctx
	if err := c.fetch(command{args: []string{"sh", "-c", "exit 1"}}); err == nil {
		t.Error("a command of a cancelled run succeeds")
	}
}

func TestTimeLimit(t *testing.T) {
	c := &checker{ctx: context.Background(), root: t.TempDir()}
	_, err := c.run(command{args: []string{"sleep", "60"}, limit: 50 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "not done after 50ms") {
		t.Errorf("error %v", err)
	}
}

func TestUntar(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	file := func(name, text string) {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write([]byte(text))
	}
	link := func(name, to string) {
		w.WriteHeader(&tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink})
	}
	file("./usr/lib/libdrm.so.2.1", "drm")
	link("./usr/lib/libdrm.so.2", "libdrm.so.2.1")
	link("./usr/lib/libevil.so", "../../etc/passwd")
	file("./usr/share/icd.json", "{}")
	file("./usr/share/other", "no")
	w.Close()
	dir := t.TempDir()
	names, err := untar(&b, dir, func(p string) string {
		switch {
		case strings.HasPrefix(p, "/usr/lib/"):
			return path.Base(p)
		case p == "/usr/share/icd.json":
			return "driver.json"
		}
		return ""
	})
	if want := []string{"libdrm.so.2.1", "libdrm.so.2", "driver.json"}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("%v, %v; want %v", names, err, want)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "libdrm.so.2")); err != nil || string(text) != "drm" {
		t.Errorf("through the link: %q, %v", text, err)
	}
	if err := contains(names, "driver.json", "gone.so"); err == nil || !strings.Contains(err.Error(), "gone.so") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestManifest(t *testing.T) {
	out, err := manifest([]byte(`{"ICD": {"api_version": "1.4.305", "library_path": "/usr/lib/x.so"}, "file_format_version": "1.0.0"}`), "ICD", "x.so")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		ICD struct {
			Version string `json:"api_version"`
			Library string `json:"library_path"`
		}
	}
	if err := json.Unmarshal(out, &m); err != nil || m.ICD.Version != "1.4.305" || m.ICD.Library != "./x.so" {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := manifest([]byte(`{}`), "ICD", "x.so"); err == nil {
		t.Error("a manifest without a driver is taken")
	}
}

// A folder of the cache appears whole, or the old one stays.
func TestPlace(t *testing.T) {
	c := &checker{cache: filepath.Join(t.TempDir(), "cache")}
	fill := func(text string, err error) func(string, string) error {
		return func(folder, scratch string) error {
			os.WriteFile(filepath.Join(folder, "f"), []byte(text), 0o644)
			os.WriteFile(filepath.Join(scratch, "package"), nil, 0o644)
			return err
		}
	}
	read := func() string {
		text, _ := os.ReadFile(filepath.Join(c.cache, "x", "f"))
		return string(text)
	}
	if err := c.place("x", fill("one", nil)); err != nil || read() != "one" {
		t.Errorf("first: %q, %v", read(), err)
	}
	if err := c.place("x", fill("half", os.ErrDeadlineExceeded)); err == nil || read() != "one" {
		t.Errorf("a failure: %q, %v", read(), err)
	}
	if err := c.place("x", fill("two", nil)); err != nil || read() != "two" {
		t.Errorf("again: %q, %v", read(), err)
	}
	if left, _ := os.ReadDir(c.cache); len(left) != 1 {
		t.Errorf("%d entries are left in the cache, want 1", len(left))
	}
}

// module is SPIR-V of nothing but a header and instructions of three words.
func module(ops ...uint16) []byte {
	words := []uint32{0x07230203, 0x00010300, 0, 10, 0}
	for _, op := range ops {
		words = append(words, 3<<16|uint32(op), 1, 129) // the operand is no instruction
	}
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func TestMutants(t *testing.T) {
	const iadd, fadd, fsub = 128, 129, 131
	list, err := mutants(module(iadd, fadd, 61, fadd))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{module(iadd, fsub, 61, fadd), module(iadd, fadd, 61, fsub), module(130, fadd, 61, fadd)}
	if len(list) != len(want) {
		t.Fatalf("%d mutants, want %d", len(list), len(want))
	}
	for i, m := range list {
		if !bytes.Equal(m.code, want[i]) {
			t.Errorf("mutant %d (%s) is not the one expected", i, m.what)
		}
	}
	for name, code := range map[string][]byte{"no arithmetic": module(61), "text": []byte("#version 450 is not SPIR-V"), "half": module(fadd)[:24]} {
		if _, err := mutants(code); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTestsOf(t *testing.T) {
	if got, want := testsOf("mask", "lstm_step_forward"), "(?i)^Test(mask|lstmstepforward)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
