package train

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// checkFolder asks for exactly these files and contents, no temporary ones among them.
func checkFolder(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if w, ok := want[e.Name()]; !ok || err != nil || string(b) != w {
			t.Errorf("%s holds %q (%v), want %q", e.Name(), b, err, w)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}

func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "a.txt")
	if err := WriteFile(path, text("one")); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, text("two")); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, dir, map[string]string{"a.txt": "two"})
	broken := errors.New("the pen broke")
	err := WriteFile(path, func(w io.Writer) error {
		if err := text("half of three")(w); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a.txt") || !strings.Contains(err.Error(), "untouched") {
		t.Errorf("error %v", err)
	}
	checkFolder(t, dir, map[string]string{"a.txt": "two"})
	if err := WriteFile(filepath.Join(path, "b.txt"), text("")); err == nil || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("below a file: %v", err)
	}
}
