package files

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/train/internal/traintest"
)

func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "a.txt")
	if err := Write(path, traintest.Text("one")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, traintest.Text("two")); err != nil {
		t.Fatal(err)
	}
	traintest.CheckFolder(t, dir, map[string]string{"a.txt": "two"})
	broken := errors.New("the pen broke")
	err := Write(path, func(w io.Writer) error {
		if err := traintest.Text("half of three")(w); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a.txt") || !strings.Contains(err.Error(), "untouched") {
		t.Errorf("error %v", err)
	}
	traintest.CheckFolder(t, dir, map[string]string{"a.txt": "two"})
	if err := Write(filepath.Join(path, "b.txt"), traintest.Text("")); err == nil || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("below a file: %v", err)
	}
}
