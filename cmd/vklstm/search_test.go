package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vklstm/train"
)

// trying is a search of 20 trials that ends in a moment, on a file that saveSample wrote.
func trying(extra ...string) []string {
	return append([]string{"search", "--device", "cpu", "--data", "sample.npz", "--epochs", "6", "--dense-units", "3", "--seed", "3",
		"--try", "lr=1e-3:1e-1:log", "--try", "lstm-units=2,3", "--try", "batch=4,8", "--try", "augment=none,strong",
		"--side-by-side", "2", "--json", "result.json"}, extra...)
}

// begin starts the program in dir and returns it with a reader of its log.
func begin(t *testing.T, dir string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Dir = dir
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(log)
}

// resultLine is a line of the log about a training that was saved.
var resultLine = regexp.MustCompile(`^\[\d+/\d+\] (trial \d+(?:, seed \d+)?): .* (after \d+ epochs?)`)

// TestKilledSearch kills searches of 20 trials three times with kill -9, at random moments, and lets them go on: the table,
// the JSON and the model are those of a search that was left alone, byte for byte, and nothing that was saved is trained
// again.
func TestKilledSearch(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for name, args := range map[string][]string{
		"whole":   trying("--trials", "20"),
		"halving": trying("--trials", "20", "--asha", "--min-epochs", "1", "--reduction", "2", "--seeds", "2"),
		"grid":    append(trying("--method", "grid"), "--try", "dropout=0:0.4:5"),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "grid" { // lists alone: 2 · 2 · 5 = 20 trials
				args = strings.Split(strings.ReplaceAll(strings.Join(args, "\n"), "--try\nlr=1e-3:1e-1:log\n", ""), "\n")
				args = strings.Split(strings.ReplaceAll(strings.Join(args, "\n"), "--try\naugment=none,strong\n", ""), "\n")
			}
			alone, killed := t.TempDir(), t.TempDir()
			saveSample(t, filepath.Join(alone, "sample.npz"))
			saveSample(t, filepath.Join(killed, "sample.npz"))
			want := vklstm(t, alone, args...)
			if want.status != 0 || !strings.Contains(want.out, "│   20 │") {
				t.Fatalf("status %d\n%s%s", want.status, want.out, want.errout)
			}
			seen := map[string]bool{}
			rung := ""
			note := func(line string) bool {
				if strings.HasPrefix(line, "rung ") {
					rung = line[:len("rung 1")]
				}
				m := resultLine.FindStringSubmatch(line)
				if m == nil {
					return false
				}
				if k := rung + m[1] + m[2]; seen[k] {
					t.Errorf("%s was there before", line)
				} else {
					seen[k] = true
				}
				return true
			}
			for kill := range 3 {
				c, log := begin(t, killed, args...)
				for left := 1 + random.IntN(4); left > 0 && log.Scan(); {
					if note(log.Text()) {
						left--
					}
				}
				time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
				if err := c.Process.Kill(); err != nil {
					t.Fatalf("kill %d: %v", kill, err)
				}
				for log.Scan() {
					note(log.Text())
				}
				if err := c.Wait(); err == nil {
					t.Fatalf("kill %d came too late", kill)
				}
			}
			got := vklstm(t, killed, args...)
			if got.status != 0 || got.out != want.out {
				t.Errorf("status %d\n%s%s\nwant\n%s", got.status, got.errout, got.out, want.out)
			}
			for line := range strings.Lines(got.errout) {
				note(line)
			}
			a, b := contents(t, alone), contents(t, killed)
			for name := range a {
				if !strings.HasSuffix(name, searchFile) && !bytes.Equal(a[name], b[name]) {
					t.Errorf("%s differs", name)
				}
			}
			if len(a) != len(b) || len(a) != 9 { // data, JSON, the search, and what train writes
				t.Errorf("%d files, want those %d of the search that was left alone", len(b), len(a))
			}
			// Once more, and nothing is trained.
			again := vklstm(t, killed, args...)
			if again.out != want.out || resultLine.MatchString(again.errout) || strings.Contains(again.errout, "] trial") {
				t.Errorf("when all was done\n%s%s", again.errout, again.out)
			}
		})
	}
}

