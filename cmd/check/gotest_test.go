package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func provokesNothing(string) bool { return false }

// madeUp is a module whose tests end in every way a test can end.
var madeUp = map[string]string{
	"go.mod": "module made\n\ngo 1.26.0\n",
	"good/good_test.go": `package good
import ("fmt"; "testing")
func TestGood(t *testing.T) {}
func TestParent(t *testing.T) { t.Run("a", func(t *testing.T) {}); t.Run("b/c", func(t *testing.T) {}) }
func TestSkip(t *testing.T) { t.Skip("no device here") }
func TestShared(t *testing.T) { t.Skip("shared data not present: ../shared") }
func TestLoud(t *testing.T) { fmt.Println("validation: SYNC-HAZARD-READ-AFTER-WRITE: a barrier is missing, VUID-1 too") }
func TestProof(t *testing.T) { fmt.Println("validation: VUID-vkCmdDispatch-None-02706: beyond") }
func Example() { fmt.Println("x")
	// Output: x
}
`,
	"bad/bad_test.go": `package bad
import "testing"
func TestBad(t *testing.T) { t.Error("wrong number") }
func TestChild(t *testing.T) { t.Run("a", func(t *testing.T) { t.Error("child") }); t.Run("b", func(t *testing.T) {}) }
func TestOwn(t *testing.T) { t.Run("a", func(t *testing.T) {}); t.Error("own") }
`,
	"panics/panics_test.go": `package panics
import "testing"
func TestBefore(t *testing.T) {}
func TestPanics(t *testing.T) { panic("gone") }
func TestNever(t *testing.T) {}
`,
	"exits/exits_test.go": `package exits
import ("os"; "testing")
func TestMain(m *testing.M) { m.Run(); println("left early"); os.Exit(3) }
func TestFine(t *testing.T) {}
`,
	"dies/dies_test.go": `package dies
import ("os"; "testing")
func TestDies(t *testing.T) { os.Exit(7) }
`,
	"broken/broken_test.go": `package broken
import "testing"
func TestBroken(t *testing.T) { undefined() }
`,
}

// judge runs go test on one package of the made-up module.
func judge(t *testing.T, pkg string, provoked func(string) bool) *suite {
	t.Helper()
	dir := t.TempDir()
	for name, text := range madeUp {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := exec.Command("go", "test", "-json", "-count=1", "-vet=off", "./"+pkg)
	p.Dir = dir
	p.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, _ := p.Output() // a failed test is what these packages are for
	s, err := readSuite(strings.NewReader(string(out)), nil, provoked)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuiteCounts(t *testing.T) {
	for _, tc := range []struct {
		pkg                     string
		passed, failed, skipped int
		output                  string // of the failures
	}{
		{"good", 6, 0, 2, ""},
		{"bad", 2, 3, 0, "wrong number"},
		{"panics", 1, 1, 0, "gone"},
		{"exits", 1, 1, 0, "left early"},
		{"dies", 0, 1, 0, "did not finish"},
		{"broken", 0, 1, 0, "undefined: undefined"},
	} {
		t.Run(tc.pkg, func(t *testing.T) {
			s := judge(t, tc.pkg, provokesNothing)
			if s.passed != tc.passed || s.failed != tc.failed || s.skipped != tc.skipped {
				t.Errorf("%d passed, %d failed, %d skipped; want %d, %d, %d", s.passed, s.failed, s.skipped, tc.passed, tc.failed, tc.skipped)
			}
			if r := s.result(false, false); !strings.Contains(r.output, tc.output) {
				t.Errorf("the failures do not say %q:\n%s", tc.output, r.output)
			}
		})
	}
}

func TestSkipsWithSetup(t *testing.T) {
	s := judge(t, "good", provokesNothing)
	s.messages = nil
	for _, tc := range []struct {
		name            string
		strict, shared  bool
		failed, skipped int
	}{
		{"without -setup any test may skip", false, true, 0, 2},
		{"with it, only for want of shared data", true, false, 1, 1},
		{"which must be wanting", true, true, 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.result(tc.strict, tc.shared)
			if r.failed != tc.failed || r.skipped != tc.skipped {
				t.Errorf("%d failed, %d skipped; want %d, %d", r.failed, r.skipped, tc.failed, tc.skipped)
			}
			if tc.failed > 0 && !strings.Contains(r.output, "no device here") {
				t.Errorf("the reason is not given: %s", r.output)
			}
		})
	}
}

func TestValidationMessages(t *testing.T) {
	s := judge(t, "good", func(test string) bool { return test == "TestProof" })
	if len(s.messages) != 1 || !strings.Contains(s.messages[0], "TestLoud: SYNC-HAZARD-READ-AFTER-WRITE") {
		t.Fatalf("messages %q; want the one of TestLoud", s.messages)
	}
	if r := s.result(false, false); r.failed != 1 {
		t.Errorf("a validation message of a test that passes must fail the run: %+v", r)
	}
	if s := judge(t, "good", provokesNothing); len(s.messages) != 2 {
		t.Errorf("messages %q; want two", s.messages)
	}
}

func TestKeepsTheEndOfLongOutput(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"Action":"run","Package":"p","Test":"TestLong"}` + "\n")
	line := `{"Action":"output","Package":"p","Test":"TestLong","Output":"` + strings.Repeat("x", 1000) + `\n"}` + "\n"
	b.WriteString(strings.Repeat(line, 2000))
	b.WriteString(`{"Action":"output","Package":"p","Test":"TestLong","Output":"the end\n"}` + "\n")
	b.WriteString(`{"Action":"fail","Package":"p","Test":"TestLong"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n")
	s, err := readSuite(strings.NewReader(b.String()), nil, provokesNothing)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.failures) != 1 {
		t.Fatalf("%d failures, want 1", len(s.failures))
	}
	if out := s.failures[0].Output; len(out) > maxOutput+2000 || !strings.HasSuffix(out, "the end\n") {
		t.Errorf("%d bytes kept, the last %q", len(out), out[len(out)-20:])
	}
}

