package keras

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// keras3Archive opens a .keras file that Keras 3 wrote.
func keras3Archive(t *testing.T) *zip.Reader {
	t.Helper()
	src, err := os.ReadFile("testdata/keras3.keras")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(src), int64(len(src)))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestZipBomb packs far more into a small .keras file than is unpacked.
func TestZipBomb(t *testing.T) {
	for _, name := range []string{"config.json", "model.weights.h5"} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, entry := range []string{"config.json", "model.weights.h5"} {
			w, err := z.Create(entry)
			if err != nil {
				t.Fatal(err)
			}
			n := 1
			if entry == name {
				n = 100
			}
			for range n {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(b.Bytes()); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), name+" unpacks to more than") {
			t.Errorf("100 MiB as %s in %d bytes: %v", name, b.Len(), err)
		}
	}
}

// TestManyExtras adds what this program may have written, and far more of it than it writes, to a .keras file.
func TestManyExtras(t *testing.T) {
	from := keras3Archive(t)
	for n, good := range map[int]bool{2: true, 50: false} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, e := range from.File {
			if err := z.Copy(e); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			w, err := z.Create(fmt.Sprintf("extra%d.json", i))
			if err == nil {
				_, err = w.Write(make([]byte, 100<<10))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := Decode(b.Bytes())
		if good && (err != nil || len(f.Extra["extra1"]) != 100<<10) || !good && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "extra10.json unpacks to more than")) {
			t.Errorf("%d extras: %v", n, err)
		}
	}
}

// TestNameTwice has two configurations in one archive, of which Keras reads the last.
func TestNameTwice(t *testing.T) {
	from := keras3Archive(t)
	for _, good := range []bool{true, false} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		other := func() {
			if w, err := z.Create("config.json"); err != nil {
				t.Fatal(err)
			} else if _, err := io.WriteString(w, `{"class_name": "Other"}`); err != nil {
				t.Fatal(err)
			}
		}
		if good {
			other()
		}
		for _, e := range from.File {
			if err := z.Copy(e); err != nil {
				t.Fatal(err)
			}
		}
		if !good {
			other()
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(b.Bytes()); (err == nil) != good || err != nil && !strings.Contains(err.Error(), `"Other"`) {
			t.Errorf("the model last is %v: %v", good, err)
		}
	}
}

// TestLongNames has names in a file which would fill a screen, or command it, when they are shown.
func TestLongNames(t *testing.T) {
	from := keras3Archive(t)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range from.File {
		var err error
		if e.Name != "config.json" {
			err = z.Copy(e)
		} else {
			var w io.Writer
			w, err = z.Create(e.Name)
			fmt.Fprintf(w, `{"class_name": "Sequential", "config": {"layers": [{"class_name": "\u001b[2J%s", "config": {"name": "é"}}]}}`, strings.Repeat("é", 100000))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Decode(b.Bytes())
	if !errors.Is(err, ErrUnsupported) || len(err.Error()) > maxSentence+100 || strings.ContainsFunc(err.Error(), unicode.IsControl) || !utf8.ValidString(err.Error()) ||
		!strings.HasSuffix(err.Error(), "Dense(classes, softmax)") {
		t.Errorf("%.200v", err)
	}
}

// TestOtherForm has JSON where other JSON should stand; the error has no words of Go.
func TestOtherForm(t *testing.T) {
	for _, text := range []string{"[]", "7", `{"class_name": 7}`, `{"class_name": "Sequential", "config": {"layers": 7}}`, `{"class_name": "Functional", "config": {"layers": 7}}`,
		`{"class_name": "Sequential", "config": {"layers": [{"class_name": "LSTM", "config": 7}]}}`} {
		if _, _, _, err := parseModel(text); err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "another form (") || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
