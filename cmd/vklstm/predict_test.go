package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/train/saved"
)

// saveModel writes an untrained network of 4 × 2 with a threshold as m.h5.
func saveModel(t *testing.T, dir string) *saved.Model {
	t.Helper()
	s := model.Classifier(4, 2, 5, 0, 3)
	m := &saved.Model{Spec: s, State: s.Init(3), Threshold: 0.49}
	if err := saved.Save(filepath.Join(dir, "m.h5"), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The same windows as CSV, frames, JSON lines and a stream give the same probabilities.
func TestPredictForms(t *testing.T) {
	dir := t.TempDir()
	saveModel(t, dir)
	var wide, frames, lines, all strings.Builder
	frames.WriteString("window,a,b\n")
	for n := range 6 {
		var row []string
		lines.WriteString(`{"window": "w` + strconv.Itoa(n) + `", "x": [`)
		for s := range 4 {
			a, b := strconv.Itoa(n+s), strconv.Itoa(n*s-2)
			row = append(row, a, b)
			fmt.Fprintf(&frames, "w%d,%s,%s\n", n, a, b)
			fmt.Fprintf(&all, "%s %s\n", a, b)
			if s > 0 {
				lines.WriteString(",")
			}
			lines.WriteString("[" + a + "," + b + "]")
		}
		lines.WriteString("]}\n")
		wide.WriteString(strings.Join(row, ",") + "\n")
	}
	var want []string
	for name, text := range map[string]string{"wide.csv": wide.String(), "frames.csv": frames.String(), "lines.jsonl": lines.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := vklstm(t, dir, "predict", "--model", "m.h5", "--device", "cpu", "--data", name)
		rows, err := csv.NewReader(strings.NewReader(r.out)).ReadAll()
		if err != nil || len(rows) != 7 || !slices.Equal(rows[0], []string{"window", "probability", "positive"}) {
			t.Fatalf("%s: %v\n%s%s", name, err, r.out, r.errout)
		}
		var got []string
		for i, row := range rows[1:] {
			p, _ := strconv.ParseFloat(row[1], 64)
			if (p > 0.49) != (row[2] == "1") {
				t.Errorf("%s: probability %s is %s at threshold 0.49", name, row[1], row[2])
			}
			if id := strings.TrimPrefix(row[0], "w"); id != strconv.Itoa(i) {
				t.Errorf("%s: window %d is called %q", name, i, row[0])
			}
			got = append(got, row[1])
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	run := func(args ...string) string {
		c := exec.Command(program, append([]string{"predict", "--model", "m.h5", "--device", "cpu", "--stream", "--hop", "4"}, args...)...)
		c.Dir, c.Stdin, c.Stderr = dir, strings.NewReader(all.String()), os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := run(); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("stream: %q, want %q", got, want)
	}
	for i, line := range strings.Split(strings.TrimSpace(run("--json")), "\n") {
		var v struct {
			Line        int
			Probability json.Number
			Positive    bool
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Line != 4*(i+1) || v.Probability.String() != want[i] {
			t.Errorf("%s, %v", line, err)
		}
	}
}

// piped starts the program with its standard input and output in the test's hands.
func piped(t *testing.T, dir string, args ...string) (c *exec.Cmd, in io.WriteCloser, out io.ReadCloser) {
	t.Helper()
	c = exec.Command(program, args...)
	c.Dir = dir
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, in, out
}

// Whoever sends a frame and waits for the answer before the next one must get it.
func TestPredictStreamAnswersAtOnce(t *testing.T) {
	dir := t.TempDir()
	saveModel(t, dir)
	c, in, out := piped(t, dir, "predict", "--model", "m.h5", "--device", "cpu", "--stream")
	buf := make([]byte, 100)
	for n := range 10 {
		fmt.Fprintf(in, "%d,0.5\n", n)
		if n >= 3 { // a missing answer hangs here until the test's time is up
			k, err := out.Read(buf)
			if _, e := strconv.ParseFloat(strings.TrimSpace(string(buf[:k])), 32); err != nil || e != nil {
				t.Fatalf("frame %d: %q, %v", n, buf[:k], err)
			}
		}
	}
	fmt.Fprintln(in, "1,2,3")
	in.Close()
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != 1 {
		t.Errorf("a frame of three values: %v", err)
	}
}

// Windows on standard input are those of a file, whatever format goes out; and of a pipe that waits, the windows that came
// are answered.
func TestPredictStandardInput(t *testing.T) {
	dir := t.TempDir()
	saveModel(t, dir)
	parts := map[string][]string{
		"csv wide":   {"1,2,3,4,5,6,7,8\n", "0,0,0,0,0,0,1,2\n"},
		"csv frames": {"window,a,b\nw,1,2\nw,3,4\nw,5,6\nw,7,8\n", "v,0,0\nv,0,0\nv,0,0\nv,1,2\n"},
		"jsonl":      {"[[1,2],[3,4],[5,6],[7,8]]\n", "[[0,0],[0,0],[0,0],[1,2]]\n"},
	}
	if err := os.WriteFile(filepath.Join(dir, "in.csv"), []byte(strings.Join(parts["csv wide"], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range strings.Split(vklstm(t, dir, "predict", "--model", "m.h5", "--device", "cpu", "--data", "in.csv").out, "\n")[1:3] {
		want = append(want, strings.Split(line, ",")[1])
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			format, _, _ := strings.Cut(name, " ")
			c, in, out := piped(t, dir, "predict", "--model", "m.h5", "--device", "cpu", "--data", "-", "--data-format", format, "--out-format", "jsonl")
			lines := json.NewDecoder(out)
			for i, text := range part {
				var v struct{ Probability json.Number }
				fmt.Fprint(in, text)
				if err := lines.Decode(&v); err != nil || v.Probability.String() != want[i] { // no answer hangs here
					t.Errorf("window %d: %s, %v; want %s", i, v.Probability, err, want[i])
				}
			}
			if format == "csv" && strings.HasPrefix(part[1], "v") { // a frame more than the window has
				fmt.Fprint(in, "v,1,2\n")
			}
			in.Close()
			if err := c.Wait(); (err == nil) != (name != "csv frames") {
				t.Error(err)
			}
		})
	}
}

// Names of windows go out as they came in, whichever kind they are of.
func TestPredictNames(t *testing.T) {
	dir := t.TempDir()
	saveModel(t, dir)
	names := []string{`"a, \"b\"\n"`, `"7"`, `7`, `-1.50e+3`, `""`}
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, `{"x": [[1,2]], "window": %s}`+"\n", name)
	}
	if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := vklstm(t, dir, "predict", "--model", "m.h5", "--device", "cpu", "--data", "in.jsonl", "--out-format", "jsonl")
	for i, line := range strings.Split(strings.TrimSpace(r.out), "\n") {
		if !strings.HasPrefix(line, `{"window":`+names[i]+`,`) {
			t.Errorf("%s: %s", names[i], line)
		}
	}
}

// A probability that is no number is null where JSON is written: a model's sums can leave float32's range.
func TestPredictNoNumber(t *testing.T) {
	dir := t.TempDir()
	m := saveModel(t, dir)
	head := m.Spec.Layout().Variables[3:]
	for i, v := range head[1].Of(m.State.Params) { // dense/bias: of its relu units one is +∞ and one −∞ to the output
		head[1].Of(m.State.Params)[i] = 3e38 + v
		head[2].Of(m.State.Params)[i] = []float32{3e38, -3e38}[i%2]
	}
	if err := saved.Save(filepath.Join(dir, "m.h5"), m); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "predict", "--model", "m.h5", "--device", "cpu", "--stream", "--json")
	c.Dir, c.Stdin = dir, strings.NewReader("1,2\n3,4\n5,6\n7,8\n")
	out, err := c.Output()
	if want := `{"line":4,"probability":null,"positive":false}` + "\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}

func TestExportCommand(t *testing.T) {
	dir := t.TempDir()
	trained, err := filepath.Abs("../../model/keras/testdata/keras3.keras")
	if err != nil {
		t.Fatal(err)
	}
	saveModel(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "in.csv"), []byte("1,2,3,4,5,6,7,8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"export", "--model", "m.h5", "--out", "m.tflite"}, 0, "m.tflite"},
		{[]string{"export", "--model", "m.h5", "--out", "m.bin", "--format", "onnx", "--quantize", "float16"}, 0, "onnx"},
		{[]string{"export", "--model", "m.h5", "--out", "m.npz"}, 0, "m.npz"},
		{[]string{"convert", "--model", "m.npz", "--out", "again.h5"}, 0, "again.h5"},
		{[]string{"export", "--model", trained, "--out", "t2.keras", "--format", "keras2"}, 0, "keras2"},
		{[]string{"export", "--model", trained, "--out", "t2.h5", "--format", "keras2"}, 1, "name it so"},
		{[]string{"export", "--model", "m.h5", "--out", "m.pb"}, 2, "--format"},
		{[]string{"export", "--model", "m.h5", "--out", "m.onnx", "--format", "coreml"}, 2, "coreml"},
		{[]string{"export", "--model", "m.h5", "--out", "m.onnx", "--quantize", "int4"}, 2, "int4"},
		{[]string{"export", "--model", "m.h5", "--out", "m.npz", "--quantize", "int8"}, 2, "float32 alone"},
		{[]string{"export", "--model", "m.h5"}, 2, "--out"},
		{[]string{"convert", "--model", "m.npz", "--out", "again.onnx"}, 2, "export"},
		{[]string{"export", "--model", "none.h5", "--out", "m.onnx"}, 1, "none.h5"},
		{[]string{"export", "--model", "m.h5", "--out", "m.h5/m.onnx"}, 1, "m.h5"},
		{[]string{"predict", "--model", "m.h5"}, 2, "--data"},
		{[]string{"predict", "--model", "m.h5", "--stream", "--data", "x.csv"}, 2, "--stream"},
		{[]string{"predict", "--model", "m.h5", "--stream", "--hop", "0"}, 2, "--hop"},
		{[]string{"predict", "--model", "m.h5", "--data", "x.csv", "--hop", "3"}, 2, "--hop"},
		{[]string{"predict", "--model", "m.h5", "--stream", "--data-format", "csv"}, 2, "--stream"},
		{[]string{"predict", "--model", "m.h5", "--stream", "--out-format", "csv"}, 2, "--stream"},
		{[]string{"predict", "--model", "m.h5", "--data", "-"}, 2, "--data-format"},
		{[]string{"predict", "--model", "m.h5", "--data", "-", "--data-format", "npz"}, 2, "name the file"},
		{[]string{"predict", "--model", "m.h5", "--data", "-", "--data-format", "csv"}, 1, "standard input: it holds no window"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.txt"}, 2, "--data-format"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--data-format", "xls"}, 2, "xls"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--out-format", "xls"}, 2, "xls"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--out", "p.txt"}, 2, "--out-format"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--out", "p.txt", "--out-format", "jsonl"}, 0, ""},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--out", "-", "--out-format", "jsonl"}, 0, `{"window":0,"probability":0.`},
		{[]string{"predict", "--model", "m.h5", "--data", "none.csv"}, 1, "none.csv"},
		{[]string{"predict", "--model", "m.h5", "--data", "in.csv", "--out", "./in.csv"}, 2, "would replace in.csv"},
		{[]string{"predict", "--model", "m.npz", "--data", "in.csv", "--out", "m.npz"}, 2, "would replace m.npz"},
		{[]string{"evaluate", "--model", "m.npz", "--data", "in.csv", "--json", "in.csv"}, 2, "--json in.csv would replace in.csv"},
		{[]string{"evaluate", "--model", "m.npz", "--data", "in.csv", "--json", "m.npz"}, 2, "would replace m.npz"},
		{[]string{"export", "--model", "m.h5", "--out", "-", "--format", "npz"}, 0, "bytes"},
		{[]string{"convert", "--model", trained, "--out", "t.h5"}, 0, "optimizer's state is not kept"},
	} {
		r := vklstm(t, dir, tc.args...)
		if r.status != tc.status || !strings.Contains(r.out+r.errout, tc.want) || strings.Contains(r.errout, "goroutine") {
			t.Errorf("%v: status %d, want %d with %q\n%s%s", tc.args, r.status, tc.status, tc.want, r.out, r.errout)
		}
	}
	a, err := saved.Load(filepath.Join(dir, "m.h5"))
	if err != nil {
		t.Fatal(err)
	}
	if r := vklstm(t, dir, "convert", "--model", trained, "--out", "t.keras"); r.status != 0 || r.errout != "" {
		t.Errorf("to .keras, which keeps all: status %d\n%s", r.status, r.errout)
	}
	from, err1 := saved.Load(trained)
	to, err2 := saved.Load(filepath.Join(dir, "t.keras"))
	if err := errors.Join(err1, err2); err != nil || from.State.Step == 0 || !reflect.DeepEqual(from.State, to.State) || from.Optimizer != to.Optimizer {
		t.Errorf("the optimizer of a model that went to .keras is another: %v", err)
	}
	b, err := saved.Load(filepath.Join(dir, "again.h5"))
	if err != nil || !slices.Equal(a.State.Params, b.State.Params) || b.Threshold != 0.49 {
		t.Errorf("a model that went to npz and back is another: %v", err)
	}
}
