package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vklstm/model"
	"vklstm/train/files"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// TestEarlyStopping compares the epoch of the stop with Keras's rule (wait counts epochs without improvement, stop
// when it reaches the patience, never after the first epoch), where NaN is no improvement even when it comes first.
func TestEarlyStopping(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		name     string
		values   []float64
		patience int
		stop     int // epoch from 0 in which it stops; −1: not
		best     int // −1: none
	}{
		{"always better", []float64{.1, .2, .3, .4}, 1, -1, 3},
		{"worse from the start", []float64{.4, .3, .2, .1}, 2, 2, 0},
		{"a tie is no improvement", []float64{.4, .4, .4, .4}, 2, 2, 0},
		{"a tie after rounding to float32", []float64{.4, .4 + 1e-10, .4 + 2e-10, .4}, 2, 2, 0},
		{"one ulp of float32 is an improvement", []float64{.4, .4 + 6e-8, .4 + 12e-8, .4 + 18e-8}, 1, -1, 3},
		{"waiting starts anew", []float64{.1, 0, .2, 0, .3, 0, 0, .9}, 2, 6, 4},
		{"NaN later", []float64{.1, nan, nan, .9}, 2, 2, 0},
		{"NaN between", []float64{.1, nan, .2, nan, .3}, 2, -1, 4},
		{"NaN first", []float64{nan, .1, 0, 0}, 2, 3, 1},
		{"NaN first, then worse than nothing is an improvement", []float64{nan, 0, .1}, 2, -1, 2},
		{"nothing but NaN", []float64{nan, nan, nan, nan}, 3, 2, -1},
		{"patience 0 acts as 1", []float64{.1, .1, .2}, 0, 1, 0},
		{"patience 1 and NaN first: not after the first epoch", []float64{nan, .1, .1}, 1, 2, 1},
		{"zero is a number", []float64{0, 0, 0}, 2, 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &Run{}
			s := &EarlyStopping{Monitor: "val_f1", Patience: tc.patience}
			if err := s.OnTrainBegin(r); err != nil {
				t.Fatal(err)
			}
			stop := -1
			for i, v := range tc.values {
				if err := s.OnEpochEnd(r, Epoch{Epoch: i, Val: Scores{F1: v}}); err != nil {
					t.Fatal(err)
				}
				if r.Stopped != "" {
					stop = i
					break
				}
			}
			best := -1
			if s.best.Any {
				best = s.best.Epoch
			}
			if stop != tc.stop || best != tc.best {
				t.Errorf("stopped in epoch %d with best %d, want %d and %d", stop, best, tc.stop, tc.best)
			}
		})
	}
	// A loss is better when it is lower.
	r, s := &Run{}, &EarlyStopping{Monitor: "val_loss", Patience: 1}
	if err := s.OnTrainBegin(r); err != nil {
		t.Fatal(err)
	}
	for i, v := range []float64{3, 2, 1} {
		_ = s.OnEpochEnd(r, Epoch{Epoch: i, Val: Scores{Loss: v}})
	}
	if r.Stopped != "" {
		t.Errorf("a falling loss stopped training: %s", r.Reason)
	}
	if err := (&EarlyStopping{Monitor: "val_fun"}).OnTrainBegin(r); err == nil || !strings.Contains(err.Error(), "val_f1") {
		t.Errorf("unknown monitor: %v", err)
	}
}

// probe is a callback that a test puts into a run.
type probe struct {
	NoCallback
	epoch func(*Run, Epoch) error
	end   func(*Run) error
}

func (p *probe) OnEpochEnd(r *Run, e Epoch) error {
	if p.epoch == nil {
		return nil
	}
	return p.epoch(r, e)
}

func (p *probe) OnTrainEnd(r *Run) error {
	if p.end == nil {
		return nil
	}
	return p.end(r)
}

var errLost = errors.New("device lost")

