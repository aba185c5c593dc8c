package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vklstm/shaders/spirv"
)

// proofs are the tests of package gpu that show the validation layer to be live: it reports a barrier left out and a
// write out of a buffer's range, and says nothing of the same program without the mistake.
var proofs = []string{"TestLayerReportsMissingBarrier", "TestLayerReportsOutOfRange", "TestLayerReportsNothing"}

// provokes reports whether a test provokes validation messages on purpose.
func provokes(test string) bool { return strings.HasPrefix(test, "TestLayerReports") }

// leftOut are the tests that the runs of whole packages leave out: those whose names end in Child are the inside of
// another test, which starts them in a process of its own, and the proofs have a step of their own.
const leftOut = "Child$|^TestLayerReports"

// liveLayer runs the proofs of the validation layer on each driver, since a layer may be silent on one of them only, and
// of the newer layer on lavapipe, where it can instrument shaders.
func (c *checker) liveLayer() result {
	var r result
	drivers := 0
	for _, d := range append(c.drivers(), c.newer()) {
		if d.absent != "" {
			r.absent = d.absent
			if c.setup {
				r.failed++
				r.output += d.absent + "\n"
			}
			continue
		}
		drivers++
		env := append(c.testEnv(d), "VKLSTM_REQUIRE_DEVICE=1")
		s, err := c.goTest(command{env: env}, "-run", "^("+strings.Join(proofs, "|")+")$", "./gpu")
		if err != nil {
			return bad(err.Error())
		}
		one := s.result(true, c.shared)
		for _, p := range proofs {
			if how := s.ended[c.module+"/gpu "+p]; how != "pass" && how != "fail" {
				one.failed++
				one.output += fmt.Sprintf("%s did not run on %s\n", p, d.about)
			}
		}
		r.passed += one.passed
		r.failed += one.failed
		r.output += one.output
	}
	if drivers > 0 || c.setup {
		r.absent = ""
	}
	r.detail = fmt.Sprintf("%d proofs passed on %d devices", r.passed, drivers)
	return r
}

// newer is lavapipe under the validation layer of chromium-common: Debian 12's own, 1.3.239, is silent when two
// dispatches write one buffer without a barrier.
func (c *checker) newer() driver {
	d := c.drivers()[1]
	d.name, d.about = "newer-layer", d.about+" under the newer layer"
	if c.tools.layer == "" {
		d.absent = "no newer validation layer is in " + c.cache
	}
	d.env = append([]string{"VK_LAYER_PATH=" + c.tools.layer}, d.env...)
	return d
}

// newerLayer runs the packages that record dispatches under the newer layer.
func (c *checker) newerLayer() result {
	d := c.newer()
	if d.absent != "" {
		return result{absent: d.absent}
	}
	return c.suite(d, recorders)
}

