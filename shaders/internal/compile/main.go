// Command compile turns a folder's GLSL kernels into SPIR-V: what go generate
// runs. It needs glslangValidator and spirv-val.
//
//	go run ./internal/compile [-force] [-I FOLDER] FOLDER
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"vklstm/shaders/glsl"
)

func main() {
	force := flag.Bool("force", false, "compile everything, not only what changed")
	include := flag.String("I", "", "folder of included files (default FOLDER/include)")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	dir := flag.Arg(0)
	if *include == "" {
		*include = filepath.Join(dir, "include")
	}
	made, err := glsl.Compile(dir, []string{*include}, *force)
	for _, name := range made {
		fmt.Fprintln(os.Stderr, "compiled", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
