package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/device"
)

// paperData are windows that a network of two units can tell apart, more or less.
func paperData() (*data.Dataset, *data.Parts) {
	d := &data.Dataset{Path: "paper", N: 60, T: 4, F: 2, X: make([]float32, 60*8), Y: make([]float32, 60)}
	var p data.Parts
	for i := range d.N {
		d.Y[i] = float32(i % 3 / 2)
		for j := range 8 {
			d.X[i*8+j] = float32((i*7+j*5)%11)/11 + d.Y[i]*float32(j%3)/4
		}
		switch {
		case i < 30:
			p.Train = append(p.Train, int32(i))
		case i < 45:
			p.Val = append(p.Val, int32(i))
		default:
			p.Test = append(p.Test, int32(i))
		}
	}
	return d, &p
}

// counted is an engine's factory that counts the epochs that models train.
type counted struct {
	device *device.Device
	epochs map[int]int // how many were trained, of each number
	most   int         // models of an engine
	small  int         // most models that the device has room for; 0: any
	stop   func()      // called before each epoch
}

type countedEngine struct {
	model.Engine
	c *counted
}

func (c *counted) factory(spec model.Spec, opts []model.Options) (model.Engine, error) {
	if c.small > 0 && len(opts) > c.small {
		return nil, fmt.Errorf("%d models: %w", len(opts), device.ErrOutOfMemory)
	}
	c.most = max(c.most, len(opts))
	e, err := c.device.NewEngine(spec, opts)
	return countedEngine{e, c}, err
}

func (e countedEngine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	if e.c.stop != nil {
		e.c.stop()
	}
	out, err := e.Engine.Epoch(ctx, plans)
	for _, p := range plans {
		if err == nil && len(p.Train) > 0 {
			e.c.epochs[p.Epoch]++
		}
	}
	return out, err
}

// total returns how many epochs were trained.
func (c *counted) total() int {
	n := 0
	for _, k := range c.epochs {
		n += k
	}
	return n
}

// newCounted counts on the CPU.
func newCounted(t testing.TB) *counted {
	t.Helper()
	d, err := device.Open("cpu")
	if err != nil {
		t.Fatal(err)
	}
	d.Threads = 1
	return &counted{device: d, epochs: map[int]int{}}
}

// configure sets a configuration as settings say.
func configure(t testing.TB, cfg train.Config, settings []Setting) train.Config {
	t.Helper()
	for _, s := range settings {
		x, err := strconv.ParseFloat(s.Value, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch s.Name {
		case "lr":
			cfg.LearningRate = x
		case "dropout":
			cfg.Dropout = x
		case "lstm-units":
			cfg.Units = []int{int(x)}
		case "batch":
			cfg.Batch = int(x)
		case "epochs":
			cfg.Epochs = int(x)
		default:
			t.Fatalf("flag %s", s.Name)
		}
	}
	return cfg
}

// base is the configuration that trials start from.
func base(c *counted) train.Config {
	cfg := train.DefaultConfig()
	cfg.Dataset, cfg.Parts = paperData()
	cfg.Units, cfg.DenseUnits, cfg.Batch, cfg.Epochs, cfg.Patience, cfg.Seed = []int{2}, 2, 8, 9, 3, 5
	cfg.LearningRate = 0.01
	cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir = "", "", ""
	cfg.Log, cfg.Out, cfg.Engine = nil, nil, c.factory
	return cfg
}

// small is a study that ends in a moment.
func small(t testing.TB, change func(*Study)) *Study {
	s := &Study{Space: tries(t, "lr=1e-3:1e-1:log", "lstm-units=2,3", "batch=8,15"), Method: MethodRandom, Trials: 12, Seed: 5, Repeats: 2, Epochs: 9, Data: "paper"}
	if change != nil {
		change(s)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// halved compares trials at 2, 4 and 8 epochs.
func halved(s *Study) { s.MinEpochs, s.Reduction = 2, 2 }

// ready is a search of s in a file, with configurations that start from cfg.
func ready(t testing.TB, path string, s *Study, cfg train.Config) *Search {
	t.Helper()
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	w := &Search{Study: s, Parts: cfg.Parts}
	for _, v := range settings {
		w.Trials = append(w.Trials, Trial{Settings: v, Config: configure(t, cfg, v)})
	}
	if w.Store, err = Open(path, s); err != nil {
		t.Fatal(err)
	}
	return w
}

// dump is the content of the tables that a search leaves, but for which models were side by side.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	for _, query := range []string{"SELECT * FROM study ORDER BY 1", "SELECT * FROM setting ORDER BY 1, 2",
		"SELECT trial, seed, rung, epochs, best_epoch, val_f1, val_auc, stopped, reason, '', '', '', '', '' FROM result ORDER BY 1, 2, 3",
		"SELECT * FROM history ORDER BY 1, 2, 3", "SELECT * FROM paused ORDER BY 1, 2",
		"SELECT trial, seed, kind, part, step, hex(bytes) FROM weights ORDER BY 1, 2, 3, 4"} {
		rows, err := s.conn.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				fmt.Fprint(&b, *v.(*any), " ")
			}
			b.WriteByte('\n')
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.Repeat("-", 3) + query + "\n")
	}
	return b.String()
}

