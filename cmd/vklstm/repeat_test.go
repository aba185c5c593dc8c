package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vklstm/model/vulkan"
)

// TestRepeats trains twice on one device, with everything that draws random numbers: every file must be the same,
// bit for bit.
func TestRepeats(t *testing.T) {
	for _, device := range []string{"cpu", vulkanDevice()} {
		t.Run(device, func(t *testing.T) {
			if device == "" {
				if os.Getenv("VKLSTM_REQUIRE_DEVICE") == "1" {
					t.Fatal("there is no Vulkan device")
				}
				t.Skip("there is no Vulkan device")
			}
			args := small("--device", device, "--augment", "strong", "--seed", "3")
			var runs [2]map[string][]byte
			for i := range runs {
				dir := t.TempDir()
				if r := vklstm(t, dir, args...); r.status != 0 {
					t.Fatalf("status %d\n%s", r.status, r.errout)
				}
				runs[i] = contents(t, dir)
			}
			if len(runs[0]) != 6 {
				t.Errorf("%d files, want 6", len(runs[0]))
			}
			for name, a := range runs[0] {
				if !bytes.Equal(a, runs[1][name]) {
					t.Errorf("%s differs between two runs", name)
				}
			}
		})
	}
}

// vulkanDevice names the device that VKLSTM_DEVICE names, else the first software driver, else "".
func vulkanDevice() string {
	if d := os.Getenv("VKLSTM_DEVICE"); d != "" {
		return d
	}
	infos, _ := vulkan.Devices()
	for _, d := range infos {
		if d.Software && d.Problem == "" {
			return d.Name
		}
	}
	return ""
}

// contents returns the contents of every file under dir.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		m[strings.TrimPrefix(path, dir)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSelftest runs the small set through the reference and the CPU engine, and checks that a folder replaces it.
func TestSelftest(t *testing.T) {
	dir := t.TempDir()
	r := vklstm(t, dir, "selftest", "--device", "cpu")
	if r.status != 0 || !strings.Contains(r.out, " 0 failed") || strings.HasPrefix(r.out, "0 passed") {
		t.Errorf("status %d\n%s%s", r.status, r.out, r.errout)
	}
	if r := vklstm(t, dir, "selftest", "--device", "cpu", "--golden", dir); r.status != 1 || !strings.Contains(r.errout, "manifest.json") {
		t.Errorf("an empty folder: status %d\n%s", r.status, r.errout)
	}
	// A case whose numbers are wrong must fail, and be named.
	golden := filepath.Join("..", "..", "model", "judge", "embedded")
	for _, name := range []string{"manifest.json", "tiny.npz"} {
		b, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "manifest.json" {
			b = []byte(`{"keras":"0","tensorflow":"0","seed":1,"cases":{"wrong":{"shape":{"B":2,"T":1,"F":1,"H":1,"D":1},"kind":"gradient","mask":"none","loss":"keras_focal","weighted":false,"alpha":0.25,"gamma":2.0,"about":"tiny under another loss"}}}`)
		} else {
			name = "wrong.npz"
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if r := vklstm(t, dir, "selftest", "--device", "cpu", "--golden", dir); r.status != 1 || !strings.Contains(r.out, "FAILED") || !strings.Contains(r.out, "wrong") {
		t.Errorf("wrong numbers: status %d\n%s%s", r.status, r.out, r.errout)
	}
}
