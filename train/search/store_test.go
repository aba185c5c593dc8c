package search

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/data"
)

// Nothing here is between two transactions of another process.
func init() { waitToRetake = time.Millisecond }

// file opens a new file of a study.
func file(t testing.TB, study *Study) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a ?%#b.sqlite") // what has a meaning in an address has none in a path
	s, err := Open(path, study)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return s, path
}

// other runs statements on a file as another program would.
func other(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "%", "%25", "#", "%23").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, v := range statements {
		if _, err := db.Exec(v); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	study := small(t, nil)
	s, path := file(t, study)
	results := []Result{
		{Trial: 0, Seed: 5, Epochs: 3, BestEpoch: 1, ValF1: 1. / 3, ValAUC: math.Nextafter(1, 0), Stopped: train.StoppedEarly, Reason: "why", Device: "where"},
		{Trial: 11, Seed: 6, Epochs: 2, BestEpoch: -1, ValF1: math.NaN(), ValAUC: math.NaN(), Stopped: train.StoppedDiverged},
	}
	h := train.History{{Epoch: 0, Train: train.Scores{Loss: math.Inf(1), AUC: math.NaN()}, Val: train.Scores{F1: 5e-324, Recall: .1}},
		{Epoch: 1, Train: train.Scores{Loss: 1, Accuracy: 2, Precision: 3, Recall: 4, F1: 5, AUC: 6}, Val: train.Scores{Loss: 7, Accuracy: 8, Precision: 9, Recall: 10, F1: 11, AUC: 12}}}
	w := model.NewState(partBytes/12 + 5) // a part and a little
	for i := range w.Params {
		w.Params[i], w.M[i], w.V[i] = float32(i), -float32(i), math.Float32frombits(uint32(i))
	}
	w.Step = 77
	paused := &train.Snapshot{State: w, Best: train.Best{Epoch: 1, Value: 11, Any: true}, BestState: w, LearningRate: 1. / 7, History: h}
	err := s.save(func() error {
		for _, r := range results {
			if err := s.saveResult(r); err != nil {
				return err
			}
		}
		for n := 1; n <= len(h); n++ { // epoch after epoch
			if err := s.saveHistory(3, 5, h[:n]); err != nil {
				return err
			}
		}
		if err := s.savePaused(3, 5, paused); err != nil {
			return err
		}
		return s.saveWeights(3, 5, weightsBest, w)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if s, err = Open(path, study); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Results(study, 12)
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", results) {
		t.Errorf("%+v\nwant\n%+v (%v)", got, results, err)
	}
	p, err := s.Paused(3, 5)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := fmt.Sprintf("%+v", p.History), fmt.Sprintf("%+v", h); g != w {
		t.Errorf("history\n%s, want\n%s", g, w)
	}
	if !reflect.DeepEqual(p.State, w) || !reflect.DeepEqual(p.BestState, w) || p.LearningRate != paused.LearningRate || p.Best != paused.Best {
		t.Error("weights or learning rate came back otherwise")
	}
	if n, err := s.PausedEpochs(3, 5); n != 2 || err != nil {
		t.Errorf("%d epochs, want 2 (%v)", n, err)
	}
	if p, err := s.Paused(3, 6); p != nil || err != nil {
		t.Errorf("another seed: %v, %v", p, err)
	}
	if err := s.save(func() error { return s.forget(3) }); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Paused(3, 5); p != nil || err != nil {
		t.Errorf("forgotten: %v, %v", p, err)
	}
}

// TestOneSearchAtATime opens a file twice: the second search is refused, readers are not, and when the first has ended, and
// not before, the second may.
func TestOneSearchAtATime(t *testing.T) {
	study := small(t, nil)
	s, path := file(t, study)
	refused := func(when string) {
		t.Helper()
		if second, err := Open(path, study); err == nil || !strings.Contains(err.Error(), "is in use, perhaps by another search") {
			if second != nil {
				second.Close()
			}
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("at the start")
	if err := s.save(func() error { return s.saveResult(Result{BestEpoch: -1, Seed: 5}) }); err != nil {
		t.Fatal(err)
	}
	refused("after a result")
	other(t, path, "SELECT * FROM score")
	s.Close()
	second, err := Open(path, study)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if list, err := second.Results(study, 12); err != nil || len(list) != 1 {
		t.Errorf("%d results, want 1 (%v)", len(list), err)
	}
}

// TestTakenOver lets another search write between two transactions: the first says so, and saves nothing more.
func TestTakenOver(t *testing.T) {
	s, path := file(t, small(t, nil))
	if err := s.exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	other(t, path, "BEGIN IMMEDIATE; ROLLBACK")
	if err := s.retake(); err != nil {
		t.Errorf("after another who wrote nothing: %v", err)
	}
	if err := s.exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	other(t, path, "INSERT INTO test VALUES ('f1', 1)")
	if err := s.retake(); err == nil || !strings.Contains(err.Error(), "another search has taken") {
		t.Errorf("after another who wrote: %v", err)
	}
}

// TestOtherSearch changes one thing of a study at a time: the file is refused, by a sentence that names it.
func TestOtherSearch(t *testing.T) {
	study := func() *Study {
		return small(t, func(s *Study) { s.Flags = []Setting{{"patience", "10"}, {"scale", "none"}} })
	}
	first := study()
	halved(first)
	s, path := file(t, first)
	s.Close()
	for want, change := range map[string]func(*Study){
		"its --seed is 5, and now it is 6":                   func(s *Study) { s.Seed = 6 },
		"its --seeds is 2, and now it is 3":                  func(s *Study) { s.Repeats = 3 },
		"its --trials is 12, and now it is 13":               func(s *Study) { s.Trials = 13 },
		"its --method is random, and now it is grid":         func(s *Study) { s.Method = MethodGrid },
		"its --patience is 10, and now it is 11":             func(s *Study) { s.Flags[0].Value = "11" },
		"its --scale is none, and now there is none":         func(s *Study) { s.Flags = s.Flags[:1] },
		"it has no --l2, and now it is 1":                    func(s *Study) { s.Flags = append(s.Flags, Setting{"l2", "1"}) },
		"its --try 1 is lr=0.001:0.1:log, and now":           func(s *Study) { s.Space[0] = tries(t, "lr=1e-3:2e-1:log")[0] },
		"its --try 2 is lstm-units, one of":                  func(s *Study) { s.Space[1] = tries(t, "lstm-units=2,3;")[0] },
		"its --try 3 is":                                     func(s *Study) { s.Space = s.Space[:2] },
		"its --min-epochs is 2":                              func(s *Study) { s.MinEpochs = 1 },
		"its --reduction is 2":                               func(s *Study) { s.Reduction = 3 },
		"its windows, labels, groups or divisors are others": func(s *Study) { s.Data = "others" },
	} {
		now := study()
		halved(now)
		change(now)
		if s, err := Open(path, now); err == nil || !strings.Contains(err.Error(), "holds another search: "+want) {
			if s != nil {
				s.Close()
			}
			t.Errorf("%s: %v", want, err)
		}
	}
	if s, err := Open(path, first); err != nil {
		t.Error(err)
	} else {
		s.Close()
	}
}

// TestHostileFiles opens files that no search wrote: each is refused by a sentence, and left as it was.
func TestHostileFiles(t *testing.T) {
	study := small(t, nil)
	for name, tc := range map[string]struct {
		make func(path string)
		want string
	}{
		"text":            {func(p string) { os.WriteFile(p, []byte(strings.Repeat("this is no database ", 100)), 0o666) }, "is no SQLite file"},
		"something else":  {func(p string) { os.Remove(p); other(t, p, "CREATE TABLE secrets (x)") }, "is an SQLite file of something else"},
		"another version": {func(p string) { other(t, p, "PRAGMA user_version=2") }, "is of version 2"},
		"a table more":    {func(p string) { other(t, p, "CREATE TABLE more (x)") }, "has other tables"},
		"a trigger": {func(p string) {
			other(t, p, "CREATE TRIGGER t AFTER INSERT ON result BEGIN DELETE FROM history; END")
		}, "has other tables"},
		"a table as a view": {func(p string) { other(t, p, "DROP TABLE test", "CREATE VIEW test AS SELECT 1 AS name, 2 AS value") }, "has other tables"},
		"cut":               {func(p string) { os.Truncate(p, 20_000) }, "is damaged"},
		"zeros in the middle": {func(p string) {
			b, _ := os.ReadFile(p)
			for i := 4096; i < len(b); i++ {
				b[i] = 0
			}
			os.WriteFile(p, b, 0o666)
		}, "is damaged"},
		"a folder": {func(p string) { os.Remove(p); os.Mkdir(p, 0o777) }, "it is a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := file(t, study)
			s.Close()
			tc.make(path)
			before, _ := os.ReadFile(path)
			s, err := Open(path, study)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if s != nil {
				s.Close()
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
	for name, statement := range map[string]string{
		"a trial too many":           "INSERT INTO result VALUES (12, 5, 0, 1, 0, 1, 1, 'done', '', '')",
		"a seed too many":            "INSERT INTO result VALUES (0, 7, 0, 1, 0, 1, 1, 'done', '', '')",
		"a rung too many":            "INSERT INTO result VALUES (0, 5, 1, 1, 0, 1, 1, 'done', '', '')",
		"a best epoch that was not":  "INSERT INTO result VALUES (0, 5, 0, 1, 1, 1, 1, 'done', '', '')",
		"an odd end":                 "INSERT INTO result VALUES (0, 5, 0, 1, 0, 1, 1, 'stolen', '', '')",
		"paused without weights":     "INSERT INTO paused VALUES (0, 5, 0.1, -1)",
		"weights cut":                "INSERT INTO paused VALUES (0, 5, 0.1, -1); INSERT INTO weights VALUES (0, 5, 'now', 0, 1, x'0011')",
		"weights of another network": "INSERT INTO paused VALUES (0, 5, 0.1, -1); INSERT INTO history (trial, seed, epoch) VALUES (0, 5, 0); INSERT INTO weights VALUES (0, 5, 'now', 0, 1, x'000000000000000000000000')",
		"a part missing":             "INSERT INTO paused VALUES (0, 5, 0.1, -1); INSERT INTO weights VALUES (0, 5, 'now', 1, 1, x'000000000000000000000000')",
		"an epoch missing":           "INSERT INTO paused VALUES (0, 5, 0.1, -1); INSERT INTO history (trial, seed, epoch) VALUES (0, 5, 1)",
	} {
		t.Run(name, func(t *testing.T) {
			w := ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, base(newCounted(t)))
			w.Store.Close()
			other(t, w.Store.path, statement)
			w = ready(t, w.Store.path, study, base(newCounted(t)))
			defer w.Store.Close()
			if _, err := w.Run(t.Context()); err == nil || strings.Contains(err.Error(), "\n") ||
				!strings.Contains(err.Error(), "is damaged") && !strings.Contains(err.Error(), "trial 0 (") {
				t.Errorf("error %v", err)
			}
		})
	}
	s, path := file(t, study)
	s.Close()
	other(t, path, "INSERT INTO history (trial, seed, epoch) VALUES (0, 5, 1)", "INSERT INTO weights VALUES (0, 5, 'now', 0, 1, x'000000000000000000000000')",
		"INSERT INTO weights VALUES (0, 5, 'now', 2, 1, x'000000000000000000000000')", "INSERT INTO weights VALUES (1, 5, 'now', 0, 1, x'0000')")
	s, err := Open(path, study)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := s.History(0, 5); err == nil || !strings.Contains(err.Error(), "has no epoch 0") {
		t.Errorf("a history without its beginning: %v, %v", h, err)
	}
	for trial, want := range []string{"parts of the weights of trial 0", "weights of trial 1"} {
		if w, err := s.Weights(trial, 5, weightsNow); err == nil || !strings.Contains(err.Error(), "is damaged ("+want) {
			t.Errorf("weights of trial %d: %v, %v", trial, w, err)
		}
	}
	// What is damaged is found at the start, not when it is needed, hours later.
	if err := s.save(func() error { return s.saveWeights(3, 5, weightsBest, model.NewState(100_000)) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)/2 : len(b)*3/4])
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path, study); err == nil || !strings.Contains(err.Error(), "is damaged") {
		s.Close()
		t.Errorf("weights that are damaged: %v", err)
	}
	s, path = file(t, study)
	s.Close()
	other(t, path, "INSERT INTO result VALUES (0, 5, 0, 1, 0, 1, 1, 'done', '', '')", "INSERT INTO result VALUES (0, 6, 0, 1, 0, 1, 1, 'done', '', '')")
	w := ready(t, path, study, base(newCounted(t)))
	defer w.Store.Close()
	list, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Winner(list[0]); err == nil || !strings.Contains(err.Error(), "is damaged (the model of trial 0)") {
		t.Errorf("a winner that was made up: %v", err)
	}
}

// TestFull lets a file be as large as it is and no larger, as on a full disk: the error says so, and what was saved is whole.
func TestFull(t *testing.T) {
	study := small(t, nil)
	s, path := file(t, study)
	keep := Result{Trial: 1, Seed: 5, BestEpoch: -1}
	if err := s.save(func() error { return s.saveResult(keep) }); err != nil {
		t.Fatal(err)
	}
	if err := s.exec("PRAGMA max_page_count=1"); err != nil { // it is as many as there are
		t.Fatal(err)
	}
	err := s.sentence(s.save(func() error {
		if err := s.saveResult(Result{Trial: 2, Seed: 5, BestEpoch: -1}); err != nil {
			return err
		}
		return s.saveWeights(2, 5, weightsBest, model.NewState(100_000))
	}))
	if err == nil || !strings.Contains(err.Error(), "the disk is full") || !strings.Contains(err.Error(), "what was saved before is whole") {
		t.Errorf("error %v", err)
	}
	s.Close()
	if s, err = Open(path, study); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if list, err := s.Results(study, 12); err != nil || len(list) != 1 || list[0].Trial != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestFullInTheMiddle lets searches run into a full disk again and again, each a page later, so that every transaction is cut
// in its middle: nothing of it is kept, and the search ends as one that always had room.
func TestFullInTheMiddle(t *testing.T) {
	study := small(t, halved)
	study.Trials = 4
	cfg := base(newCounted(t))
	want, content := finished(t, ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg))
	path := filepath.Join(t.TempDir(), "b.sqlite")
	full := 0
	for pages := 1; ; pages++ {
		w := ready(t, path, study, cfg)
		w.SideBySide = 3
		if err := w.Store.exec(fmt.Sprintf("PRAGMA max_page_count=%d", pages)); err != nil {
			t.Fatal(err)
		}
		list, err := w.Run(t.Context())
		if err == nil {
			if got := dump(t, w.Store); inText(list) != inText(want) || got != content {
				t.Errorf("after %d times full: %s", full, firstDifference(got, content))
			}
			w.Store.Close()
			break
		}
		w.Store.Close()
		if !strings.Contains(err.Error(), "the disk is full") {
			t.Fatal(err)
		}
		full++
	}
	if full < 10 {
		t.Errorf("the disk was full %d times only", full)
	}
}

func TestUnwritable(t *testing.T) {
	study := small(t, nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "file", "a.sqlite"), study); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("a folder that is a file: %v", err)
	}
	if os.Getuid() == 0 {
		return // the system refuses root nothing
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "a.sqlite"), study); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("a folder that cannot be written: %v", err)
	}
}