func TestSlowest(t *testing.T) {
	s, err := readSuite(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA","Elapsed":1}
{"Action":"pass","Package":"p","Test":"TestB/x","Elapsed":9}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":10}
{"Action":"pass","Package":"p","Elapsed":11.5}
`), nil, provokesNothing)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.slowest(2), "    11.5 s  p \n    10.0 s  p TestB\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSplitPackages(t *testing.T) {
	list, err := readPackages(strings.NewReader(`
{"ImportPath": "m/gpu", "Module": {"Path": "m"}, "XTestGoFiles": ["a_test.go"], "XTestImports": ["m/gpu/gputest"], "Deps": ["fmt"]}
{"ImportPath": "m/gpu/internal/vk", "Module": {"Path": "m"}, "TestGoFiles": ["a_test.go"]}
{"ImportPath": "m/gpu/gputest", "Module": {"Path": "m"}, "Deps": ["m/gpu"]}
{"ImportPath": "m/model", "Module": {"Path": "m"}, "TestGoFiles": ["a_test.go"], "TestImports": ["testing"]}
{"ImportPath": "m/model/vulkan", "Module": {"Path": "m"}, "TestGoFiles": ["a_test.go"], "Deps": ["fmt", "m/gpu"]}
{"ImportPath": "m/model/reference", "Module": {"Path": "m"}, "XTestGoFiles": ["a_test.go"], "XTestImports": ["m/gpu/gputest"]}
{"ImportPath": "m/gpuless", "Module": {"Path": "m"}, "TestGoFiles": ["a_test.go"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	vulkan, others := split(list)
	if want := []string{"m/gpu", "m/gpu/internal/vk", "m/model/vulkan", "m/model/reference"}; !slices.Equal(vulkan, want) {
		t.Errorf("vulkan %v, want %v", vulkan, want)
	}
	if want := []string{"m/model", "m/gpuless"}; !slices.Equal(others, want) {
		t.Errorf("others %v, want %v", others, want)
	}
}

func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	p := func(name, code, test string) pkg {
		for f, text := range map[string]string{name + ".go": code, name + "_test.go": test} {
			if err := os.WriteFile(filepath.Join(dir, f), []byte("package p\n\n"+text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return pkg{ImportPath: name, Dir: dir, GoFiles: []string{name + ".go"}, TestGoFiles: []string{name + "_test.go"}}
	}
	got, err := concurrent([]pkg{
		p("plain", "func f() {} // go f()", "var s = `go f()`"),
		p("statement", "func f() { if true { go f() } }", ""),
		p("group", "func f() { var w sync.WaitGroup; w.Go(f) }", ""),
		p("test", "func f() {}", "func g() { go f() }"),
		{ImportPath: "untested", Dir: dir, GoFiles: []string{"statement.go"}},
	})
	if want := []string{"statement", "group", "test"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// Every test that needs the shared folder names the variable that says where it is.
func TestWantsShared(t *testing.T) {
	for text, want := range map[string]bool{
		"no ../shared/data: put the shared folder beside the repository, or name it in VKLSTM_SHARED": true,
		"shared data not present: ../shared": true,
		"there is no Vulkan device":          false,
	} {
		if got := (report{Output: text}).wantsShared(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
