//go:build unix

package data

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
func TestPipeThatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNPZ(path, Keys{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
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
