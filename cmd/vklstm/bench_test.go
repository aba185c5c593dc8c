package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// smallBench is an epoch that takes a moment; its medians take a second each.
func smallBench(extra ...string) []string {
	return append([]string{"bench", "--device", "cpu", "--only", "epoch", "--batch", "8", "--time", "6", "--features", "3", "--units", "4", "--dense", "2",
		"--windows", "20", "--mask", "holes", "--threads", "1"}, extra...)
}

// The line for programs has the keys that peers.py prints.
func TestBenchJSON(t *testing.T) {
	r := vklstm(t, t.TempDir(), smallBench("--json", "-")...)
	if r.status != 0 {
		t.Fatalf("status %d: %s", r.status, r.errout)
	}
	if n := strings.Count(r.out, "\n"); n != 1 {
		t.Fatalf("%d lines, want one:\n%s", n, r.out)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("peer versions device threads mask shape start_s check epoch_s step_us infer1_us infer1000_us rss_mb note") {
		if _, ok := got[key]; !ok {
			t.Errorf("no key %q in %s", key, r.out)
		}
	}
	for _, tc := range []struct {
		in   any
		keys string
	}{{got["shape"], "batch features time units windows"}, {got["epoch_s"], "max median min"}} {
		m, _ := tc.in.(map[string]any)
		var keys []string
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if strings.Join(keys, " ") != tc.keys {
			t.Errorf("keys %v, want %s", keys, tc.keys)
		}
	}
	if got["threads"] != 1.0 || got["mask"] != "holes" || got["peer"] != "vklstm" {
		t.Errorf("threads %v, mask %v, peer %v", got["threads"], got["mask"], got["peer"])
	}
}

// Tables are at most 80 columns wide, with peers beside us and without; so is the comparison of a file alone, which
// measures nothing and takes the median of our lines.
func TestBenchTables(t *testing.T) {
	dir := t.TempDir()
	line := `{"peer": "NAME", "device": "other", "threads": 1, "mask": "holes", "shape": {"batch": 8, "time": 6, "features": 3, "units": 4, "windows": 20}, "epoch_s": {"median": 77.1, "min": 66.6, "max": 88.8}, "step_us": 77100, "infer1_us": 77100, "infer1000_us": 77100, "note": "NOTE"}` + "\n"
	peers := strings.Repeat(strings.NewReplacer("NAME", "torch-cudagraph", "NOTE", "gather").Replace(line), 5) + strings.NewReplacer("NAME", "keras-jax", "NOTE", "").Replace(line)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("peers.jsonl", peers)
	ours := strings.NewReplacer("NAME", "vklstm", "77.1", "7.71").Replace(line)
	write("all.jsonl", peers+ours+strings.Replace(ours, "7.71", "0.1", 1)+strings.Replace(ours, "7.71", "99", 1))
	check := func(r result, want ...string) {
		t.Helper()
		if r.status != 0 {
			t.Fatalf("status %d: %s", r.status, r.errout)
		}
		narrow(t, r.out)
		for _, w := range want {
			if !strings.Contains(r.out, w) {
				t.Errorf("no %q in\n%s", w, r.out)
			}
		}
	}
	check(vklstm(t, dir, smallBench("--peers", "peers.jsonl")...), "torch-cudagraph gather ×5", "*", "by ours", "figures of another machine, other")
	check(vklstm(t, dir, "bench", "--results", "all.jsonl"), "vklstm ×3", "7.71 s (66.6–88.8)", "10.0 ×")
	r := vklstm(t, dir, "bench", "--results", "peers.jsonl")
	if r.status != 1 || !strings.Contains(r.errout, "peers.jsonl: no line of vklstm") {
		t.Errorf("without our lines: status %d, %s", r.status, r.errout)
	}
}

// narrow fails unless tables fit 80 columns.
func narrow(t *testing.T, out string) {
	t.Helper()
	for _, l := range strings.Split(out, "\n") {
		if n := utf8.RuneCountInString(l); n > 80 && strings.ContainsAny(l, "│┌└├") {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

func TestBenchUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--only", "epochs"}, `--only "epochs": it must be one of epoch,`},
		{[]string{"--mask", "left"}, `--mask "left": it must be none, right or holes`},
		{[]string{"--batch", "0"}, "--batch 0: it must be at least 1"},
		{[]string{"--threads", "-1"}, "--threads -1: it must be at least 1 and at most 1024, or 0 for all"},
		{[]string{"--threads", "1025", "--explain"}, "--threads 1025: it must be at least 1 and at most 1024"},
		{[]string{"--peak-gflops", "NaN", "--explain"}, "--peak-gflops and --peak-gbs must be at least 0 and at most 1e+12"},
		{[]string{"--peak-gbs", "+Inf", "--explain"}, "--peak-gflops and --peak-gbs must be at least 0 and at most 1e+12"},
		{[]string{"--device", "cpu", "--precision", "half"}, `--precision "half": it must be float32 or mixed`},
		{[]string{"--device", "cpu", "--path", "short"}, `--path "short": it must be auto, general or resident`},
		{[]string{"--peers", "a", "--results", "b"}, "give one"},
		{[]string{"--explain", "--device", "cpu"}, "--explain counts for a GPU that need not be there and uses no device"},
		{[]string{"--gpu", "H100"}, "add --explain"},
	} {
		r := vklstm(t, t.TempDir(), append([]string{"bench"}, tc.args...)...)
		if r.status != 2 || !strings.Contains(r.errout, tc.want) {
			t.Errorf("%v: status %d, %s; want 2, %s", tc.args, r.status, r.errout, tc.want)
		}
	}
}

// --explain needs no driver.
func TestBenchExplain(t *testing.T) {
	t.Setenv("VK_DRIVER_FILES", "/nonexistent")
	t.Setenv("VK_ICD_FILENAMES", "/nonexistent")
	r := vklstm(t, t.TempDir(), "bench", "--explain", "--gpu", "rtx 4090")
	if r.status != 0 {
		t.Fatalf("status %d: %s", r.status, r.errout)
	}
	for _, want := range []string{"RTX 4090", "counted, not measured", "_update", "total", "barriers"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	narrow(t, r.out)
	if r := vklstm(t, t.TempDir(), "bench", "--explain", "--gpu", "Voodoo 2"); r.status != 2 || !strings.Contains(r.errout, "it must be one of H200") {
		t.Errorf("unknown GPU: status %d, %s", r.status, r.errout)
	}
}

// "start" runs the program itself until its first step.
func TestBenchStart(t *testing.T) {
	r := vklstm(t, t.TempDir(), "bench", "--device", "cpu", "--only", "start", "--threads", "1", "--json", "-")
	if r.status != 0 {
		t.Fatalf("status %d: %s", r.status, r.errout)
	}
	whole, steps := 0.0, 0.0
	for _, l := range strings.Split(strings.TrimSpace(r.out), "\n") {
		var row struct {
			Bench, Name string
			US          float64 `json:"wall_us"`
		}
		if err := json.Unmarshal([]byte(l), &row); err != nil || row.Bench != "start" {
			t.Fatalf("%s: %v", l, err)
		}
		switch row.Name {
		case "all, seen from outside":
			whole = row.US
		case "read 1000 windows", "make the engine", "first step":
			if row.US <= 0 {
				t.Errorf("%s took no time", row.Name)
			}
			steps += row.US
		}
	}
	if whole <= 0 || steps > 1.5*whole { // medians of several runs each
		t.Errorf("the parts take %v µs of %v", steps, whole)
	}
}

// What ends in an error leaves the file of --json as it was.
func TestBenchErrorKeepsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "old.json")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := vklstm(t, dir, "bench", "--device", "cpu", "--peers", "none.jsonl", "--json", path); r.status != 1 {
		t.Errorf("status %d: %s; want 1", r.status, r.errout)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("the file holds %q (%v), want what it held", b, err)
	}
}
