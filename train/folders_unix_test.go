package train

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vklstm/model"
	"vklstm/train/files"
	"vklstm/train/internal/traintest"
)

// TestFolderNotWritable asks before training: the engine is never made.
func TestFolderNotWritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		locked = "/proc/self" // root may write into every folder but those of the kernel
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, HistoryFile), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"checkpoint below a file", func(c *Config) { c.CheckpointDir = filepath.Join(file, "x") }, filepath.Join(file, "x")},
		{"history below a file", func(c *Config) { c.HistoryDir = file }, file},
		{"plots below a file", func(c *Config) { c.PlotDir = file }, file},
		{"a folder without the right to write", func(c *Config) { c.PlotDir = locked }, locked},
		{"a folder of the file's name", func(c *Config) { c.HistoryDir = taken }, "it is a folder"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, _ := InFolder(t, QuietConfig(nil))
			cfg.Engine = func(model.Spec, []model.Options) (model.Engine, error) {
				t.Error("training began")
				return nil, errLost
			}
			tc.change(&cfg)
			_, err := LSTM(context.Background(), cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), ".tmp") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestDiskFull runs itself in a process that may write no file above 8 KiB, as on a disk with so much left: a
// checkpoint in the way is untouched, no half file stays, and the small files are written.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv("VKLSTM_TEST_DISK_FULL"); dir != "" {
		diskFull(t, dir)
		return
	}
	dir := t.TempDir()
	if err := files.Write(filepath.Join(dir, "c", CheckpointFile), traintest.Text("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "VKLSTM_TEST_DISK_FULL="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDiskFull") {
		t.Fatalf("%v\n%s", err, out)
	}
	traintest.CheckFolder(t, filepath.Join(dir, "c"), map[string]string{CheckpointFile: "old"})
	for _, path := range []string{filepath.Join("h", HistoryFile), filepath.Join("p", TestMetricsFile)} {
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Error(err)
		}
	}
}

func diskFull(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ) // so that write returns an error
	limit := syscall.Rlimit{Cur: 8 << 10, Max: 8 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatalf("cannot limit the size of files: %v", err)
	}
	f := &fakeEngine{script: script{hits: []int{1, 5, 3}}}
	cfg := QuietConfig(f.factory)
	cfg.Units, cfg.SaveBest = []int{64}, true
	cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir = filepath.Join(dir, "c"), filepath.Join(dir, "h"), filepath.Join(dir, "p")
	res, err := LSTM(context.Background(), cfg)
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), CheckpointFile) || !strings.Contains(err.Error(), "untouched") {
		t.Fatalf("error %v", err)
	}
	if res == nil || res.State == nil || res.BestEpoch != 0 {
		t.Fatalf("result %+v", res)
	}
}
