package main

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// floors are the packages from the top of the house to its ground: each may import those below it, and none beside it.
// A pattern ends in /... for all below a folder.
var floors = [][]string{
	{"cmd/vklstm", "cmd/check", "cmd/check/internal/..."},
	{"train/bench"},
	{"train/crossval", "train/search"},
	{"train/pool"},
	{"train"},
	{"train/saved"},
	{"train/device"},
	{"train/data"},
	{"train/report", "train/progress"},
	{"train/metrics"},
	{"train/files", "train/internal/..."},
	{"model/judge/enginetest", "model/judge/exporttest"},
	{"model/judge"},
	{"model/vulkan", "model/cpu"},
	{"model/tflite", "model/onnx", "model/keras", "model/npz"},
	{"model/keras/internal/hdf5"},
	{"model/reference"},
	{"model/augment"},
	{"model/philox"},
	{"model"},
	{"gpu/kernel"},
	{"gpu/gputest"},
	{"gpu"},
	{"gpu/internal/vk"},
	{"shaders/..."},
}

func floorOf(pkg string) int {
	return slices.IndexFunc(floors, func(floor []string) bool {
		return slices.ContainsFunc(floor, func(pattern string) bool {
			below, ok := strings.CutSuffix(pattern, "/...")
			return pkg == pattern || ok && (pkg == below || strings.HasPrefix(pkg, below+"/"))
		})
	})
}

// TestArrows holds that imports point downwards alone.
func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "vklstm/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 30 {
		t.Fatalf("%d packages; there are more", len(lines))
	}
	for _, line := range lines {
		fields := strings.Fields(strings.ReplaceAll(line, "vklstm/", ""))
		from := fields[0]
		if floorOf(from) < 0 {
			t.Errorf("%s has no floor; say where it belongs", from)
			continue
		}
		for _, to := range fields[1:] {
			if floor := floorOf(to); floor >= 0 && floor <= floorOf(from) && path.Dir(to) != from && !strings.HasPrefix(from, "shaders") {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
}
