package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
	Elapsed                                                float64 // seconds
}

// report is one test and what it printed. Test is empty where a package failed outside its tests.
type report struct {
	Package, Test, Output string
}

// reason is the last thing a test said.
func (r report) reason() string {
	last := "no reason given"
	for line := range strings.Lines(r.Output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			last = line
		}
	}
	return last
}

// wantsShared reports whether a test skipped for want of the shared data, which is not part of the repository.
func (r report) wantsShared() bool {
	return strings.Contains(r.Output, "shared data not present") || strings.Contains(r.Output, "VKLSTM_SHARED")
}

// suite is one run of go test. Only tests without subtests count, so that a failure counts once; a test that fails
// itself while its subtests pass counts too, and so does a package that fails outside its tests.
type suite struct {
	passed, failed, skipped int
	failures, skips         []report
	ended                   map[string]string // "package Test" → pass, fail or skip
	messages                []string          // validation messages, save those that a proof provokes
	stray                   string            // lines that are not JSON
	times                   []timed           // of whole tests and packages
}

// timed is how long a test took, subtests included, or a package, where test is empty.
type timed struct {
	pkg, test string
	seconds   float64
}

// message matches the identifiers that the Khronos validation layer gives its messages.
var message = regexp.MustCompile(`\b(VUID|SYNC-HAZARD|UNASSIGNED|SYNC-)-?[A-Za-z0-9][A-Za-z0-9_-]+`)

// maxOutput bounds what is kept of one test's output; the end is kept.
const maxOutput = 256 << 10

// readSuite reads what go test -json prints. It copies the tests' output to echo where that is not nil. provoked says
// which tests provoke validation messages on purpose.
func readSuite(r io.Reader, echo io.Writer, provoked func(test string) bool) (*suite, error) {
	s := &suite{ended: map[string]string{}}
	running := map[string]*strings.Builder{} // by "package Test"; "package " is the package itself
	builds := map[string]*strings.Builder{}
	parents := map[string]bool{}
	broken := map[string]bool{} // tests with a failed subtest, and packages with a failed test
	write := func(m map[string]*strings.Builder, key, text string) {
		b := m[key]
		if b == nil {
			b = &strings.Builder{}
			m[key] = b
		}
		if b.Len() > maxOutput {
			old := b.String()
			b.Reset()
			b.WriteString("…\n" + old[len(old)-maxOutput/2:])
		}
		b.WriteString(text)
	}
	text := func(m map[string]*strings.Builder, key string) string {
		if b := m[key]; b != nil {
			return b.String()
		}
		return ""
	}
	fail := func(pkg, test, output string) {
		s.failed++
		s.failures = append(s.failures, report{pkg, test, output})
		broken[pkg] = true
		for i := range test {
			if test[i] == '/' {
				broken[pkg+" "+test[:i]] = true
			}
		}
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line == "" && err == io.EOF {
			return s, nil
		}
		if err != nil && err != io.EOF {
			return s, fmt.Errorf("read go test: %w", err)
		}
		var e event
		if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
			s.stray += line
			if echo != nil {
				io.WriteString(echo, line)
			}
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			write(builds, e.ImportPath, e.Output)
		case "run":
			write(running, key, "")
			for i := range e.Test {
				if e.Test[i] == '/' {
					parents[e.Package+" "+e.Test[:i]] = true
				}
			}
		case "output":
			write(running, key, e.Output)
			top, _, _ := strings.Cut(e.Test, "/")
			if !provoked(top) {
				for _, id := range message.FindAllString(e.Output, -1) {
					s.messages = append(s.messages, strings.TrimSpace(e.Package+" "+e.Test+": "+id))
				}
			}
		case "pass", "fail", "skip":
			if !strings.Contains(e.Test, "/") {
				s.times = append(s.times, timed{e.Package, e.Test, e.Elapsed})
			}
			if e.Test != "" {
				s.ended[key] = e.Action
				switch {
				case e.Action == "pass" && !parents[key]:
					s.passed++
				case e.Action == "fail" && !broken[key]:
					fail(e.Package, e.Test, text(running, key))
				case e.Action == "skip":
					s.skipped++
					s.skips = append(s.skips, report{e.Package, e.Test, text(running, key)})
				}
				delete(running, key)
				break
			}
			if e.Action == "fail" {
				for k := range running { // a panic or the time limit ended the package
					pkg, test, _ := strings.Cut(k, " ")
					if pkg == e.Package && test != "" && !parents[k] {
						fail(pkg, test, text(running, k)+"the test did not finish\n")
					}
				}
				own := text(builds, e.FailedBuild) + text(running, key)
				if !broken[e.Package] {
					fail(e.Package, "", own)
				}
			}
			for k := range running {
				if pkg, _, _ := strings.Cut(k, " "); pkg == e.Package {
					delete(running, k)
				}
			}
		}
		if echo != nil {
			io.WriteString(echo, e.Output)
		}
	}
}

// result turns a suite into a step's result. strict forbids skips, those for want of shared data excepted where the
// data is indeed not there.
func (s *suite) result(strict, shared bool) result {
	r := result{passed: s.passed, failed: s.failed, skipped: s.skipped, skips: s.skips, messages: s.messages}
	var b strings.Builder
	for _, f := range s.failures {
		fmt.Fprintf(&b, "%s %s\n%s", f.Package, f.Test, f.Output)
	}
	if strict {
		for _, k := range s.skips {
			if !k.wantsShared() || shared {
				r.failed++
				r.skipped--
				fmt.Fprintf(&b, "%s %s must not skip here: %s\n", k.Package, k.Test, k.reason())
			}
		}
	}
	if len(s.messages) > 0 && r.failed == 0 {
		r.failed++
		fmt.Fprintf(&b, "validation messages, though every test passed: %s\n", strings.Join(slices.Compact(s.messages), ", "))
	}
	r.output = b.String()
	r.detail = fmt.Sprintf("%d passed, %d failed, %d skipped", r.passed, r.failed, r.skipped)
	return r
}

// slowest names the packages and tests that took longest.
func (s *suite) slowest(n int) string {
	slices.SortStableFunc(s.times, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	var b strings.Builder
	for _, t := range s.times[:min(n, len(s.times))] {
		fmt.Fprintf(&b, "%8.1f s  %s %s\n", t.seconds, t.pkg, t.test)
	}
	return b.String()
}
