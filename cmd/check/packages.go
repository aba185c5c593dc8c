package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pkg is what go list says of a package.
type pkg struct {
	ImportPath                string
	Dir                       string
	Deps                      []string
	GoFiles, CgoFiles         []string
	TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports []string
	Module                    struct{ Path string }
}

func (p pkg) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// packages lists the packages of the module.
func (c *checker) packages() ([]pkg, error) {
	const fields = "ImportPath,Dir,Deps,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports,Module"
	var list bytes.Buffer
	cmd := command{args: []string{"go", "list", "-json=" + fields, "./..."}, limit: 5 * time.Minute, stdout: &list}
	if complaint, err := c.run(cmd); err != nil {
		return nil, fmt.Errorf("%s%w", complaint, err)
	}
	return readPackages(&list)
}

func readPackages(r io.Reader) ([]pkg, error) {
	var list []pkg
	for d := json.NewDecoder(r); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		list = append(list, p)
	}
}

// split parts the packages that have tests into those whose tests touch Vulkan, and the others. A test touches Vulkan
// where it, or anything that it imports, imports package gpu.
func split(list []pkg) (vulkan, others []string) {
	deps := map[string][]string{}
	for _, p := range list {
		deps[p.ImportPath] = p.Deps
	}
	for _, p := range list {
		if !p.hasTests() {
			continue
		}
		gpu := p.Module.Path + "/gpu"
		uses := func(path string) bool { return path == gpu || slices.Contains(deps[path], gpu) }
		inside := p.ImportPath == gpu || strings.HasPrefix(p.ImportPath, gpu+"/")
		if inside || uses(p.ImportPath) || slices.ContainsFunc(p.TestImports, uses) || slices.ContainsFunc(p.XTestImports, uses) {
			vulkan = append(vulkan, p.ImportPath)
		} else {
			others = append(others, p.ImportPath)
		}
	}
	return vulkan, others
}

// concurrent lists the packages with tests that start goroutines, in their own code or in their tests. In the others
// nothing can race but what they call, which has tests of its own.
func concurrent(list []pkg) ([]string, error) {
	var found []string
	for _, p := range list {
		if !p.hasTests() {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			if startsGoroutine(file) {
				found = append(found, p.ImportPath)
				break
			}
		}
	}
	return found, nil
}

// startsGoroutine looks for go statements and for calls of methods that hold one: WaitGroup.Go, T.Parallel.
func startsGoroutine(file *ast.File) (starts bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Go", "Parallel", "RunParallel", "AfterFunc"}, s.Sel.Name) {
				starts = true
			}
		}
		return !starts
	})
	return starts
}