// TestEndings ends training in every way and asks for the best weights each time: on the device when the callbacks
// hear of the end, in the Result, and in the file. Without callbacks of the caller's the next epoch trains while the
// last one's are called, which must not show.
func TestEndings(t *testing.T) {
	var cancel context.CancelFunc
	for _, tc := range []struct {
		name     string
		script   script
		change   func(*Config)
		stopped  Stop
		best     int     // epoch, −1: none
		weights  float32 // every parameter; 0: no weights at all
		epochs   int     // in the history
		err      string  // part of it; "": none
		noTest   bool
		logged   string // part of the log
		patience int
	}{
		{name: "last epoch", script: script{hits: []int{1, 5, 3, 4, 2, 1, 3, 4}}, stopped: StoppedDone, best: 1, weights: 2, epochs: 8,
			logged: "best weights restored: epoch 2, validation F1 0.6667"},
		{name: "last epoch is the best", script: script{hits: []int{1, 2, 3, 4, 5, 6, 7, 8}}, stopped: StoppedDone, best: 7, weights: 8, epochs: 8},
		{name: "a tie keeps the first", script: script{hits: []int{1, 5, 5, 5, 5, 5, 5, 5}}, stopped: StoppedDone, best: 1, weights: 2, epochs: 8},
		{name: "early", script: script{hits: []int{1, 5, 3, 4}}, patience: 2, stopped: StoppedEarly, best: 1, weights: 2, epochs: 4,
			logged: "val_f1 was not better for 2 epochs"},
		{name: "nothing found at all", script: script{hits: []int{0}}, patience: 3, stopped: StoppedEarly, best: 0, weights: 1, epochs: 4},
		{name: "no score is a number", script: script{hits: []int{-1}}, patience: 3, stopped: StoppedEarly, best: -1, weights: 3, epochs: 3,
			logged: "the weights are kept as they are"},
		{name: "interrupted", script: script{hits: []int{1, 5, 3, 4}, before: func(e int) error {
			if e == 3 {
				cancel()
			}
			return nil
		}}, stopped: StoppedInterrupted, best: 1, weights: 2, epochs: 3, logged: "interrupted in epoch 4 after 1 of its 3 steps"},
		{name: "interrupted in the first epoch", script: script{hits: []int{1}, before: func(int) error { cancel(); return nil }},
			stopped: StoppedInterrupted, best: -1, weights: 77, epochs: 0, logged: "no epoch was complete; the weights are kept as they are, after 1 step"},
		{name: "engine fails", script: script{hits: []int{1, 5, 3}, before: func(e int) error {
			if e == 2 {
				return errLost
			}
			return nil
		}}, stopped: StoppedError, best: 1, weights: 2, epochs: 2, err: "device lost"},
		{name: "engine fails in the first epoch", script: script{hits: []int{1}, before: func(int) error { return errLost }},
			stopped: StoppedError, best: -1, weights: 0, epochs: 0, err: "device lost", noTest: true},
		{name: "callback fails", script: script{hits: []int{5, 1, 3}}, change: func(c *Config) {
			c.Callbacks = []Callback{&probe{epoch: func(_ *Run, e Epoch) error {
				if e.Epoch == 2 {
					return errLost
				}
				return nil
			}}}
		}, stopped: StoppedError, best: 0, weights: 1, epochs: 3, err: "device lost"},
		{name: "callback stops", script: script{hits: []int{5, 1, 3}}, change: func(c *Config) {
			c.Callbacks = []Callback{&probe{epoch: func(r *Run, e Epoch) error {
				if e.Epoch == 1 {
					r.Stop("enough", "that will do")
				}
				return nil
			}}}
		}, stopped: "enough", best: 0, weights: 1, epochs: 2, logged: "that will do"},
		{name: "diverges late", script: script{hits: []int{4, 5, -1}, loss: map[int]float64{2: math.NaN()}}, stopped: StoppedDiverged,
			best: 1, weights: 2, epochs: 3, logged: "the loss of epoch 3 is NaN (validation 0.25): training went wrong after the best epoch; a lower learning rate than 0.001 may help"},
		{name: "infinite loss", script: script{hits: []int{4, 5}, loss: map[int]float64{1: math.Inf(1)}}, stopped: StoppedDiverged,
			best: 1, weights: 2, epochs: 2},
		{name: "diverges at once", script: script{hits: []int{-1}, loss: map[int]float64{0: math.NaN()}, params: map[int]float32{0: float32(math.NaN())}},
			stopped: StoppedDiverged, best: -1, weights: 0, epochs: 1, err: "no epoch before gave usable weights; lower the learning rate (lr is 0.001)", noTest: true},
	} {
		for _, ahead := range []bool{false, true} {
			if ahead && tc.change != nil {
				continue
			}
			t.Run(fmt.Sprintf("%s/ahead=%v", tc.name, ahead), func(t *testing.T) {
				var ctx context.Context
				ctx, cancel = context.WithCancel(context.Background())
				defer cancel()
				f := &fakeEngine{script: tc.script}
				cfg := QuietConfig(f.factory)
				if tc.patience > 0 {
					cfg.Patience = tc.patience
				}
				if tc.change != nil {
					tc.change(&cfg)
				}
				cfg, dir := InFolder(t, cfg)
				var log bytes.Buffer
				cfg.Log = &log
				if tc.weights == 77 { // a first epoch that is cut short leaves the weights as they are
					before := tc.script.before
					f.before = func(e int) error {
						for i := range f.state.Params {
							f.state.Params[i] = 77
						}
						return before(e)
					}
				}
				device := float32(math.NaN())
				if !ahead {
					cfg.Callbacks = append(cfg.Callbacks, &probe{end: func(r *Run) error {
						s, err := r.State()
						device = s.Params[0]
						return err
					}})
				}
				res, err := LSTM(ctx, cfg)
				if ahead {
					device = f.state.Params[0]
					if n := len(res.History); tc.stopped == StoppedEarly && tc.best >= 0 && len(f.plans) != n+1 {
						t.Errorf("%d epochs were begun for %d in the history, want one ahead", len(f.plans), n)
					}
				}
				if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
					t.Fatalf("error %v, want %q", err, tc.err)
				}
				if res == nil {
					t.Fatal("no result")
				}
				if res.Stopped != tc.stopped || res.BestEpoch != tc.best || len(res.History) != tc.epochs {
					t.Errorf("stopped %q (%s), best epoch %d, %d epochs; want %q, %d, %d", res.Stopped, res.Reason, res.BestEpoch, len(res.History), tc.stopped, tc.best, tc.epochs)
				}
				if (res.Test == nil) != tc.noTest {
					t.Errorf("test %v", res.Test)
				}
				if !strings.Contains(log.String(), tc.logged) {
					t.Errorf("no %q in the log:\n%s", tc.logged, log.String())
				}
				if f.closed != 1 {
					t.Errorf("engine closed %d times", f.closed)
				}
				path := filepath.Join(dir, "c", CheckpointFile)
				if _, err := os.Stat(filepath.Join(dir, "h", HistoryFile)); err != nil {
					t.Errorf("no history: %v", err)
				}
				if tc.weights == 0 {
					if res.State != nil {
						t.Error("there are weights")
					}
					if _, err := os.Stat(path); err == nil {
						t.Error("there is a checkpoint")
					}
					return
				}
				for i, p := range res.State.Params {
					if p != tc.weights {
						t.Fatalf("parameter %d of the result is %v, want %v", i, p, tc.weights)
					}
				}
				if device != tc.weights {
					t.Errorf("the device holds %v at the end, want %v", device, tc.weights)
				}
				m, err := saved.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				if m.State.Params[0] != tc.weights || m.Origin.Epoch != tc.best || !slices.Contains(res.Files, path) {
					t.Errorf("the checkpoint holds %v of epoch %d, want %v of %d; files %v", m.State.Params[0], m.Origin.Epoch, tc.weights, tc.best, res.Files)
				}
			})
		}
	}
}