// TestSchema checks that SQLite keeps the schema's statements as statements parts them, comments inside included.
func TestSchema(t *testing.T) {
	s, _ := file(t, small(t, nil))
	for _, table := range []string{"study", "setting", "result", "history", "paused", "weights", "test"} {
		var text string
		if err := s.conn.QueryRowContext(context.Background(), "SELECT sql FROM sqlite_schema WHERE name = ?", table).Scan(&text); err != nil || !strings.HasSuffix(text, "STRICT") {
			t.Errorf("table %s: %q, %v", table, text, err)
		}
	}
}

func TestHashData(t *testing.T) {
	hash := func(change func(*data.Dataset)) string {
		d, _ := paperData()
		d.Group = []string{"a", "bc"}
		change(d)
		return HashData(d)
	}
	same := hash(func(*data.Dataset) {})
	if same != hash(func(d *data.Dataset) { d.Path = "elsewhere" }) {
		t.Error("the path counts")
	}
	for name, change := range map[string]func(*data.Dataset){
		"a value":   func(d *data.Dataset) { d.X[100] = math.Nextafter32(d.X[100], 9) },
		"a label":   func(d *data.Dataset) { d.Y[59] = 1 - d.Y[59] },
		"a group":   func(d *data.Dataset) { d.Group = []string{"ab", "c"} },
		"no group":  func(d *data.Dataset) { d.Group = nil },
		"a divisor": func(d *data.Dataset) { d.Divisor = []float64{2} },
		"a shape":   func(d *data.Dataset) { d.T, d.F = d.F, d.T },
	} {
		if hash(change) == same {
			t.Errorf("%s does not count", name)
		}
	}
}
