package gputest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	"vklstm/shaders"
)

// replaceShaders puts NAME.spv of the folder VKLSTM_SHADER_DIR in the place of kernel NAME, once per process. With it
// cmd/check breaks kernels on purpose, to see their tests fail. It panics where the folder cannot be read, since the
// proof would then prove nothing.
var replaceShaders = sync.OnceFunc(func() {
	dir := os.Getenv("VKLSTM_SHADER_DIR")
	if dir == "" {
		return
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.spv"))
	if len(files) == 0 {
		panic("gputest: VKLSTM_SHADER_DIR=" + dir + " holds no NAME.spv")
	}
	for _, f := range files {
		code, err := os.ReadFile(f)
		if err != nil {
			panic("gputest: " + err.Error())
		}
		shaders.Replace(strings.TrimSuffix(filepath.Base(f), ".spv"), code)
	}
})
