package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// command is one program to run in the repository.
type command struct {
	args   []string
	dir    string        // the repository where empty
	env    []string      // NAME=value, over the process's environment; NAME= alone keeps an empty value
	limit  time.Duration // none where 0
	stdout io.Writer     // what to do with standard output; kept with standard error where nil
}

// chooseDevice are the variables that steer Vulkan's loader, its drivers and its layers, and this project's tests. The
// check sets what it wants itself, so that a run means the same in every shell.
var chooseDevice = []string{"VK_", "LP_", "MESA_", "LVP_", "RADV_", "ACO_", "GOGC", "GODEBUG", "VKLSTM_VALIDATION",
	"VKLSTM_REQUIRE_", "VKLSTM_SHADER_DIR", "VKLSTM_DEVICE", "VKLSTM_GPU_ASSISTED"}

// run runs a command and returns what it printed. The error says which command failed, and not what it printed.
func (c *checker) run(cmd command) (string, error) {
	ctx := c.ctx
	if cmd.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmd.limit)
		defer cancel()
	}
	p := exec.CommandContext(ctx, cmd.args[0], cmd.args[1:]...)
	p.Dir = cmd.dir
	if p.Dir == "" {
		p.Dir = c.root
	}
	p.Env = environment(os.Environ(), cmd.env)
	p.Cancel = func() error { return p.Process.Signal(os.Interrupt) }
	p.WaitDelay = 20 * time.Second
	var out bytes.Buffer
	p.Stdout, p.Stderr = &out, &out
	if cmd.stdout != nil {
		p.Stdout = cmd.stdout
	}
	if c.verbose {
		fmt.Fprintf(c.out, "$ %s\n", strings.Join(append(slices.Clone(cmd.env), cmd.args...), " "))
		if cmd.stdout == nil {
			both := io.MultiWriter(&out, c.out)
			p.Stdout, p.Stderr = both, both
		}
	}
	err := p.Run()
	if s := p.ProcessState; c.verbose && s != nil {
		fmt.Fprintf(c.out, "%s of processor time\n", (s.UserTime() + s.SystemTime()).Round(100*time.Millisecond))
	}
	switch {
	case err == nil:
		return out.String(), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s: not done after %s", strings.Join(cmd.args, " "), cmd.limit)
	default:
		err = fmt.Errorf("%s: %w", strings.Join(cmd.args, " "), err)
	}
	return out.String(), err
}

// environment is the process's, without the variables that choose devices, with others set over it.
func environment(base, over []string) []string {
	var env []string
	for _, v := range base {
		name, _, _ := strings.Cut(v, "=")
		chooses := slices.ContainsFunc(chooseDevice, func(p string) bool { return strings.HasPrefix(name, p) })
		replaced := slices.ContainsFunc(over, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		if !chooses && !replaced {
			env = append(env, v)
		}
	}
	return append(env, over...)
}

// fetch runs a command that needs the network, up to three times.
func (c *checker) fetch(cmd command) error {
	pause := 3 * time.Second
	for try := 1; ; try++ {
		out, err := c.run(cmd)
		if err == nil {
			return nil
		}
		if try == 3 || c.ctx.Err() != nil {
			return fmt.Errorf("%w\n%s", err, tail(out, 15))
		}
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
		}
		pause *= 3
	}
}

// tail is the last n lines of a text.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
