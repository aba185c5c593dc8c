//go:build unix

package train

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vklstm/model"
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
			cfg, _ := inFolder(t, quietConfig(nil))
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
	if err := WriteFile(filepath.Join(dir, "c", CheckpointFile), text("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "VKLSTM_TEST_DISK_FULL="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDiskFull") {
		t.Fatalf("%v\n%s", err, out)
	}
	checkFolder(t, filepath.Join(dir, "c"), map[string]string{CheckpointFile: "old"})
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
	cfg := quietConfig(f.factory)
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

// TestWriteFileThroughLinks checks that a link stays a link, a pipe a pipe, and a file's permissions its own.
func TestWriteFileThroughLinks(t *testing.T) {
	dir := t.TempDir()
	real, link, pipe := filepath.Join(dir, "real"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(real, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, "new")
		return err
	}
	if err := WriteFile(link, write); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(real); err != nil || string(b) != "new" {
		t.Errorf("the file behind the link holds %q, %v", b, err)
	}
	if s, err := os.Lstat(link); err != nil || s.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", s.Mode(), err)
	}
	if s, err := os.Stat(real); err != nil || s.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, want 0600", s.Mode())
	}
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(pipe)
		got <- string(b)
	}()
	if err := CheckWritable(pipe); err != nil {
		t.Error(err)
	}
	if err := WriteFile(pipe, write); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "new" {
		t.Errorf("through the pipe came %q", text)
	}
}

// A device holds no older content that could be untouched, and is named once.
func TestWriteFileToFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	err := WriteFile("/dev/full", func(w io.Writer) error {
		_, err := io.WriteString(w, "new")
		return err
	})
	if err == nil || err.Error() != "train: write /dev/full: no space left on device" || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
}

// Windows that come through a pipe end with their context while there is nothing to read.
func TestEachBatchOfPipeEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		w.WriteString("1,2,3,4,5,6\n")
		cancel()
		<-done // the pipe stays open
		w.Close()
	}()
	err := EachBatch(ctx, Source{Path: path}, Keys{}, 2, 3, func(Batch) error { return nil })
	close(done)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A pipe cannot be read to and fro, as archives are; to open it would wait for its writer.
func TestPipesThatAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err1 := LoadNPZ(path, Keys{})
	_, _, err2 := LoadModel(path)
	if err1 == nil || err2 == nil || !strings.Contains(err1.Error(), "not a regular file") || !strings.Contains(err2.Error(), "no regular file") {
		t.Errorf("%v, %v", err1, err2)
	}
}

// A pipe that no one writes into cannot even be opened; that wait ends with the context too.
func TestEachBatchOfPipeWithoutWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := EachBatch(ctx, Source{Path: path}, Keys{}, 2, 3, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // what still waits for a writer ends
		w.Close()
	}
}
