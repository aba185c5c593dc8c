// Command compile turns a folder's GLSL kernels into SPIR-V, and writes the
// words that they share with Go: what go generate runs. It needs
// glslangValidator and spirv-val.
//
//	go run ./internal/compile [-force] [-words FILE.go] [-I FOLDER] FOLDER [INCLUDED.glsl …]
//
// The package in FILE.go has the constants of the included files that are named.
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
	words := flag.String("words", "", "Go file for the constants of the included files")
	flag.Parse()
	if flag.NArg() < 1 {
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
	if err == nil && *words != "" {
		err = writeWords(*words, *include, flag.Args()[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeWords(file, include string, names []string) error {
	for i, name := range names {
		names[i] = filepath.Join(include, name)
	}
	source, err := glsl.Words(filepath.Base(filepath.Dir(file)), names...)
	if err != nil {
		return err
	}
	return os.WriteFile(file, source, 0o644)
}