// liveKernel breaks each kernel in turn and lets the test of its name run on it: that test must fail. Before that the
// same replacement with whole kernels must let all of them pass.
func (c *checker) liveKernel() result {
	d := c.oneDriver()
	if len(d.env) == 0 {
		return result{absent: "no software driver is here (Debian: mesa-vulkan-drivers)"}
	}
	scratch, err := os.MkdirTemp("", "vklstm-check-")
	if err != nil {
		return bad(err.Error())
	}
	defer os.RemoveAll(scratch)
	program := filepath.Join(scratch, "kernel.test")
	if out, err := c.run(command{args: []string{"go", "test", "-c", "-o", program, "./gpu/kernel"}, limit: 10 * time.Minute}); err != nil {
		return bad(fmt.Sprintf("%s\n%v", out, err))
	}
	files, err := filepath.Glob(filepath.Join(c.root, "shaders", "spv", "*.spv"))
	if err != nil || len(files) == 0 {
		return bad("there is no SPIR-V in shaders/spv; run go generate ./shaders")
	}
	plain, matrices, err := part(files)
	if err != nil {
		return bad(err.Error())
	}
	run := func(d driver, start []string) trial {
		return func(dir, tests string) (string, error) {
			env := append(c.testEnv(d), "VKLSTM_REQUIRE_DEVICE=1", "VKLSTM_SHADER_DIR="+dir)
			return c.run(command{args: append(slices.Clone(start), program, "-test.v", "-test.failfast", "-test.timeout", "3m", "-test.run", tests), env: env,
				dir: filepath.Join(c.root, "gpu", "kernel"), limit: 5 * time.Minute})
		}
	}
	r := c.breakKernels(plain, scratch, run(d, nil))
	r.detail = fmt.Sprintf("%d of %d broken kernels noticed", r.passed, len(plain))
	if m := c.matricesDriver(); m.absent != "" {
		r.detail += fmt.Sprintf("; %d left out, which need cooperative matrices", len(matrices))
	} else {
		with := c.breakKernels(matrices, scratch, run(m, c.matricesStart()))
		r.passed, r.failed, r.output = r.passed+with.passed, r.failed+with.failed, r.output+with.output
		r.detail += fmt.Sprintf(", %d of %d with cooperative matrices", with.passed, len(matrices))
	}
	return r
}

// trial runs the tests that a pattern names with the modules of a folder in place of the program's own.
type trial func(dir, tests string) (string, error)

// breakKernels has the tests of modules run on the whole ones, and then on each of them broken.
func (c *checker) breakKernels(files []string, scratch string, try trial) result {
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".spv"))
	}
	if out, err := try(filepath.Join(c.root, "shaders", "spv"), testsOf(names...)); err != nil {
		return bad(fmt.Sprintf("the kernels fail their tests before anything is broken:\n%s\n%v", out, err))
	}
	var r result
	for i, f := range files {
		if c.ctx.Err() != nil {
			break
		}
		if complaint := c.breakKernel(names[i], f, scratch, try); complaint != "" {
			r.failed++
			r.output += complaint + "\n"
			continue
		}
		r.passed++
	}
	return r
}

// part tells the modules that use cooperative matrices from the others.
func part(files []string) (plain, matrices []string, err error) {
	for _, f := range files {
		with, err := hasMatrices(f)
		switch {
		case err != nil:
			return nil, nil, err
		case with:
			matrices = append(matrices, f)
		default:
			plain = append(plain, f)
		}
	}
	return plain, matrices, nil
}

// hasMatrices reports whether a module uses cooperative matrices.
func hasMatrices(file string) (bool, error) {
	code, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	m, err := spirv.Parse(code)
	if err != nil {
		return false, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return m.Matrices, nil
}

// breakKernel changes one instruction of a kernel and says what is wrong where its test does not notice.
func (c *checker) breakKernel(name, file, scratch string, try trial) string {
	code, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	list, err := mutants(code)
	if err != nil {
		return fmt.Sprintf("%s: %v", name, err)
	}
	dir := filepath.Join(scratch, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err.Error()
	}
	m := list[0]
	if err := os.WriteFile(filepath.Join(dir, name+".spv"), m.code, 0o644); err != nil {
		return err.Error()
	}
	out, err := try(dir, testsOf(name))
	switch {
	case !strings.Contains(out, "=== RUN"):
		return fmt.Sprintf("%s: gpu/kernel has no test of its name", name)
	case err == nil:
		return fmt.Sprintf("%s: its test passes although %s", name, m.what)
	case !strings.Contains(out, "--- FAIL: Test"):
		return fmt.Sprintf("%s: broken so that %s, it ends the test instead of failing it:\n%s", name, m.what, tail(out, 20))
	}
	return ""
}

// testsOf is the pattern of the tests of some kernels: TestLSTMStepForward… for lstm_step_forward.
func testsOf(names ...string) string {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = strings.ReplaceAll(n, "_", "")
	}
	return "(?i)^Test(" + strings.Join(names, "|") + ")"
}