// finished runs a search to its end and returns its trials and what its file holds.
func finished(t testing.TB, w *Search) ([]Ranked, string) {
	t.Helper()
	defer w.Store.Close()
	list, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list, dump(t, w.Store)
}

// variants are the ways of training whose state must survive.
var variants = map[string]func(*train.Config){
	"early stopping":    func(*train.Config) {},
	"no early stopping": func(c *train.Config) { c.EarlyStopping = false },
	"plateau": func(c *train.Config) {
		c.Schedule.Kind, c.Schedule.Patience, c.Schedule.Factor, c.Patience = train.SchedulePlateau, 1, 0.5, 4
	},
	"cosine": func(c *train.Config) { c.Schedule.Kind, c.Schedule.Warmup = train.ScheduleCosine, 1.5 },
}

// TestEndsTheSame interrupts searches in every epoch, one after the other, and lets them go on with other numbers of models
// side by side, saved as rarely and as often as can be: the file is the same, byte for byte, as of one left alone.
func TestEndsTheSame(t *testing.T) {
	for name, vary := range variants {
		for _, how := range []struct {
			name   string
			change func(*Study)
		}{{"whole", nil}, {"halving", halved}} {
			for _, every := range []time.Duration{0, time.Hour} {
				if name != "plateau" && (every > 0 || (how.change == nil) != (name == "early stopping")) {
					continue // all of it once is enough
				}
				t.Run(fmt.Sprintf("%s, %s, saved every %v", name, how.name, every), func(t *testing.T) {
					defer func(old time.Duration) { saveEvery = old }(saveEvery)
					saveEvery = every
					study := small(t, how.change)
					study.Trials = 8
					count := newCounted(t)
					cfg := base(count)
					vary(&cfg)
					want, file := finished(t, ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg))
					alone := count.total()

					count = newCounted(t)
					cfg.Engine = count.factory
					path := filepath.Join(t.TempDir(), "b.sqlite")
					var got []Ranked
					var gotFile string
					stops := 0
					for limit := 3; ; limit += 2 {
						w := ready(t, path, study, cfg)
						w.SideBySide = 1 + limit%4
						ctx, cancel := context.WithCancel(t.Context())
						left := limit
						count.stop = func() {
							if left--; left == 0 {
								cancel()
							}
						}
						var err error
						got, err = w.Run(ctx)
						cancel()
						if err == nil {
							gotFile = dump(t, w.Store)
							w.Store.Close()
							break
						}
						w.Store.Close()
						if !errors.Is(err, context.Canceled) {
							t.Fatal(err)
						}
						stops++
					}
					if stops < 3 {
						t.Errorf("interrupted %d times only", stops)
					}
					if inText(got) != inText(want) {
						t.Errorf("interrupted\n%s\nleft alone\n%s", inText(got), inText(want))
					}
					if gotFile != file {
						t.Errorf("the files differ: %s", firstDifference(gotFile, file))
					}
					// An interruption loses the current epoch and, where nothing was saved, the others of these models.
					if most := alone + stops*4*(study.Epochs+1); count.total() > most {
						t.Errorf("%d epochs were trained with %d interruptions, %d alone", count.total(), stops, alone)
					}
					if every == 0 && count.total() > alone+stops*4 {
						t.Errorf("%d epochs were trained with %d interruptions, %d alone, though each was saved", count.total(), stops, alone)
					}
				})
			}
		}
	}
}

