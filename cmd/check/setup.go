package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// staticcheck is the exact version that judges the tree; this one builds with Go 1.26.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// task is one thing that -setup puts in place. It returns what it did, in a few words.
type task struct {
	name string
	do   func(*checker) (string, error)
}

func tasks() []task {
	return []task{
		{"packages", (*checker).installPackages},
		{"mesa", (*checker).unpackMesa},
		{"swiftshader", (*checker).unpackSwiftShader},
		{"matrices", (*checker).unpackMatrices},
		{"modules", (*checker).fetchModules},
		{"python", (*checker).makePython},
	}
}

// install runs every task, and goes on after one that failed: the steps that need it say so themselves.
func (c *checker) install() {
	for _, t := range tasks() {
		if c.ctx.Err() != nil {
			return
		}
		start := time.Now()
		did, err := t.do(c)
		took := seconds(time.Since(start))
		if err != nil {
			c.total.failed++
			fmt.Fprintf(c.out, "FAIL  setup %-11s %8s\n%s", t.name, took, indent(err.Error()))
			continue
		}
		c.total.passed++
		fmt.Fprintf(c.out, "ok    setup %-11s %8s  %s\n", t.name, took, did)
	}
}

// fetchModules brings the modules of go.mod and staticcheck, and builds the latter.
func (c *checker) fetchModules() (string, error) {
	if err := c.fetch(command{args: []string{"go", "mod", "download"}, limit: 5 * time.Minute}); err != nil {
		return "", fmt.Errorf("fetch the modules of go.mod: %w", err)
	}
	if err := c.fetch(command{args: []string{"go", "run", staticcheck, "-version"}, limit: 5 * time.Minute}); err != nil {
		return "", fmt.Errorf("fetch and build staticcheck: %w", err)
	}
	return "the modules of go.mod and " + staticcheck, nil
}

func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
