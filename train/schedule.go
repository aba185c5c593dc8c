package train

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize/english"
)

// The kinds of a Schedule.
const (
	ScheduleConstant = "constant" // the learning rate stays
	ScheduleCosine   = "cosine"   // down half a cosine until the last step of the last epoch (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts)
	SchedulePlateau  = "plateau"  // lowered when validation F1 stays where it is
)

// Schedule says how the learning rate changes from Config.LearningRate, as Keras's CosineDecay and ReduceLROnPlateau
// have it.
type Schedule struct {
	Kind   string  // ScheduleConstant, ScheduleCosine or SchedulePlateau
	Warmup float64 // epochs in which the learning rate first rises from 0 in a straight line; parts of one count; not with SchedulePlateau
	MinLR  float64 // where ScheduleCosine ends, and below which SchedulePlateau does not go

	// The rest is SchedulePlateau's; see ReduceLROnPlateau.
	Factor   float64
	Patience int // epochs
	MinDelta float64
	Cooldown int // epochs
}

// DefaultSchedule is a constant learning rate, with Keras's numbers for the plateau but for its Patience: half of early
// stopping's, which else would end training first.
func DefaultSchedule() Schedule {
	return Schedule{Kind: ScheduleConstant, Factor: 0.1, Patience: 5, MinDelta: 1e-4}
}

// warmupSteps returns how many steps Warmup takes, of `epochSteps` steps an epoch, rounded to the nearest.
func (s Schedule) warmupSteps(epochSteps int) int {
	return int(math.Round(s.Warmup * float64(epochSteps)))
}

// At returns the learning rate of a step, counted from 0 over all epochs, where base is the one that it starts from and
// there are epochs of epochSteps steps: with w steps of warm-up
//
//	base·step/w                                               while step < w, then, for ScheduleCosine,
//	(base − MinLR)·½(1 + cos(π·(step − w)/(steps − w))) + MinLR
//
// The first step of a warm-up has learning rate 0, as Keras has it. SchedulePlateau is told by its callback alone.
func (s Schedule) At(base float64, step, epochSteps, epochs int) float64 {
	warm := s.warmupSteps(epochSteps)
	if step < warm {
		return base * float64(step) / float64(warm)
	}
	if s.Kind != ScheduleCosine {
		return base
	}
	done := float64(step-warm) / float64(epochSteps*epochs-warm)
	return (base-s.MinLR)*0.5*(1+math.Cos(math.Pi*min(done, 1))) + s.MinLR
}

// text says what the schedule does to a learning rate, for the log.
func (s Schedule) text(base float64, epochs int) string {
	text := fmt.Sprintf("learning rate %v", base)
	switch s.Kind {
	case ScheduleCosine:
		text += fmt.Sprintf(", down a cosine to %v in %s", s.MinLR, english.Plural(epochs, "epoch", ""))
	case SchedulePlateau:
		text += fmt.Sprintf(", times %v when validation F1 is not better for %s", s.Factor, english.Plural(max(s.Patience, 1), "epoch", ""))
	}
	if s.Warmup > 0 {
		text += fmt.Sprintf(", rising in the first %v", s.Warmup)
	}
	return text
}

// optimizing says how the parameters are moved and when that ends, for the log.
func (r *Run) optimizing() string {
	c := r.Config
	text := "Adam, " + c.Schedule.text(c.LearningRate, c.Epochs)
	for _, v := range []struct {
		what string
		x    float64
	}{{"weight decay", c.WeightDecay}, {"l2", c.L2}, {"clipnorm", c.ClipNorm}, {"global clipnorm", c.GlobalClipNorm}} {
		if v.x > 0 {
			text += fmt.Sprintf(", %s %v", v.what, v.x)
		}
	}
	switch {
	case c.EarlyStopping:
		text += fmt.Sprintf("; at most %s, early stopping after %d", english.Plural(c.Epochs, "epoch", ""), c.Patience)
	case c.TrainOnVal:
		text += fmt.Sprintf("; %s, trained on the validation part too", english.Plural(c.Epochs, "epoch", ""))
	default:
		text += fmt.Sprintf("; %s, no early stopping", english.Plural(c.Epochs, "epoch", ""))
	}
	return text
}

// learningRates returns the learning rate of each step of an epoch.
func (r *Run) learningRates(epoch int) []float64 {
	n := r.steps()
	rates := make([]float64, n)
	for i := range rates {
		rates[i] = r.Config.Schedule.At(r.LearningRate, epoch*n+i, n, r.Config.Epochs)
	}
	return rates
}

// ReduceLROnPlateau multiplies Run.LearningRate with Factor when the monitored number was not better by more than
// MinDelta for Patience epochs, as Keras's callback of this name does it, never to below MinLR. After that, Cooldown
// epochs count for nothing.
type ReduceLROnPlateau struct {
	NoCallback
	Monitor  string  // one of Columns
	Factor   float64 // above 0 and below 1
	Patience int     // epochs; 0 acts as 1
	MinDelta float64 // by which a number must be better to count
	Cooldown int     // epochs; the last one already counts
	MinLR    float64

	best       Best
	wait, cool int
}

// OnTrainBegin implements Callback. The error names an unknown Monitor.
func (p *ReduceLROnPlateau) OnTrainBegin(r *Run) error {
	if _, ok := (Epoch{}).Value(p.Monitor); !ok {
		return fmt.Errorf("train: learning rate lowered by %q; known are %v", p.Monitor, Columns)
	}
	p.best, p.wait, p.cool = Best{Lower: lowerIsBetter(p.Monitor)}, 0, 0
	rate := r.Config.LearningRate
	for _, e := range r.History { // of a run that goes on, whose own learning rate is already that
		rate, _ = p.next(e, rate)
	}
	return nil
}

// OnEpochEnd implements Callback.
func (p *ReduceLROnPlateau) OnEpochEnd(r *Run, e Epoch) error {
	lower, lowered := p.next(e, r.LearningRate)
	if lowered {
		r.LearningRate = lower
		r.Note("learning rate lowered to %.6g: %s was not better for %s", lower, p.Monitor, english.Plural(max(p.Patience, 1), "epoch", ""))
	}
	return nil
}

// next takes an epoch that was trained at the given learning rate, and returns the rate of the epoch after it.
func (p *ReduceLROnPlateau) next(e Epoch, rate float64) (next float64, lowered bool) {
	v, _ := e.Value(p.Monitor)
	if p.cool > 0 {
		p.cool--
		p.wait = 0
	}
	switch {
	case p.improved(e.Epoch, v):
		p.wait = 0
		return rate, false
	case p.cool > 0:
		return rate, false
	}
	if p.wait++; p.wait < p.Patience {
		return rate, false
	}
	lower := max(rate*p.Factor, p.MinLR)
	if !(lower < rate) {
		return rate, false
	}
	p.cool, p.wait = p.Cooldown, 0
	return lower, true
}

// improved takes the number v of an epoch and reports whether it is better than the best so far by more than MinDelta.
// NaN never is, and the first number always.
func (p *ReduceLROnPlateau) improved(epoch int, v float64) bool {
	if math.IsNaN(v) {
		return false
	}
	by := p.MinDelta
	if p.best.Lower {
		by = -by
	}
	less := p.best
	if !less.Improved(epoch, v-by) {
		return false
	}
	p.best.Epoch, p.best.Value, p.best.Any = epoch, v, true
	return true
}