// TestInterruptedBeforeTheFirstStep is the one interruption that is an error: there is nothing to keep, and an old
// checkpoint stays.
func TestInterruptedBeforeTheFirstStep(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg, dir := InFolder(t, QuietConfig(traintest.Float64Engine))
	path := filepath.Join(dir, "c", CheckpointFile)
	if err := files.Write(path, traintest.Text("old")); err != nil {
		t.Fatal(err)
	}
	cfg.Engine = func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		cancel()
		return traintest.Float64Engine(spec, opts)
	}
	if _, err := LSTM(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the old checkpoint is %q (%v)", b, err)
	}
}

// TestInterruptedReference interrupts a real engine in its second epoch: the first epoch's weights come back.
func TestInterruptedReference(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := QuietConfig(traintest.Float64Engine)
	var first *model.State
	cfg.Callbacks = []Callback{&probe{epoch: func(r *Run, e Epoch) error {
		s, err := r.State()
		first = s
		cancel()
		return err
	}}}
	res, err := LSTM(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Stopped != StoppedInterrupted || len(res.History) != 1 || res.Test == nil {
		t.Fatalf("stopped %s after %d epochs, test %v", res.Stopped, len(res.History), res.Test)
	}
	if !slices.Equal(res.State.Params, first.Params) {
		t.Error("the weights are not those of the first epoch")
	}
}

// TestPlans looks at what the engine is handed: every training window once, in an order that is another each epoch
// and the same in each run, with class weights and learning rates, and the options of the configuration.
func TestPlans(t *testing.T) {
	run := func(seed uint32) *fakeEngine {
		f := &fakeEngine{script: script{hits: []int{1}}}
		cfg := QuietConfig(f.factory)
		cfg.Seed, cfg.Epochs, cfg.Augment, cfg.Patience = seed, 3, AugmentModerate, 9
		cfg.Parts.Train = cfg.Parts.Train[:15] // 8 of y = 0, 7 of y = 1
		cfg.Callbacks = []Callback{&probe{epoch: func(r *Run, e Epoch) error { r.LearningRate /= 2; return nil }}}
		if _, err := LSTM(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b, c := run(1), run(1), run(2)
	for i, p := range a.plans {
		sorted := slices.Sorted(slices.Values(p.Train))
		for j, w := range sorted {
			if int(w) != j {
				t.Fatalf("epoch %d trains on %v", i, sorted)
			}
		}
		if !slices.Equal(p.Train, b.plans[i].Train) || slices.Equal(p.Train, c.plans[i].Train) {
			t.Error("the order is not a function of the seed")
		}
		if i > 0 && slices.Equal(p.Train, a.plans[i-1].Train) {
			t.Error("two epochs have one order")
		}
		for j, w := range p.Train {
			if want := []float32{15. / 16, 15. / 14}[w%2]; p.Weight[j] != want {
				t.Errorf("window %d weighs %v, want %v", w, p.Weight[j], want)
			}
		}
		if want := 1e-3 / float64(int(1)<<i); !slices.Equal(p.LearningRate, []float64{want, want}) || p.Epoch != i || p.Batch != 8 || len(p.Eval) != 20 {
			t.Errorf("epoch %d: %+v", i, p)
		}
	}
	want := model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Augment: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}, Seed: 1}
	got := a.options[0]
	got.Scaling = model.Scaling{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("options %+v, want %+v", got, want)
	}
}

// TestNoWeights has every window count alike.
func TestNoWeights(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1}}}
	cfg := QuietConfig(f.factory)
	cfg.ClassWeights, cfg.Focal, cfg.Epochs = false, false, 1
	if _, err := LSTM(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if f.plans[0].Weight != nil || f.options[0].Loss.Kind != model.BinaryCrossentropy {
		t.Errorf("weights %v, loss %v", f.plans[0].Weight, f.options[0].Loss)
	}
}

