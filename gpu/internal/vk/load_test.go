//go:build cgo

package vk

import (
	"errors"
	"strings"
	"testing"
)

// without makes the process forget the loader and look for others until the test ends.
func without(t *testing.T, names ...string) {
	t.Helper()
	startup.Lock()
	old, names0 := loader, libraries
	loader = struct {
		tried   bool
		err     error
		version uint32
	}{}
	libraries = func() []string { return names }
	startup.Unlock()
	t.Cleanup(func() {
		startup.Lock()
		defer startup.Unlock()
		loader, libraries = old, names0
		loader.tried = false // the C side must find the right one again
	})
}

// hasValidation reports whether the Khronos validation layer is installed.
func hasValidation() bool {
	startup.Lock()
	defer startup.Unlock()
	return load() == nil && hasLayer()
}

// TestNoLoader: without a loader, or with a library that is none, Open says in one line what is missing.
func TestNoLoader(t *testing.T) {
	for names, words := range map[string]string{
		"libno-such-vulkan.so.1": "the Vulkan loader libno-such-vulkan.so.1 is not installed (libno-such-vulkan.so.1: cannot open",
		"libm.so.6":              "has no vkGetInstanceProcAddr",
	} {
		without(t, names)
		for range 2 { // the answer is remembered
			i, err := Open(Config{})
			var missing Missing
			if i != nil || !errors.As(err, &missing) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want Missing with %q", names, err, words)
			}
		}
		if hasValidation() {
			t.Error("a layer without a loader")
		}
	}
}

// TestResults: every result has Vulkan's word for it, and unknown ones their number.
func TestResults(t *testing.T) {
	for r, want := range map[Result]string{OutOfDeviceMemory: "out of device memory", DeviceLost: "device lost", -12345: "Vulkan result -12345"} {
		if r.Error() != want {
			t.Errorf("%d: %q, want %q", int32(r), r.Error(), want)
		}
	}
}
