package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vklstm/train/bench"
)

// peakMemory runs the program and returns the most memory that it held, in bytes, as /proc says of it while it runs. What
// the system says after its end counts what the test held when it started the program, which under the race detector is
// more.
func peakMemory(t *testing.T, args ...string) int64 {
	t.Helper()
	c := exec.Command(program, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	peak := int64(0)
	for tick := time.Tick(2 * time.Millisecond); ; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out.Bytes())
			}
			return peak
		case <-tick:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
			if err != nil || !strings.HasPrefix(string(status), "Name:\tvklstm") { // it has ended, or not begun
				continue
			}
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib int64
				if _, err := fmt.Sscan(rest, &kib); err == nil {
					peak = max(peak, kib<<10)
				}
			}
		}
	}
}

// Training holds its windows once, the program itself and little more, and what epochs leave behind is collected before it
// is much: 40,000 windows of 60 × 6, 58 MB, on the CPU engine.
func TestMemory(t *testing.T) {
	t.Setenv("GOGC", "")
	dir := t.TempDir()
	const repeats = 40
	w := bench.Workload{Batch: 32, Time: 60, Features: 6, Units: 4, Dense: 2, Windows: 1000, Mask: bench.MaskNone}
	file := filepath.Join(dir, "data.npz")
	if err := bench.WriteRepeated(file, w, w.Data(), zip.Deflate, repeats); err != nil {
		t.Fatal(err)
	}
	size := int64(4 * repeats * w.Windows * w.Time * w.Features)
	after := func(epochs string) int64 {
		return peakMemory(t, "train", "--device", "cpu", "--data", file, "--epochs", epochs, "--batch", "256", "--lstm-units", "4", "--dense-units", "2",
			"--quiet", "--patience", "100", "--plot-dir", filepath.Join(dir, "plots"), "--history-dir", dir)
	}
	two, many := after("2"), after("30")
	if two > 2*size {
		t.Errorf("%d bytes are held for windows of %d", two, size)
	}
	if many > two+size/5 {
		t.Errorf("%d bytes are held after 30 epochs, %d after two", many, two)
	}
	t.Logf("windows %d, the program alone %d, two epochs %d, 30 epochs %d", size, peakMemory(t, "--version"), two, many)
}
