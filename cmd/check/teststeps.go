package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// testEnv is what every test runs with, d's driver included.
func (c *checker) testEnv(d driver) []string {
	env := []string{"VKLSTM_VALIDATION=1", "NODEVICE_SELECT=1", "TF_CPP_MIN_LOG_LEVEL=3", "CUDA_VISIBLE_DEVICES="}
	if c.tools.python != "" {
		env = append(env, "VKLSTM_PYTHON="+c.tools.python)
	}
	if c.setup {
		env = append(env, "VKLSTM_REQUIRE_PYTHON=1")
	}
	if c.setup || len(d.env) > 0 { // a driver that was pinned must work
		env = append(env, "VKLSTM_REQUIRE_DEVICE=1")
	}
	return append(env, d.env...)
}

// goTest runs go test -json with the given arguments and reads what it says. The error is of the command itself, not of
// a test. Results are never taken from Go's cache, which does not know of drivers, save in -fast.
func (c *checker) goTest(cmd command, args ...string) (*suite, error) {
	base := []string{"go", "test", "-json", "-timeout", "10m"}
	if !c.fast {
		base = append(base, "-count=1")
	}
	cmd.args = append(base, args...)
	if cmd.limit == 0 {
		cmd.limit = 40 * time.Minute
	}
	return c.readTests(cmd)
}

// readTests runs a command that prints the events of go test -json.
func (c *checker) readTests(cmd command) (*suite, error) {
	r, w := io.Pipe()
	cmd.stdout = w
	var s *suite
	var readErr error
	var done sync.WaitGroup
	done.Go(func() {
		var echo io.Writer
		if c.verbose {
			echo = c.out
		}
		s, readErr = readSuite(r, echo, provokes)
		io.Copy(io.Discard, r)
	})
	out, err := c.run(cmd)
	w.Close()
	done.Wait()
	if readErr != nil {
		return nil, readErr
	}
	if c.ctx.Err() != nil {
		return nil, c.ctx.Err()
	}
	if c.verbose {
		fmt.Fprintf(c.out, "slowest:\n%s", s.slowest(25))
	}
	// A failed test makes the command fail too; without one, the command says what went wrong.
	if err != nil && s.failed == 0 {
		return nil, fmt.Errorf("%s%s\n%w", s.stray, out, err)
	}
	return s, nil
}

// tests runs one half of the packages: those that touch Vulkan, on a driver, or the others.
func (c *checker) tests(vulkan bool, d driver) result {
	if d.absent != "" {
		return result{absent: d.absent}
	}
	list, err := c.packages()
	if err != nil {
		return bad(err.Error())
	}
	touch, others := split(list)
	if !vulkan {
		touch = others
	}
	return c.suite(d, touch)
}

// wholeOn is the driver on which all packages that touch Vulkan are tested, where it is here. The others run those that record
// dispatches: what trains on them goes the same way on each.
const wholeOn = "lavapipe8"

// recorders are the packages that record dispatches.
var recorders = []string{"./gpu/...", "./model/vulkan/..."}

// onDriver runs the tests that are for a driver.
func (c *checker) onDriver(d driver) result {
	if d.name == wholeOn || d.name == c.oneDriver().name || d.absent != "" {
		return c.tests(true, d)
	}
	return c.suite(d, recorders)
}

// suite runs the tests of packages on a driver. flags are go test's.
func (c *checker) suite(d driver, packages []string, flags ...string) result {
	if len(packages) == 0 {
		return bad("no package has such tests")
	}
	env := c.testEnv(d)
	s, err := c.goTest(command{env: env}, slices.Concat(flags, []string{"-skip", leftOut}, packages)...)
	if err != nil {
		return bad(err.Error())
	}
	r := s.result(c.setup, c.shared)
	if r.passed+r.failed+r.skipped == 0 {
		return bad("no test ran")
	}
	return r
}

// nocgo runs the tests of what computes without cgo, which takes another engine.
func (c *checker) nocgo() result {
	s, err := c.goTest(command{env: append(c.testEnv(driver{}), "CGO_ENABLED=0", "VKLSTM_REQUIRE_DEVICE=0")}, "-skip", leftOut, "./model/cpu/...", "./train")
	if err != nil {
		return bad(err.Error())
	}
	return s.result(c.setup, c.shared)
}

// race runs the packages that start goroutines under the race detector, on one driver.
func (c *checker) race() result {
	if !found("gcc") && !found("clang") && !found("cc") {
		return result{absent: "the race detector needs a C compiler (Debian: gcc libc6-dev)"}
	}
	list, err := c.packages()
	if err != nil {
		return bad(err.Error())
	}
	racy, err := concurrent(list)
	if err != nil {
		return bad(err.Error())
	}
	return c.suite(c.oneDriver(), racy, "-race")
}

// gogc collects garbage all the time, since the Vulkan binding once let the collector free memory that a call still read.
func (c *checker) gogc() result {
	d := c.oneDriver()
	d.env = append([]string{"GOGC=1"}, d.env...)
	return c.suite(d, []string{"./gpu/..."})
}

// bench runs every benchmark once, on one driver and without the validation layer, and counts them.
func (c *checker) bench() result {
	d := c.oneDriver()
	env := d.env
	if c.setup || len(d.env) > 0 {
		env = append(slices.Clone(env), "VKLSTM_REQUIRE_DEVICE=1")
	}
	out, err := c.run(command{args: []string{"go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1x", "-timeout", "20m", "./..."}, env: env, limit: 30 * time.Minute})
	if err != nil {
		return bad(fmt.Sprintf("%s\n%v", out, err))
	}
	n := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Benchmark") && strings.Contains(line, " ns/op") {
			n++
		}
	}
	if n == 0 {
		return bad(fmt.Sprintf("%s\nno benchmark ran", out))
	}
	return good(fmt.Sprintf("%d benchmarks", n))
}