// inText writes trials without what depends on the models side by side.
func inText(list []Ranked) string {
	var b strings.Builder
	for _, r := range list {
		for i := range r.Results {
			r.Results[i].Device = ""
		}
		fmt.Fprintf(&b, "%+v\n", r)
	}
	return b.String()
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: %.200s, want %.200s", i, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(x), len(y))
}

// TestTrialsAreTrain compares every trial and seed with train.LSTM alone, and takes the winner's model from the file.
func TestTrialsAreTrain(t *testing.T) {
	for name, vary := range variants {
		t.Run(name, func(t *testing.T) {
			study := small(t, func(s *Study) { s.Trials = 6 })
			count := newCounted(t)
			cfg := base(count)
			vary(&cfg)
			w := ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg)
			defer w.Store.Close()
			list, err := w.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				sum := 0.0
				for i, result := range r.Results {
					c := w.Trials[r.Trial].Config
					c.Seed = study.Seed + uint32(i)
					alone, err := train.LSTM(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					f1 := alone.History[alone.BestEpoch].Val.F1
					sum += f1
					if result.ValF1 != f1 || result.BestEpoch != alone.BestEpoch || result.Epochs != len(alone.History) || result.Stopped != alone.Stopped || result.Seed != c.Seed {
						t.Errorf("trial %d, seed %d: %+v; alone F1 %v in epoch %d of %d, %s", r.Trial, c.Seed, result, f1, alone.BestEpoch, len(alone.History), alone.Stopped)
					}
					h, err := w.Store.History(r.Trial, c.Seed)
					if err != nil || len(h) != len(alone.History) {
						t.Fatalf("trial %d: history of %d epochs, want %d (%v)", r.Trial, len(h), len(alone.History), err)
					}
					for e := range h {
						if h[e].Train != alone.History[e].Train || h[e].Val != alone.History[e].Val {
							t.Errorf("trial %d, epoch %d: %+v, want %+v", r.Trial, e, h[e], alone.History[e])
						}
					}
					if r.Rank == 1 && i == 0 {
						s, err := w.Winner(r)
						if err != nil {
							t.Fatal(err)
						}
						if !reflect.DeepEqual(s.BestState, alone.State) {
							t.Errorf("the winner's weights are not those of a training alone")
						}
					}
				}
				if mean := sum / 2; math.Abs(r.ValF1-mean) > 1e-15 {
					t.Errorf("trial %d: mean F1 %v, want %v", r.Trial, r.ValF1, mean)
				}
			}
			for i := 1; i < len(list); i++ {
				if list[i-1].ValF1 < list[i].ValF1 || list[i].Rank != i+1 {
					t.Errorf("rank %d has F1 %v, rank %d %v", list[i-1].Rank, list[i-1].ValF1, list[i].Rank, list[i].ValF1)
				}
			}
			if trials, err := w.Store.WithWeights(); err != nil || !slices.Equal(trials, []int{list[0].Trial}) {
				t.Errorf("weights of trials %v are kept, want those of %d alone (%v)", trials, list[0].Trial, err)
			}
			if n, err := w.Store.number("SELECT count(DISTINCT seed || kind) FROM weights"); err != nil || n != 1 {
				t.Errorf("%d kinds and seeds of weights are kept, want the best ones of one seed alone (%v)", n, err)
			}
			// A search that is through trains nothing.
			before := count.total()
			if again, err := w.Run(t.Context()); err != nil || inText(again) != inText(list) {
				t.Errorf("again: %v\n%s, want\n%s", err, inText(again), inText(list))
			}
			if count.total() != before {
				t.Errorf("%d epochs were trained again", count.total()-before)
			}
		})
	}
}

