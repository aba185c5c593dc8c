package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// result is what a step found out.
type result struct {
	passed, failed, skipped int
	detail                  string   // the end of the step's line
	output                  string   // printed where the step failed
	absent                  string   // what the machine lacks for this step, which then did not run
	needed                  bool     // absent is a failure even without -setup
	skips                   []report // the tests that skipped, with their reason
	messages                []string // validation messages that no test provoked
}

// good is the result of a step that is no test.
func good(detail string) result { return result{passed: 1, detail: detail} }

func bad(output string) result { return result{failed: 1, output: output} }

// tally adds the results up.
type tally struct {
	passed, failed, skipped int
	absent                  []string
	shared, other           []string // skipped tests: for want of shared data, and for any other reason
	messages                []string
}

func (t *tally) add(step string, r result) {
	t.passed += r.passed
	t.failed += r.failed
	t.skipped += r.skipped
	if r.absent != "" {
		t.absent = append(t.absent, step)
	}
	for _, s := range r.skips {
		if s.wantsShared() {
			t.shared = appendNew(t.shared, s.Package+" "+s.Test)
		} else {
			t.other = appendNew(t.other, s.Package+" "+s.Test+": "+s.reason())
		}
	}
	for _, m := range r.messages {
		t.messages = append(t.messages, step+": "+m)
	}
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (t *tally) print(w io.Writer, took time.Duration) {
	block := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintln(w, title)
		for _, l := range lines {
			fmt.Fprintln(w, "  "+l)
		}
	}
	fmt.Fprintln(w)
	block("not run, since the machine lacks something (-setup installs it):", t.absent)
	block("skipped, since the shared data is not here:", t.shared)
	block("skipped:", t.other)
	fmt.Fprintf(w, "validation messages: %d\n", len(t.messages))
	for i, m := range t.messages {
		if i == 20 {
			fmt.Fprintln(w, "  …")
			break
		}
		fmt.Fprintln(w, "  "+m)
	}
	fmt.Fprintf(w, "took %s\n", took.Round(time.Second))
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
}
