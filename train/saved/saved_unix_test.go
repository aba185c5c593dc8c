//go:build unix

package saved

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe cannot be read to and fro, as archives are; to open it would wait for its writer.
func TestPipeThatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}
