package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// step is one thing to check.
type step struct {
	name, about string
	fast        bool // part of -fast
	asked       bool // runs only when -run names it
	run         func(*checker) result
}

// steps are all steps, in order: the quickest to say no come first.
func steps() []step {
	list := []step{
		{name: "gofmt", about: "every Go file is formatted", fast: true, run: (*checker).gofmt},
		{name: "vet", about: "go vet, with and without cgo", fast: true, run: (*checker).vet},
		{name: "staticcheck", about: staticcheck, fast: true, run: (*checker).staticcheck},
		{name: "build", about: "every package builds, with and without cgo; the program for Windows too, where mingw-w64's gcc is there", run: (*checker).build},
		{name: "spirv", about: "the committed SPIR-V belongs to the GLSL beside it, and spirv-val accepts it", run: (*checker).spirv},
		{name: "kernels", about: "every pipeline, compiled for AMD GPUs that are not there: no spills, no scratch memory, no growth", run: (*checker).kernels},
		{name: "test-cpu", about: "the tests of the packages that touch no Vulkan", fast: true,
			run: func(c *checker) result { return c.tests(false, driver{name: "none"}) }},
	}
	list = append(list, step{name: "test-nocgo", about: "the tests of the CPU engine and of training, built without cgo", run: (*checker).nocgo})
	for i, d := range (&checker{}).drivers() {
		about := "the tests of the packages that record dispatches, on " + d.about
		if d.name == wholeOn {
			about = "the tests of the packages that touch Vulkan, on " + d.about
		}
		list = append(list, step{name: "test-" + d.name, about: about, run: func(c *checker) result { return c.onDriver(c.drivers()[i]) }})
	}
	return append(list,
		step{name: "test-one", about: "the same on one driver, kept results included", fast: true, asked: true,
			run: func(c *checker) result { return c.tests(true, c.oneDriver()) }},
		step{name: "test-device", about: "the same on the device that the machine offers", asked: true,
			run: func(c *checker) result { return c.tests(true, driver{name: "device"}) }},
		step{name: "newer-layer", about: "the tests of the packages that record dispatches, under a validation layer that sees write after write too", run: (*checker).newerLayer},
		step{name: "matrices", about: "the tests of float16 products, on a lavapipe that has cooperative matrices", run: (*checker).matrices},
		step{name: "live-layer", about: "the validation layer reports a missing barrier and a write out of range", run: (*checker).liveLayer},
		step{name: "live-kernel", about: "each kernel, broken on purpose, is failed by its test", run: (*checker).liveKernel},
		step{name: "live-table", about: "the step kernels notices kernels that spill, and numbers that grow", run: (*checker).liveTable},
		step{name: "race", about: "the tests of the packages that start goroutines, under the race detector", run: (*checker).race},
		step{name: "gogc", about: "the tests of package gpu with a garbage collection at every turn", run: (*checker).gogc},
		step{name: "bench", about: "each benchmark, once: they run on no machine but where someone asks for them", run: (*checker).bench},
	)
}

// choose picks the steps that -run names, those of -fast, or all.
func choose(list []step, only string, fast bool) ([]step, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(list), func(s step) bool {
			if fast {
				return !s.fast
			}
			return s.asked
		}), nil
	}
	var chosen []step
	for name := range strings.SplitSeq(only, ",") {
		name = strings.TrimSpace(name)
		n := len(chosen)
		for _, s := range list {
			if s.name == name || !s.asked && strings.HasPrefix(s.name, name+"-") {
				chosen = append(chosen, s)
			}
		}
		if len(chosen) == n {
			var names []string
			for _, s := range list {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("no step %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// gofmt compares every Go file with its formatted self.
func (c *checker) gofmt() result {
	var wrong []string
	files := 0
	err := filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != c.root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		files++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out, err := format.Source(src)
		rel, _ := filepath.Rel(c.root, path)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", rel, err))
		} else if !bytes.Equal(src, out) {
			wrong = append(wrong, fmt.Sprintf("%s is not formatted; run gofmt -w %[1]s", rel))
		}
		return nil
	})
	if err != nil {
		return bad(err.Error())
	}
	if len(wrong) > 0 {
		return bad(strings.Join(wrong, "\n"))
	}
	return good(fmt.Sprintf("%d files", files))
}

// each runs commands one after the other and stops at the first that fails.
func (c *checker) each(list ...command) result {
	for _, cmd := range list {
		if out, err := c.run(cmd); err != nil {
			return bad(fmt.Sprintf("%s\n%v", out, err))
		}
	}
	return good("")
}

// Without cgo there is no Vulkan, and everything else must be whole.
func (c *checker) vet() result {
	return c.each(
		command{args: []string{"go", "vet", "./..."}, env: []string{"CGO_ENABLED=1"}, limit: 10 * time.Minute},
		command{args: []string{"go", "vet", "./..."}, env: []string{"CGO_ENABLED=0"}, limit: 10 * time.Minute})
}

func (c *checker) build() result {
	const mingw = "x86_64-w64-mingw32-gcc"
	args := []string{"go", "build", "-buildvcs=false", "./..."}
	list := []command{
		{args: args, env: []string{"CGO_ENABLED=1"}, limit: 10 * time.Minute},
		{args: args, env: []string{"CGO_ENABLED=0"}, limit: 10 * time.Minute},
	}
	if _, err := exec.LookPath(mingw); err == nil {
		list = append(list, command{args: []string{"go", "build", "-buildvcs=false", "-o", os.DevNull, "./cmd/vklstm"},
			env: []string{"CGO_ENABLED=1", "GOOS=windows", "GOARCH=amd64", "CC=" + mingw}, limit: 10 * time.Minute})
	}
	return c.each(list...)
}

func (c *checker) staticcheck() result {
	out, err := c.run(command{args: []string{"go", "run", staticcheck, "./..."}, limit: 10 * time.Minute})
	if err != nil {
		return bad(fmt.Sprintf("%s\n%v", out, err))
	}
	return good("")
}

// spirv runs the tests of package shaders, which compare hashes, and Khronos's validator on every module.
func (c *checker) spirv() result {
	s, err := c.goTest(command{}, "./shaders/...")
	if err != nil {
		return bad(err.Error())
	}
	r := s.result(c.setup, c.shared)
	if r.failed > 0 {
		return r
	}
	files, err := filepath.Glob(filepath.Join(c.root, "shaders", "spv", "*.spv"))
	if err != nil || len(files) == 0 {
		return bad("there is no SPIR-V in shaders/spv; run go generate ./shaders")
	}
	if !c.tools.spirvVal {
		return result{absent: "spirv-val is not here (Debian: spirv-tools)"}
	}
	left := 0
	for _, f := range files {
		out, err := c.run(command{args: []string{"spirv-val", "--target-env", "vulkan1.1", f}, limit: time.Minute})
		if matrices, parseErr := hasMatrices(f); parseErr == nil && matrices && err != nil && strings.Contains(out, "Invalid capability operand: 6022") {
			left++ // Debian 12's spirv-val is older than cooperative matrices; the one that compiled the module accepted it
			continue
		}
		if err != nil {
			r.failed++
			r.output += fmt.Sprintf("%s: %s\n", filepath.Base(f), strings.TrimSpace(out))
			continue
		}
		r.passed++
	}
	r.detail = fmt.Sprintf("%d modules", len(files))
	if left > 0 {
		r.detail += fmt.Sprintf(", of which %d are of cooperative matrices, which spirv-val here does not know", left)
	}
	return r
}