// TestSearchModel checks that the model of a search is the one that the command it prints trains, byte for byte, and that
// the test part was not looked at before the end.
func TestSearchModel(t *testing.T) {
	for name, extra := range map[string][]string{
		"rungs":     {"--asha", "--min-epochs", "2", "--seeds", "2", "--scale", "minmax"},
		"recipe":    {"--recipe", "pose", "--no-class-weights"},
		"last":      {"--no-early-stopping", "--schedule", "cosine"},
		"threshold": {"--threshold", "best-f1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			saveSample(t, filepath.Join(dir, "sample.npz"))
			r := vklstm(t, dir, append(trying("--trials", "4"), extra...)...)
			if r.status != 0 {
				t.Fatalf("status %d\n%s", r.status, r.errout)
			}
			var command []string
			for line := range strings.Lines(r.out) {
				if strings.HasPrefix(line, "  vklstm train ") {
					command = strings.Fields(line)
				}
			}
			if command == nil {
				t.Fatalf("no command:\n%s", r.out)
			}
			if r := vklstm(t, dir, command[1:]...); r.status != 0 {
				t.Fatalf("%v: status %d\n%s", command, r.status, r.errout)
			}
			for searched, trained := range map[string]string{train.CheckpointFile: "checkpoints", train.HistoryFile: "history", train.TestMetricsFile: "plots",
				train.HistoryPlotFile: "plots", train.ROCPlotFile: "plots", train.ConfusionFile: "plots"} {
				a, err := os.ReadFile(filepath.Join(dir, "search", searched))
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(dir, trained, searched))
				if err != nil || !bytes.Equal(a, b) {
					t.Errorf("%s of the search is not that of %v (%v)", searched, command, err)
				}
			}
			var result struct {
				Trials []struct {
					Settings map[string]string `json:"settings"`
				} `json:"trials"`
				Best struct {
					Command string          `json:"command"`
					Test    json.RawMessage `json:"test"`
				} `json:"best"`
			}
			b, err := os.ReadFile(filepath.Join(dir, "result.json"))
			if err == nil {
				err = json.Unmarshal(b, &result)
			}
			if err != nil || len(result.Trials) != 4 || len(result.Trials[0].Settings) != 4 || result.Best.Command != strings.Join(command, " ") {
				t.Errorf("result.json: %v\n%s", err, b)
			}
			metrics, err := os.ReadFile(filepath.Join(dir, "plots", train.TestMetricsFile))
			if err != nil || !sameJSON(t, metrics, result.Best.Test) {
				t.Errorf("test %s, want %s (%v)", result.Best.Test, metrics, err)
			}
		})
	}
}

// sameJSON reports whether two JSON texts say the same.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	if err := json.Compact(&x, a); err != nil {
		t.Error(err)
	}
	if err := json.Compact(&y, b); err != nil {
		t.Error(err)
	}
	return x.String() == y.String()
}

// TestRecipeThatTrainsOnVal searches with a recipe that would leave no validation part: the search keeps it, and says so in
// the command.
func TestRecipeThatTrainsOnVal(t *testing.T) {
	dir := t.TempDir()
	saveSample(t, filepath.Join(dir, "sample.npz"))
	r := vklstm(t, dir, "search", "--device", "cpu", "--data", "sample.npz", "--recipe", "imu", "--epochs", "2", "--lstm-units", "2", "--try", "lr=.01,.02", "--method", "grid")
	if r.status != 0 || !strings.Contains(r.out, "--recipe=imu") || !strings.Contains(r.out, "--train-on-val=false --save-best\nWithout --train-on-val=false it trains") {
		t.Errorf("status %d\n%s%s", r.status, r.errout, r.out)
	}
}

