// Package shaders holds the compute kernels: their GLSL, and the SPIR-V 1.3 that
// Vulkan 1.1 runs, compiled and committed so that a build needs no shader
// compiler.
//
//	NAME.comp            the source, one kernel a file; include/ is shared
//	spv/NAME.spv         what glslangValidator makes of it
//	sums.txt             SHA-256 of each source with its includes
//	words/               what words of options, schedule and slots mean, for Go
//
// After a change of a .comp or .glsl file run
//
//	go generate ./shaders
//
// which needs glslang-tools and spirv-tools, and for the kernels with cooperative
// matrices newer ones than Debian 12 has, named by VKLSTM_GLSLANG and
// VKLSTM_SPIRV_VAL; a test fails when that was forgotten. README.md is the
// catalogue of the kernels.
package shaders

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:generate go run ./internal/compile -words words/words.go . options.glsl penalty.glsl resident.glsl

//go:embed sums.txt all:spv
var files embed.FS

// Lookup is the SPIR-V of a kernel by the name of its file. The caller does not change it.
func Lookup(name string) ([]byte, error) {
	if code, ok := replaced.Load(name); ok {
		return code.([]byte), nil
	}
	code, err := files.ReadFile("spv/" + name + ".spv")
	if err != nil {
		return nil, fmt.Errorf("shaders: there is no kernel %q", name)
	}
	return code, nil
}

// Names are the names of all kernels, in order.
func Names() []string {
	found, _ := fs.Glob(files, "spv/*.spv") // the pattern is well formed
	for i, f := range found {
		found[i] = strings.TrimSuffix(strings.TrimPrefix(f, "spv/"), ".spv")
	}
	return found
}
