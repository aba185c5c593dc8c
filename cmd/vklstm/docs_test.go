package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the pages that people read.
var documents = []string{"README.md", "cmd/vklstm/README.md", "cmd/check/README.md", "train/README.md", "model/README.md", "gpu/README.md", "shaders/README.md"}

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notWord = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks follows every relative link of the documents, to a heading too.
func TestLinks(t *testing.T) {
	links := 0
	for _, name := range documents {
		for _, m := range link.FindAllStringSubmatch(document(t, name), -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			links++
			target := name
			if to != "" {
				target = filepath.Join(filepath.Dir(name), to)
			}
			if _, err := os.Stat(filepath.Join("..", "..", target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
				continue
			}
			if anchor == "" {
				continue
			}
			found := slices.ContainsFunc(heading.FindAllStringSubmatch(document(t, target), -1), func(h []string) bool {
				return strings.ReplaceAll(notWord.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
			})
			if !found {
				t.Errorf("%s: %s has no heading for #%s", name, target, anchor)
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links were found; there are more", links)
	}
}

// TestFirstPage keeps the first page one that is read to its end.
func TestFirstPage(t *testing.T) {
	if n := strings.Count(document(t, "README.md"), "\n"); n > 180 {
		t.Errorf("README.md has %d lines; move what is not everybody's to where its reader is", n)
	}
}

// TestCommandLines parses every command line of the documents: the command is known, and so are its flags and their values.
func TestCommandLines(t *testing.T) {
	lines := 0
	for _, name := range documents {
		text := strings.ReplaceAll(document(t, name), "\\\n", " ")
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			if i := strings.LastIndex(line, "| "); i >= 0 && !strings.HasPrefix(line, "|") {
				line = line[i+2:] // of a pipe, the command at its end
			}
			line, _, _ = strings.Cut(line, ">>")
			_, rest, ok := strings.Cut(line, "vklstm ")
			if before := strings.TrimSuffix(line, "vklstm "+rest); !ok || before != "" && before != "./" && before != "go run ./cmd/" {
				continue
			}
			args := shellWords(rest)
			lines++
			c, flags, err := root().Find(joinAugment(args))
			if err == nil && c == root() {
				t.Errorf("%s: %s: no command", name, line)
			}
			if err == nil {
				err = c.ParseFlags(flags)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
			if rest := c.Flags().Args(); len(rest) > 0 && c.Name() != "help" {
				t.Errorf("%s: %s: %q is no flag", name, line, rest)
			}
		}
	}
	if lines < 25 {
		t.Errorf("%d command lines were found; there are more", lines)
	}
}

// shellWords parts a command line as a shell does that knows quotes and no more.
func shellWords(line string) []string {
	var list []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inside = r, true
		case quote == 0 && r == ' ':
			if inside || word.Len() > 0 {
				list = append(list, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
		}
	}
	return list
}
