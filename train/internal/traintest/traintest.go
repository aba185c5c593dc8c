// Package traintest is what the tests of several rooms of train share.
package traintest

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// Shared returns a path below the folder of golden cases and data sets, ../shared beside the repository's root or
// VKLSTM_SHARED, and skips the test where there is none.
func Shared(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("VKLSTM_SHARED")
	if dir == "" {
		_, own, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(own), "..", "..", "..", "..", "shared")
	}
	full := filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("no %s: put the shared folder beside the repository, or name it in VKLSTM_SHARED", full)
	}
	return full
}

// Golden reads a JSON file in the package's testdata.
func Golden[T any](t testing.TB, name string) T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Float64Engine makes engines of the reference: a device.Factory.
func Float64Engine(spec model.Spec, opts []model.Options) (model.Engine, error) {
	return reference.New(spec, opts)
}

// Text writes a text.
func Text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// CheckFolder asks for exactly these files and contents, no temporary ones among them.
func CheckFolder(t *testing.T, dir string, want map[string]string) {
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
