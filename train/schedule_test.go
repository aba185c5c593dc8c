package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/train/metrics"
	"vklstm/train/progress"
	"vklstm/train/saved"
)

// kerasSchedules is testdata/schedules.json: learning rates that Keras gave (schedules.py says what is what).
type kerasSchedules struct {
	Cosine []struct {
		Initial      float64   `json:"initial"`
		DecaySteps   int       `json:"decay_steps"`
		Alpha        float64   `json:"alpha"`
		WarmupTarget *float64  `json:"warmup_target"`
		WarmupSteps  int       `json:"warmup_steps"`
		Rate         []float64 `json:"rate"`
	} `json:"cosine"`
	Plateau []struct {
		Mode     string     `json:"mode"`
		Initial  float64    `json:"initial"`
		Factor   float64    `json:"factor"`
		Patience int        `json:"patience"`
		MinDelta float64    `json:"min_delta"`
		Cooldown int        `json:"cooldown"`
		MinLR    float64    `json:"min_lr"`
		Metric   []*float64 `json:"metric"`
		Rate     []float64  `json:"rate"`
	} `json:"plateau"`
}

func readSchedules(t *testing.T) kerasSchedules {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "schedules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var k kerasSchedules
	if err := json.Unmarshal(b, &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestCosineAgainstKeras compares every step with Keras's CosineDecay, whose warm-up starts from 0 here: others, there is
// no flag for. Both are float64, of at most six roundings each of a number at most the top rate: 2⁻⁵⁰ of it bounds them,
// and 2π·2⁻⁵³, half a unit of the cosine's argument, adds less than one more.
func TestCosineAgainstKeras(t *testing.T) {
	judged := 0
	for i, c := range readSchedules(t).Cosine {
		top := c.Initial
		if c.WarmupTarget != nil {
			if top = *c.WarmupTarget; c.WarmupSteps > 0 && c.Initial != 0 {
				continue
			}
		}
		judged++
		epochs := c.DecaySteps + c.WarmupSteps
		s := Schedule{Kind: ScheduleCosine, Warmup: float64(c.WarmupSteps), MinLR: c.Alpha * top}
		for step, want := range c.Rate {
			if got := s.At(top, step, 1, epochs); math.Abs(got-want) > top*0x1p-50 {
				t.Errorf("case %d, step %d: %v, Keras %v", i, step, got, want)
			}
		}
		// The same steps in epochs of several, of which the warm-up takes a part.
		if epochs%2 != 0 {
			continue
		}
		s.Warmup /= 2
		for step, want := range c.Rate[:epochs] {
			if got := s.At(top, step, 2, epochs/2); math.Abs(got-want) > top*0x1p-50 {
				t.Errorf("case %d, step %d in epochs of 2: %v, Keras %v", i, step, got, want)
			}
		}
	}
	if judged < 5 {
		t.Errorf("%d cases judged; the file has more of them", judged)
	}
}

// TestPlateauAgainstKeras tells the callback Keras's metrics and compares the rate after each. Keras keeps the rate in
// float64 there, so the products are equal bit for bit. Where NaN comes first nothing is better for Keras ever after; here
// the first number is, as Best has it.
func TestPlateauAgainstKeras(t *testing.T) {
	judged := 0
	for i, c := range readSchedules(t).Plateau {
		if c.Metric[0] == nil {
			continue
		}
		judged++
		monitor := "val_f1"
		if c.Mode == "min" {
			monitor = "val_loss"
		}
		r := &Run{LearningRate: c.Initial, log: &logger{Log: progress.New(nil, progress.Text, true)}}
		p := &ReduceLROnPlateau{Monitor: monitor, Factor: c.Factor, Patience: c.Patience, MinDelta: c.MinDelta, Cooldown: c.Cooldown, MinLR: c.MinLR}
		if err := p.OnTrainBegin(r); err != nil {
			t.Fatal(err)
		}
		for epoch, v := range c.Metric {
			e := Epoch{Epoch: epoch, Val: Scores{F1: metrics.NaN, Loss: metrics.NaN}}
			if v != nil {
				e.Val = Scores{F1: *v, Loss: *v}
			}
			if err := p.OnEpochEnd(r, e); err != nil {
				t.Fatal(err)
			}
			if r.LearningRate != c.Rate[epoch] {
				t.Errorf("case %d, epoch %d: %v, Keras %v", i, epoch, r.LearningRate, c.Rate[epoch])
			}
		}
	}
	if judged < 10 {
		t.Errorf("%d cases judged; the file has more of them", judged)
	}
	r := &Run{LearningRate: 1, log: &logger{Log: progress.New(nil, progress.Text, true)}}
	p := &ReduceLROnPlateau{Monitor: "val_f1", Factor: 0.5, Patience: 2}
	for epoch, v := range []float64{metrics.NaN, .5, .6, .7} {
		_ = p.OnEpochEnd(r, Epoch{Epoch: epoch, Val: Scores{F1: v}})
	}
	if r.LearningRate != 1 {
		t.Errorf("NaN first, then better and better: lowered to %v", r.LearningRate)
	}
	if err := (&ReduceLROnPlateau{Monitor: "val_f2"}).OnTrainBegin(r); err == nil || !strings.Contains(err.Error(), `"val_f2"`) {
		t.Errorf("an unknown column: error %v", err)
	}
}

// TestScheduleReachesPlans follows the rates into the engine's plans: 3 steps an epoch.
func TestScheduleReachesPlans(t *testing.T) {
	run := func(change func(*Config)) []float64 {
		t.Helper()
		f := &fakeEngine{script: script{hits: []int{5, 6, 6, 6, 6, 6}}}
		cfg := QuietConfig(f.factory)
		cfg.Epochs, cfg.LearningRate = 6, 0.5
		change(&cfg)
		if _, err := LSTM(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		var rates []float64
		for _, p := range f.plans {
			rates = append(rates, p.LearningRate...)
		}
		return rates
	}
	warm := run(func(c *Config) { c.Schedule.Warmup = 4. / 3 })
	if want := []float64{0, 0.125, 0.25, 0.375, 0.5, 0.5}; !slices.Equal(warm[:6], want) || warm[17] != 0.5 {
		t.Errorf("warm-up of 4 steps: %v, want %v, then 0.5", warm, want)
	}
	cosine := run(func(c *Config) { c.Schedule.Kind, c.Schedule.MinLR = ScheduleCosine, 0.1 })
	for i, got := range cosine {
		if want := 0.1 + 0.4*0.5*(1+math.Cos(math.Pi*float64(i)/18)); math.Abs(got-want) > 1e-15 {
			t.Errorf("cosine, step %d: %v, want %v", i, got, want)
		}
	}
	if len(cosine) != 18 {
		t.Errorf("%d steps, want 18", len(cosine))
	}
	// Validation F1 rises in the second epoch, then stays: lowered after epochs 4 and 6, before the next begins.
	plateau := run(func(c *Config) { c.Schedule.Kind, c.Schedule.Factor, c.Schedule.Patience = SchedulePlateau, 0.5, 2 })
	for i, got := range plateau {
		want := 0.5
		if i >= 12 {
			want = 0.25
		}
		if got != want {
			t.Errorf("plateau, step %d: %v, want %v", i, got, want)
		}
	}
}

// TestLastWeights trains without early stopping: all epochs, though validation F1 falls, and the last weights.
func TestLastWeights(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{9, 8, 7, 6, 5, 4, 3, 2}}}
	cfg, dir := InFolder(t, QuietConfig(f.factory))
	cfg.Patience, cfg.EarlyStopping = 1, false
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Stopped != StoppedDone || len(res.History) != 8 || res.BestEpoch != 7 || res.State.Params[0] != 8 {
		t.Errorf("stopped %q after %d epochs; epoch %d, weights %v", res.Stopped, len(res.History), res.BestEpoch, res.State.Params[0])
	}
	for _, e := range res.History {
		if e.Improved {
			t.Errorf("epoch %d is called better", e.Epoch)
		}
	}
	m, err := saved.Load(filepath.Join(dir, "c", CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	if m.State.Params[0] != 8 || m.Origin.Epoch != 7 || math.Abs(float64(m.Origin.ValF1)-res.History[7].Val.F1) > 0 {
		t.Errorf("saved: weights %v, epoch %d, F1 %v", m.State.Params[0], m.Origin.Epoch, m.Origin.ValF1)
	}
}

// TestLastUsableWeights keeps the weights before the loss is no number.
func TestLastUsableWeights(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{5}, loss: map[int]float64{3: metrics.NaN}}}
	cfg := QuietConfig(f.factory)
	cfg.EarlyStopping = false
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Stopped != StoppedDiverged || res.BestEpoch != 2 || res.State.Params[0] != 3 {
		t.Errorf("stopped %q, epoch %d, weights %v", res.Stopped, res.BestEpoch, res.State.Params[0])
	}
}

// TestTrainOnVal trains on both parts: no window is left to validate, the class weights and the history know it.
func TestTrainOnVal(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{5}}}
	cfg, dir := InFolder(t, QuietConfig(f.factory))
	cfg.EarlyStopping, cfg.TrainOnVal = false, true
	cfg.Parts.Val = append(slices.Clone(cfg.Parts.Val), cfg.Parts.Train[15:]...)
	backing := append(slices.Clone(cfg.Parts.Train), make([]int32, 40)...) // with room after the training part
	cfg.Parts.Train = backing[:15]
	before := slices.Clone(backing)
	res, err := LSTM(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(backing, before) {
		t.Errorf("the caller's list was written over: %v", backing)
	}
	for _, p := range f.plans {
		got := slices.Clone(p.Train)
		slices.Sort(got)
		if len(p.Eval) > 0 || !slices.Equal(got, metrics.All(40)) {
			t.Errorf("trained on %v, evaluated %v", got, p.Eval)
		}
	}
	if res.Stopped != StoppedDone || res.BestEpoch != 7 || len(res.Parts.Train) != 40 || len(res.Parts.Val) != 0 {
		t.Errorf("stopped %q, epoch %d, parts %d, %d", res.Stopped, res.BestEpoch, len(res.Parts.Train), len(res.Parts.Val))
	}
	for _, e := range res.History {
		if !finite(e.Train.Loss) || !math.IsNaN(e.Val.F1) || !math.IsNaN(e.Val.Loss) {
			t.Errorf("epoch %d: %+v", e.Epoch, e)
		}
	}
	csv, err := os.ReadFile(filepath.Join(dir, "h", HistoryFile))
	if err != nil || !strings.HasSuffix(strings.Split(string(csv), "\n")[1], ",,,,,,") {
		t.Errorf("%v, history:\n%s", err, csv)
	}
	if m, err := saved.Load(filepath.Join(dir, "c", CheckpointFile)); err != nil || m.Origin.Epoch != 7 || !math.IsNaN(float64(m.Origin.ValF1)) {
		t.Errorf("%v, origin %+v", err, m.Origin)
	}
}

