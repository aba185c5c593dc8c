//go:build unix

package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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
	if err := Write(link, write); err != nil {
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
	if err := Write(pipe, write); err != nil {
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
	err := Write("/dev/full", func(w io.Writer) error {
		_, err := io.WriteString(w, "new")
		return err
	})
	if err == nil || err.Error() != "train: write /dev/full: no space left on device" || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
}