// TestHalving checks each rung against whole trainings: its trials have the best F1 of its epochs, and the best half go
// on.
func TestHalving(t *testing.T) {
	study := small(t, halved)
	if got := study.Rungs(); !slices.Equal(got, []int{2, 4, 8, 9}) {
		t.Fatalf("rungs %v", got)
	}
	count := newCounted(t)
	cfg := base(count)
	w := ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg)
	defer w.Store.Close()
	list, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type score struct{ f1, auc float64 }
	at := func(trial, epochs int) (mean score) {
		for i := range study.Repeats {
			c := w.Trials[trial].Config
			c.Seed = study.Seed + uint32(i)
			alone, err := train.LSTM(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			var best train.Best
			for _, e := range alone.History[:min(epochs, len(alone.History))] {
				best.Improved(e.Epoch, e.Val.F1)
			}
			mean.f1 += best.Value / 2
			mean.auc += alone.History[best.Epoch].Val.AUC / 2
		}
		return mean
	}
	alive := make([]int, study.Trials)
	for i := range alive {
		alive[i] = i
	}
	reached := map[int]int{}
	for rung, epochs := range study.Rungs() {
		scores := map[int]score{}
		for _, trial := range alive {
			scores[trial] = at(trial, epochs)
			reached[trial] = rung
		}
		slices.SortFunc(alive, func(a, b int) int {
			x, y := scores[a], scores[b]
			switch {
			case math.Abs(x.f1-y.f1) > 1e-12 && x.f1 > y.f1, math.Abs(x.f1-y.f1) <= 1e-12 && x.auc > y.auc+1e-12,
				math.Abs(x.f1-y.f1) <= 1e-12 && math.Abs(x.auc-y.auc) <= 1e-12 && a < b:
				return -1
			}
			return 1
		})
		if rung+1 < len(study.Rungs()) {
			alive = alive[:max(1, len(alive)/2)]
		}
	}
	if list[0].Trial != alive[0] {
		t.Errorf("trial %d won, want %d", list[0].Trial, alive[0])
	}
	sizes := map[int]int{}
	for _, r := range list {
		sizes[r.Rung]++
		if r.Rung != reached[r.Trial] {
			t.Errorf("trial %d reached rung %d, want %d", r.Trial, r.Rung, reached[r.Trial])
		}
		if _, most := r.Epochs(); most > study.Rungs()[r.Rung] {
			t.Errorf("trial %d was trained for %d epochs at rung %d", r.Trial, most, r.Rung)
		}
	}
	if want := map[int]int{0: 6, 1: 3, 2: 2, 3: 1}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("trials by the last rung: %v, want %v", sizes, want)
	}
	if trials, err := w.Store.WithWeights(); err != nil || !slices.Equal(trials, []int{list[0].Trial}) {
		t.Errorf("weights of trials %v are kept, want those of %d alone (%v)", trials, list[0].Trial, err)
	}
}

// TestTooLittleMemory lets a device have room for two models: the search goes on with two.
func TestTooLittleMemory(t *testing.T) {
	study := small(t, func(s *Study) { s.Space = tries(t, "lr=1e-3:1e-1:log") })
	count := newCounted(t)
	want, file := finished(t, ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, base(count)))
	if count.most != usuallyAtOnce {
		t.Errorf("%d models side by side, want %d", count.most, usuallyAtOnce)
	}
	count = newCounted(t)
	count.small = 2
	var log strings.Builder
	w := ready(t, filepath.Join(t.TempDir(), "b.sqlite"), study, base(count))
	w.Log = &log
	got, gotFile := finished(t, w)
	if inText(got) != inText(want) || gotFile != file {
		t.Errorf("the result is another one: %s", firstDifference(gotFile, file))
	}
	if count.most != 2 || strings.Count(log.String(), "too many for the device's memory") != 3 {
		t.Errorf("%d models side by side; the log says\n%s", count.most, log.String())
	}
	count = newCounted(t)
	count.small = 1
	study.Repeats = 1
	cfg := base(count)
	cfg.Engine = func(model.Spec, []model.Options) (model.Engine, error) {
		return nil, fmt.Errorf("no room: %w", device.ErrOutOfMemory)
	}
	w = ready(t, filepath.Join(t.TempDir(), "c.sqlite"), study, cfg)
	defer w.Store.Close()
	if _, err := w.Run(t.Context()); !errors.Is(err, device.ErrOutOfMemory) || !strings.Contains(err.Error(), "trial 0 (lr=") {
		t.Errorf("no room at all: %v", err)
	}
}

// wild is an engine whose loss is no number for models with a learning rate above 0.05.
type wild struct{ model.Engine }