// TestOptimizerReachesEngine follows the numbers of loss and optimizer into the engine's options.
func TestOptimizerReachesEngine(t *testing.T) {
	f := &fakeEngine{script: script{hits: []int{5}}}
	cfg := QuietConfig(f.factory)
	cfg.Epochs, cfg.ClipNorm, cfg.WeightDecay, cfg.L2, cfg.FocalAlpha, cfg.FocalGamma = 1, 1, 0.01, 1e-4, 0.4, 3
	if _, err := LSTM(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	want := model.DefaultAdam()
	want.ClipNorm, want.WeightDecay, want.L2 = 1, 0.01, 1e-4
	if o := f.options[0]; o.Optimizer != want || !o.Loss.Equal(model.Loss{Kind: model.BinaryFocal, Alpha: 0.4, Gamma: 3}) {
		t.Errorf("%+v", o)
	}
	cfg.ClipNorm, cfg.GlobalClipNorm = 0, 2
	if _, err := LSTM(context.Background(), cfg); err != nil || f.options[0].Optimizer.GlobalClipNorm != 2 {
		t.Errorf("%v, %+v", err, f.options[0])
	}
}

// TestPlateauIsAskedFirst: the next epoch's rate depends on the last one's scores.
func TestPlateauIsAskedFirst(t *testing.T) {
	r := &Run{Config: DefaultConfig(), best: &model.State{}}
	if !mayTrainAhead([]*runEpoch{{run: r}}) {
		t.Error("a constant rate is known ahead")
	}
	r.Config.Schedule.Kind = SchedulePlateau
	if mayTrainAhead([]*runEpoch{{run: r}}) {
		t.Error("the plateau's rate is not known ahead")
	}
}