// TestSearchAtOnce begins a second search on the file of one that is under way: it is refused, and the first goes on.
func TestSearchAtOnce(t *testing.T) {
	dir := t.TempDir()
	saveSample(t, filepath.Join(dir, "sample.npz"))
	args := trying("--trials", "2000")
	first, log := begin(t, dir, args...)
	defer first.Wait()
	defer first.Process.Kill()
	for log.Scan() && !resultLine.MatchString(log.Text()) {
	}
	if r := vklstm(t, dir, args...); r.status != 1 || !strings.Contains(r.errout, "is in use, perhaps by another search") {
		t.Errorf("status %d\n%s", r.status, r.errout)
	}
	if !log.Scan() || !resultLine.MatchString(log.Text()) {
		t.Errorf("the first search says %q", log.Text())
	}
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := ""
	for log.Scan() {
		last = log.Text()
	}
	if err := first.Wait(); err == nil || last != "vklstm: interrupted" {
		t.Errorf("after an interrupt: %v, %q", err, last)
	}
}

// TestBadSearches checks that what cannot be searched is refused by one sentence, and with the right status.
func TestBadSearches(t *testing.T) {
	dir := t.TempDir()
	saveSample(t, filepath.Join(dir, "sample.npz"))
	for name, text := range map[string]string{"space.yaml": "lr: [1, 2]\nspeed: 3\n", "file": "", "old.sqlite": "text that is no database, and longer than a header of 100 bytes is, so that it is read as one at all"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, "there is nothing to try"},
		{"--try lr", 2, "write NAME=A,B,C"},
		{"--try speed=1,2", 2, "no flag --speed"},
		{"--try data=a,b", 2, "--data cannot be tried"},
		{"--try seed=1,2", 2, "--seeds repeats"},
		{"--try split=random,group", 2, "one validation part"},
		{"--try device=cpu,0", 2, "--device cannot be tried"},
		{"--try train-on-val=true,false", 2, "needs the validation part"},
		{"--try threshold=0.4,0.5", 2, "trials are compared at 0.5"},
		{"--try save-best=true,false", 2, "a search can try no flag --save-best"},
		{"--try ensemble=1,3", 2, "--ensemble cannot be tried: trials are single models"},
		{"--try lr=1e-3:1e-2 --data sample.npz --json ./sample.npz", 2, "would replace sample.npz"},
		{"--try lr=1e-3:1e-2 --data sample.npz --db sample.npz", 2, "would replace sample.npz"},
		{"--try lr=1e-3:1e-2 --data sample.npz --json old.sqlite --db old.sqlite", 2, "would replace old.sqlite"},
		{"--try lr=1e-3,many", 2, "many"},
		{"--try lr=1e-3,1e-2 --lr 1", 2, "--lr is given and tried"},
		{"--try lr=1e-3,1e-2 --try lr=1", 2, "lr is tried twice"},
		{"--try lr=1e-3:1e-2 --method grid", 2, "a grid needs lists"},
		{"--try lr=1e-3,1e-2 --method grid --trials 3", 2, "--trials is of --method random"},
		{"--try lr=1e-3,1e-2 --method best", 2, `--method "best"`},
		{"--try lr=1e-3,1e-2", 2, "only 2 different settings"},
		{"--try lr=1e-3:1e-2 --trials 0", 2, "--trials 0"},
		{"--try lr=1e-3:1e-2 --seeds 0", 2, "--seeds 0"},
		{"--try lr=1e-3:1e-2 --min-epochs 3", 2, "are of --asha"},
		{"--try lr=1e-3:1e-2 --asha --min-epochs 200", 2, "--min-epochs 200"},
		{"--try lr=1e-3:1e-2 --asha --reduction 1", 2, "--reduction 1"},
		{"--try lr=1e-3:1e-2 --side-by-side -1", 2, "--side-by-side -1"},
		{"--try lr=1e-3:1e-2 --train-on-val", 2, "--train-on-val does not go with a search"},
		{"--try dropout=0.1:3 --trials 5", 1, "dropout is"},
		{"--try precision=float32,mixed --method grid", 1, "mixed precision needs a GPU"},
		{"--try schedule=constant,plateau --plateau-patience 2 --method grid", 1, "--plateau-patience needs"},
		{"--space none.yaml", 1, "none.yaml"},
		{"--space space.yaml", 1, "line 2, speed"},
		{"--try lr=1e-3:1e-2 --data none.npz", 1, "none.npz"},
		{"--try lr=1e-3:1e-2 --split group --data sample.npz", 1, "no groups to split by"},
		{"--try lr=1e-3:1e-2 --out-dir file/a", 1, "choose another"},
		{"--try lr=1e-3:1e-2 --db file/a", 1, "choose another"},
		{"--try lr=1e-3:1e-2 --db old.sqlite", 1, "is no SQLite file"},
		{"--try lr=1e-3:1e-2 --json file/a", 1, "choose another"},
		{"--try lr=1e-3:1e-2 --epochs 0", 1, "epochs is 0"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			args := append([]string{"search", "--device", "cpu"}, strings.Fields(tc.args)...)
			r := vklstm(t, dir, args...)
			if r.status != tc.status || !strings.Contains(r.errout, tc.says) || strings.Contains(r.errout, "goroutine ") {
				t.Errorf("status %d, want %d, and %q in:\n%s", r.status, tc.status, tc.says, r.errout)
			}
			if lines := strings.Count(strings.TrimSpace(r.errout), "\n") + 1; lines > 2 {
				t.Errorf("%d lines of error:\n%s", lines, r.errout)
			}
		})
	}
	// A file goes on with the same command alone, and data may move.
	search := []string{"search", "--device", "cpu", "--try", "lr=1e-3:1e-2", "--trials", "2", "--epochs", "1", "--lstm-units", "2", "--log-format", "json"}
	if r := vklstm(t, dir, append(search, "--data", "sample.npz")...); r.status != 0 {
		t.Fatalf("status %d\n%s", r.status, r.errout)
	} else {
		for line := range strings.Lines(r.errout) {
			var event struct {
				Event string `json:"event"`
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil || event.Event == "" {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
	if r := vklstm(t, dir, append(search, "--data", "sample.npz", "--patience", "3")...); r.status != 1 || !strings.Contains(r.errout, "its --patience is 10, and now it is 3") {
		t.Errorf("status %d\n%s", r.status, r.errout)
	}
	if r := vklstm(t, dir, search...); r.status != 1 || !strings.Contains(r.errout, "its windows, labels, groups or divisors are others") {
		t.Errorf("status %d\n%s", r.status, r.errout)
	}
	if err := os.Rename(filepath.Join(dir, "sample.npz"), filepath.Join(dir, "moved.npz")); err != nil {
		t.Fatal(err)
	}
	if r := vklstm(t, dir, append(search, "--data", "moved.npz")...); r.status != 0 || strings.Contains(r.errout, `"result"`) && strings.Contains(r.errout, `"trial"`) {
		t.Errorf("status %d\n%s", r.status, r.errout)
	}
	if r := vklstm(t, dir, append(search, "--data", "moved.npz", "--json", "-")...); r.status != 0 || !json.Valid([]byte(r.out)) {
		t.Errorf("--json -: status %d\n%s", r.status, r.out)
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"0.1": "0.1", "64,32": "64,32", "a b": "'a b'", "recall>=0.95": "'recall>=0.95'", "it's": `'it'\''s'`, "": "''", "*": "'*'", "$x": "'$x'"} {
		if got := quoted(in); got != want {
			t.Errorf("%q is quoted as %s, want %s", in, got, want)
		}
	}
}
