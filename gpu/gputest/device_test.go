package gputest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// child runs one test of this binary with more environment and returns what it printed.
func child(test string, env ...string) (string, error) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "VKLSTM_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(append(cmd.Env, "VKLSTM_CHILD=1"), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// TestMissing: a machine without a device skips and says so; where a device is required, and for every other error, it fails.
func TestMissing(t *testing.T) {
	no := []string{"VK_ICD_FILENAMES=" + os.DevNull, "VK_DRIVER_FILES=" + os.DevNull}
	for _, tc := range []struct {
		name  string
		env   []string
		fails bool
		words string
	}{
		{"no driver", no, false, "no device to test on: no Vulkan"},
		{"no driver, required", append(no, "VKLSTM_REQUIRE_DEVICE=1"), true, "no Vulkan"},
		{"no driver, required=0", append(no, "VKLSTM_REQUIRE_DEVICE=0"), false, "no device to test on"},
	} {
		out, err := child("TestDeviceChild", tc.env...)
		if (err != nil) != tc.fails || !strings.Contains(out, tc.words) || strings.Contains(out, "SKIP") == tc.fails {
			t.Errorf("%s: %v\n%s", tc.name, err, out)
		}
	}
	Device(t) // the rest needs one
	for _, tc := range []struct {
		name  string
		env   []string
		fails bool
		words string
	}{
		{"a device", nil, false, "PASS: TestDeviceChild"},
		{"a device that is not there", []string{"VKLSTM_DEVICE=no such device"}, true, `device "no such device": no suitable device; known are`},
		{"by index", []string{"VKLSTM_DEVICE=0", "VKLSTM_REQUIRE_DEVICE=1"}, false, "PASS: TestDeviceChild"},
		{"no layer", []string{"VK_LAYER_PATH=" + t.TempDir()}, false, "runs without it"},
		{"no layer, required", []string{"VK_LAYER_PATH=" + t.TempDir(), "VKLSTM_REQUIRE_DEVICE=1"}, true, "validation layer is not installed"},
	} {
		out, err := child("TestDeviceChild", tc.env...)
		if (err != nil) != tc.fails || !strings.Contains(out, tc.words) {
			t.Errorf("%s: %v\n%s", tc.name, err, out)
		}
	}
}

func TestDeviceChild(t *testing.T) {
	if os.Getenv("VKLSTM_CHILD") == "" {
		t.Skip("run by TestMissing")
	}
	t.Log(Device(t))
}

// TestMessageFails: a message of the layer fails the test that it came in, and no other.
func TestMessageFails(t *testing.T) {
	Device(t)
	out, err := child("TestMessageChild")
	if err == nil || !strings.Contains(out, "validation: said on purpose") ||
		!strings.Contains(out, "--- FAIL: TestMessageChild/loud") || strings.Contains(out, "--- FAIL: TestMessageChild/quiet") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMessageChild(t *testing.T) {
	if os.Getenv("VKLSTM_CHILD") == "" {
		t.Skip("run by TestMessageFails")
	}
	for _, name := range []string{"quiet before", "loud", "quiet after"} {
		t.Run(name, func(t *testing.T) {
			Device(t)
			if name == "loud" {
				hear("said on purpose")
			}
		})
	}
}