// A learning rate that a callback sets is the next epoch's, however long the callback takes.
func TestCallbackSetsTheNextLearningRate(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{1, 2, 3, 4}}}
	cfg := QuietConfig(f.factory)
	cfg.Epochs = 4
	cfg.Callbacks = []Callback{&probe{epoch: func(r *Run, e Epoch) error {
		time.Sleep(5 * time.Millisecond)
		r.LearningRate = float64(e.Epoch + 2)
		return nil
	}}}
	if _, err := LSTM(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for i, p := range f.plans[1:cfg.Epochs] {
		if p.LearningRate[0] != float64(i+2) {
			t.Errorf("epoch %d is trained at rate %v, want %d", i+1, p.LearningRate[0], i+2)
		}
	}
}

// The score that decides about the best weights before the others are there is the one in the history.
func TestValidationF1(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 40 {
		y, p := make([]float32, n), make([]float32, n)
		for i := range y {
			y[i], p[i] = float32(rng.IntN(2)), float32(rng.IntN(11))/10
			if n%10 == 9 {
				p[i] = float32(math.NaN())
			}
		}
		want, got := scores(y, metrics.All(n), p, make([]float32, n), 1).F1, validationF1(y, p)
		if got != want && (got == got || want == want) {
			t.Errorf("%d windows: %v, want %v", n, got, want)
		}
	}
}
