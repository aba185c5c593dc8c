package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// checker is one run of the command.
type checker struct {
	ctx     context.Context
	out     io.Writer
	root    string // the repository
	module  string // its name in go.mod
	cache   string // what -setup unpacks
	setup   bool   // install what is missing; forbid skipped tests
	fast    bool
	verbose bool
	update  bool // the step kernels writes its table
	shared  bool // the folder of shared data is there
	tools   tools
	total   tally
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit status: 0 all is well, 1 something failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &checker{ctx: ctx, out: stdout}
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&c.setup, "setup", false, "first install what is missing; then no test may skip")
	flags.BoolVar(&c.fast, "fast", false, "only form, vet, staticcheck, and the tests once on one driver")
	flags.BoolVar(&c.verbose, "v", false, "print each command and what it prints")
	flags.BoolVar(&c.update, "update", false, "write the table of the step kernels anew")
	list := flags.Bool("list", false, "list the steps and stop")
	only := flags.String("run", "", "run only these `steps`, separated by commas; test stands for all whose name begins so")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "check: unknown argument %q\n", flags.Arg(0))
		return 2
	}
	chosen, err := choose(steps(), *only, c.fast)
	if err != nil {
		fmt.Fprintf(stderr, "check: %v\n", err)
		return 2
	}
	if c.update && !slices.ContainsFunc(chosen, func(s step) bool { return s.name == "kernels" }) {
		fmt.Fprintln(stderr, "check: -update belongs to the step kernels, which is not among those to run")
		return 2
	}
	if *list {
		for _, s := range chosen {
			fmt.Fprintf(stdout, "%-17s %s\n", s.name, s.about)
		}
		return 0
	}
	if err := c.find(); err != nil {
		fmt.Fprintf(stderr, "check: %v\n", err)
		return 1
	}
	start := time.Now()
	if c.setup {
		c.install()
	}
	c.tools = c.locate()
	for _, s := range chosen {
		if c.ctx.Err() != nil {
			break
		}
		c.do(s)
	}
	if c.ctx.Err() != nil {
		c.total.failed++
		fmt.Fprintln(stdout, "interrupted")
	}
	c.total.print(stdout, time.Since(start))
	if c.total.failed > 0 {
		return 1
	}
	return 0
}

// find fills in the folders: the repository around the working directory, the cache, and whether shared data is there.
func (c *checker) find() error {
	out, err := exec.CommandContext(c.ctx, "go", "list", "-m", "-f", "{{.Path}}\t{{.Dir}}").CombinedOutput()
	var ok bool
	if c.module, c.root, ok = strings.Cut(strings.TrimSpace(string(out)), "\t"); err != nil || !ok {
		return fmt.Errorf("run it inside the repository: go list -m: %s", strings.TrimSpace(string(out)))
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("no cache folder: %v", err)
	}
	c.cache = filepath.Join(user, "vklstm", "check")
	shared := os.Getenv("VKLSTM_SHARED")
	if shared == "" {
		shared = filepath.Join(c.root, "..", "shared")
	}
	info, err := os.Stat(shared)
	c.shared = err == nil && info.IsDir()
	return nil
}

// do runs one step and prints its line; the output follows where it failed.
func (c *checker) do(s step) {
	start := time.Now()
	r := s.run(c)
	if r.absent != "" && (c.setup || r.needed) {
		r.failed++
		r.output = r.absent + "\n"
		r.absent = ""
	}
	c.total.add(s.name, r)
	took := seconds(time.Since(start))
	switch {
	case r.absent != "":
		fmt.Fprintf(c.out, "--    %-17s %8s  not run: %s\n", s.name, took, r.absent)
	case r.failed > 0:
		fmt.Fprintf(c.out, "FAIL  %-17s %8s  %s\n", s.name, took, r.detail)
		fmt.Fprint(c.out, indent(shorten(r.output)))
	default:
		fmt.Fprintf(c.out, "ok    %-17s %8s  %s\n", s.name, took, r.detail)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// shorten leaves the beginning and the end of a long output.
func shorten(s string) string {
	const keep = 200
	lines := strings.SplitAfter(s, "\n")
	if n := len(lines) - 2*keep; n > 0 {
		s = strings.Join(lines[:keep], "") + fmt.Sprintf("… %d lines …\n", n) + strings.Join(lines[len(lines)-keep:], "")
	}
	return s
}

// indent sets output off from the lines of the steps.
func indent(s string) string {
	if s = strings.TrimRight(s, "\n"); s == "" {
		return ""
	}
	return "      " + strings.ReplaceAll(s, "\n", "\n      ") + "\n"
}