func (e wild) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	out, err := e.Engine.Epoch(ctx, plans)
	for k, p := range plans {
		if err != nil || len(p.Train) == 0 || p.LearningRate[0] <= 0.05 {
			continue
		}
		s, err := e.State(k)
		if err != nil {
			return nil, err
		}
		for i := range s.Params {
			s.Params[i] = float32(math.NaN())
		}
		if err := e.SetState(k, s); err != nil {
			return nil, err
		}
		for i := range out[k].Loss {
			out[k].Loss[i] = float32(math.NaN())
		}
		for i := range out[k].EvalProbability {
			out[k].EvalProbability[i] = float32(math.NaN())
		}
	}
	return out, err
}

// TestDiverged lets trials go wrong: they come last, and the search goes on; where all do, it says so.
func TestDiverged(t *testing.T) {
	for _, change := range []func(*Study){nil, halved} {
		study := small(t, change)
		study.Space[0] = tries(t, "lr=1e-2,6e-2,2e-2,7e-2")[0]
		count := newCounted(t)
		cfg := base(count)
		cfg.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
			e, err := count.factory(spec, opts)
			return wild{e}, err
		}
		w := ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg)
		list, err := w.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		good := true
		for _, r := range list {
			bad := r.Settings[0].Value == "0.06" || r.Settings[0].Value == "0.07"
			if bad != math.IsNaN(r.ValF1) || r.Results[0].Stopped == train.StoppedDiverged != bad {
				t.Errorf("%v: F1 %v, %s", r.Settings, r.ValF1, r.Results[0].Stopped)
			}
			if change == nil && !bad && !good {
				t.Errorf("trial %d stands after one that went wrong", r.Trial)
			}
			good = good && !bad
		}
		if again, err := w.Run(t.Context()); err != nil || inText(again) != inText(list) {
			t.Errorf("again: %v", err)
		}
		w.Store.Close()

		study.Space[0] = tries(t, "lr=6e-2,7e-2,8e-2")[0]
		w = ready(t, filepath.Join(t.TempDir(), "b.sqlite"), study, cfg)
		if list, err = w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Winner(list[0]); err == nil || !strings.Contains(err.Error(), "lower learning rates") {
			t.Errorf("all went wrong: %v", err)
		}
		w.Store.Close()
	}
}

// TestTriesEpochs trains each trial as long as it says.
func TestTriesEpochs(t *testing.T) {
	study := small(t, func(s *Study) {
		s.Space, s.Method, s.Repeats = tries(t, "epochs=3,12", "lr=.01,.02"), MethodGrid, 1
	})
	cfg := base(newCounted(t))
	cfg.EarlyStopping = false
	list, _ := finished(t, ready(t, filepath.Join(t.TempDir(), "a.sqlite"), study, cfg))
	if len(list) != 4 {
		t.Errorf("%d trials", len(list))
	}
	for _, r := range list {
		if got := strconv.Itoa(r.Results[0].Epochs); got != r.Settings[0].Value {
			t.Errorf("%v: %s epochs", r.Settings, got)
		}
	}
	study.MinEpochs, study.Reduction = 1, 3
	if err := study.Check(); err == nil || !strings.Contains(err.Error(), "--try epochs with --asha") {
		t.Errorf("epochs in rungs: %v", err)
	}
}

// TestEngineFails checks that an engine's error ends the search, names a trial, and leaves what was saved.
func TestEngineFails(t *testing.T) {
	study := small(t, nil)
	count := newCounted(t)
	cfg := base(count)
	broken := errors.New("the device is gone")
	calls := 0
	cfg.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		if calls++; calls == 3 {
			return nil, broken
		}
		return count.factory(spec, opts)
	}
	path := filepath.Join(t.TempDir(), "a.sqlite")
	w := ready(t, path, study, cfg)
	_, err := w.Run(t.Context())
	w.Store.Close()
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "trial ") {
		t.Errorf("error %v", err)
	}
	list, _ := finished(t, ready(t, path, study, cfg))
	want, _ := finished(t, ready(t, filepath.Join(t.TempDir(), "b.sqlite"), study, base(newCounted(t))))
	if inText(list) != inText(want) {
		t.Errorf("after an error\n%s, want\n%s", inText(list), inText(want))
	}
}
