package reference

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/floats"

	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
)

// Engine is a model.Engine in float64, plain and slow: one step after the other, one model after the other. Its
// inputs are those that package augment defines in float32; from there on everything is float64. State and Outcome
// round to float32; State64, SetState64, Epoch64 and Gradient64 do not.
//
// Cores take blocks of a batch's rows. Blocks are added in order, so that any number of cores gives the same bits.
type Engine struct {
	model.StepCount
	Threads int  // most cores that are used; New sets it to all
	Store32 bool // parameters and moments are rounded to float32 after each step, so that State holds all of them

	network Network
	options []model.Options
	inputs  []*augment.Input
	states  []*State
	windows model.Windows
}

// New returns an Engine for one model of spec per element of options, with all parameters 0. The error says which
// option is out of range, or which layer or size is not supported.
func New(spec model.Spec, options []model.Options) (*Engine, error) {
	n, err := NewNetwork(spec)
	if err != nil {
		return nil, err
	}
	e := &Engine{Threads: runtime.GOMAXPROCS(0), network: n, options: options}
	for k, o := range options {
		if err := o.Check(n.F, n.Classes); err != nil {
			return nil, fmt.Errorf("reference: model %d: %w", k, err)
		}
		if o.Augment.Prob > 0 && o.Augment.Warp > 0 && n.T > augment.MaxTimesteps {
			return nil, fmt.Errorf("reference: model %d: time warp of %d timesteps; at most %d", k, n.T, augment.MaxTimesteps)
		}
		e.inputs = append(e.inputs, augment.NewInput(n.Chain, o, augment.NewTables(n.T, o.Augment)))
		e.states = append(e.states, NewState(n.Layout.Size))
	}
	return e, nil
}

// SetRounding makes the engine imitate float32's rounding by r, or compute exactly again when r is nil.
func (e *Engine) SetRounding(r *Rounding) { e.network.Rounding = r }

// String implements model.Engine.
func (e *Engine) String() string {
	return "reference: float64 on the CPU, plain loops on gonum, because it is the definition that engines are judged by"
}

// Models implements model.Engine.
func (e *Engine) Models() int { return len(e.states) }

// Load implements model.Engine. It keeps w.X and w.Y.
func (e *Engine) Load(w model.Windows) error {
	if len(w.X) != len(w.Y)*e.network.T*e.network.F {
		return fmt.Errorf("reference: %d values and %d labels for windows of %d × %d: %w",
			len(w.X), len(w.Y), e.network.T, e.network.F, model.ErrShape)
	}
	e.windows = w
	return nil
}

// State64 returns a copy of model k's state.
func (e *Engine) State64(k int) *State { return e.states[k].Clone() }

// SetState64 replaces model k's state by a copy of s. The error wraps model.ErrShape when s does not fit.
func (e *Engine) SetState64(k int, s *State) error {
	if n := e.network.Layout.Size; len(s.Params) != n || len(s.M) != n || len(s.V) != n {
		return fmt.Errorf("reference: state of %d, %d, %d elements (parameters, m, v) for a network of %d parameters: %w",
			len(s.Params), len(s.M), len(s.V), n, model.ErrShape)
	}
	e.states[k] = s.Clone()
	return nil
}

// State implements model.Engine; it rounds to float32.
func (e *Engine) State(k int) (*model.State, error) {
	s := e.states[k]
	return &model.State{Params: narrow(s.Params), M: narrow(s.M), V: narrow(s.V), Step: s.Step}, nil
}

// SetState implements model.Engine.
func (e *Engine) SetState(k int, s *model.State) error {
	if err := s.Check(e.network.Layout.Size); err != nil {
		return fmt.Errorf("reference: model %d: %w", k, err)
	}
	e.states[k] = &State{Params: widen(s.Params), M: widen(s.M), V: widen(s.V), Step: s.Step}
	return nil
}

// round rounds the state to float32.
func (s *State) round() {
	for _, list := range [][]float64{s.Params, s.M, s.V} {
		for i, v := range list {
			list[i] = float64(float32(v))
		}
	}
}

// Outcome is a model.Outcome in float64.
type Outcome struct {
	Probability, Loss, EvalProbability, EvalLoss []float64
	Steps                                        int
}

func (o Outcome) narrow() model.Outcome {
	return model.Outcome{Probability: narrow(o.Probability), Loss: narrow(o.Loss),
		EvalProbability: narrow(o.EvalProbability), EvalLoss: narrow(o.EvalLoss), Steps: o.Steps}
}

// batch returns the windows in list as model k sees them.
func (e *Engine) batch(k int, list []int32, weight []float32, train bool, epoch int) Batch {
	size := e.network.T * e.network.F
	var b Batch
	x, mask := make([]float32, size), make([]bool, e.network.T)
	for _, w := range list {
		e.inputs[k].Window(x, mask, e.windows.X[int(w)*size:(int(w)+1)*size], train, uint32(w), uint32(epoch))
		b.X = append(b.X, widen(x)...)
		b.Mask = append(b.Mask, mask...)
		b.Y = append(b.Y, float64(e.windows.Y[w]))
	}
	if weight != nil {
		b.Weight = widen(weight)
	}
	return b
}

// step returns step s of the plan: its batch, and how it drops.
func (e *Engine) step(k int, p model.Plan, s int) (Batch, Draw) {
	first, last := s*p.Batch, min((s+1)*p.Batch, len(p.Train))
	var weight []float32
	if p.Weight != nil {
		weight = p.Weight[first:last]
	}
	return e.batch(k, p.Train[first:last], weight, true, p.Epoch),
		Draw{Train: true, Time: uint32(e.states[k].Step), Key: philox.Key(e.options[k].Seed)}
}

// blockRows is how many rows a core takes at a time.
const blockRows = 8

// blocks calls each for blocks of a batch's rows, first … last−1, on as many cores as the engine may use. Where rounding is
// imitated all rows are one block, since its draws have an order, and in training where the network normalizes by all of them.
func (e *Engine) blocks(b Batch, train bool, each func(block, first, last int)) (blocks int) {
	rows := len(b.Y)
	size := blockRows
	if e.network.Rounding != nil || train && e.network.Normalizes() {
		size = max(rows, 1)
	}
	blocks = (rows + size - 1) / size
	var busy sync.WaitGroup
	var next atomic.Int64
	for range min(max(e.Threads, 1), blocks) {
		busy.Go(func() {
			for i := int(next.Add(1)) - 1; i < blocks; i = int(next.Add(1)) - 1 {
				each(i, i*size, min((i+1)*size, rows))
			}
		})
	}
	busy.Wait()
	return blocks
}

// evaluated is how many rows are evaluated at a time: one where rounding is imitated, since its draws have an order.
func (e *Engine) evaluated() int {
	if e.network.Rounding != nil {
		return 1
	}
	return max(e.Threads, 1) * blockRows
}

// rows returns some of a batch's rows.
func (n Network) rows(b Batch, first, last int) Batch {
	part := Batch{X: b.X[first*n.T*n.F : last*n.T*n.F], Mask: b.Mask[first*n.T : last*n.T], Y: b.Y[first:last]}
	if b.Weight != nil {
		part.Weight = b.Weight[first:last]
	}
	return part
}

// gradient is Network.Gradient of model k, block by block.
func (e *Engine) gradient(k int, b Batch, draw Draw) Result {
	results := make([]Result, len(b.Y))
	blocks := e.blocks(b, true, func(block, first, last int) {
		draw := draw
		draw.Row = uint32(first)
		results[block] = e.network.Gradient(e.states[k].Params, e.options[k].Loss, e.network.rows(b, first, last), draw)
	})
	if blocks == 1 {
		return results[0]
	}
	whole := Result{Pass: &Pass{}, Grad: make([]float64, e.network.Layout.Size)}
	for _, r := range results[:blocks] {
		share := float64(len(r.Loss)) / float64(len(b.Y)) // of the batch that the block's gradient is the mean of
		floats.AddScaled(whole.Grad, share, r.Grad)
		whole.Loss = append(whole.Loss, r.Loss...)
		whole.Pass.Probability = append(whole.Pass.Probability, r.Pass.Probability...)
	}
	return whole
}

// forward is Network.Forward of model k without dropout, block by block.
func (e *Engine) forward(k int, b Batch) []*Pass {
	passes := make([]*Pass, len(b.Y))
	blocks := e.blocks(b, false, func(block, first, last int) {
		part := e.network.rows(b, first, last)
		passes[block] = e.network.Forward(e.states[k].Params, part.X, part.Mask, Draw{})
	})
	return passes[:blocks]
}

// add appends a step's result to the outcome.
func (o *Outcome) add(b Batch, r Result) {
	o.Probability = append(o.Probability, r.Pass.Probability...)
	for i, l := range r.Loss {
		if b.Weight != nil {
			l *= b.Weight[i]
		}
		o.Loss = append(o.Loss, l)
	}
	o.Steps++
}

// Epoch64 is Epoch in float64.
func (e *Engine) Epoch64(ctx context.Context, plans []model.Plan) ([]Outcome, error) {
	if len(plans) != len(e.states) {
		panic(fmt.Sprintf("reference: %d plans for %d models", len(plans), len(e.states)))
	}
	outcomes := make([]Outcome, len(plans))
	for _, p := range plans {
		p.Check(len(e.windows.Y))
	}
	steps := 0
	for _, p := range plans {
		steps = max(steps, p.Steps())
	}
	e.Begin(steps)
	for s := range steps {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		for k, p := range plans {
			if s >= p.Steps() {
				continue
			}
			b, draw := e.step(k, p, s)
			r := e.gradient(k, b, draw)
			e.network.update(e.options[k].Optimizer, e.states[k], r.Grad, p.LearningRate[s])
			e.network.move(e.states[k], r.Pass)
			if e.Store32 {
				e.states[k].round()
			}
			outcomes[k].add(b, r)
		}
		e.Add(1)
	}
	for k, p := range plans {
		for list := range slices.Chunk(p.Eval, e.evaluated()) {
			if err := ctx.Err(); err != nil {
				return outcomes, err
			}
			b, row := e.batch(k, list, nil, false, 0), 0
			for _, pass := range e.forward(k, b) {
				for z := range slices.Chunk(pass.Logit, e.network.Classes) {
					l, _ := e.network.loss(e.options[k].Loss, z, b.Y[row])
					outcomes[k].EvalLoss = append(outcomes[k].EvalLoss, l)
					row++
				}
				outcomes[k].EvalProbability = append(outcomes[k].EvalProbability, pass.Probability...)
			}
		}
	}
	return outcomes, nil
}

// Epoch implements model.Engine. Models take their steps in turn, so that those that are cancelled have taken as many.
func (e *Engine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	outcomes, err := e.Epoch64(ctx, plans)
	out := make([]model.Outcome, len(outcomes))
	for k, o := range outcomes {
		out[k] = o.narrow()
	}
	return out, err
}

// Gradient64 is Gradient in float64.
func (e *Engine) Gradient64(k int, plan model.Plan) ([]float64, Outcome, error) {
	plan.Check(len(e.windows.Y))
	var o Outcome
	if plan.Steps() == 0 {
		return make([]float64, e.network.Layout.Size), o, nil
	}
	b, draw := e.step(k, plan, 0)
	r := e.gradient(k, b, draw)
	o.add(b, r)
	return r.Grad, o, nil
}

// Gradient implements model.Engine.
func (e *Engine) Gradient(k int, plan model.Plan) ([]float32, model.Outcome, error) {
	g, o, err := e.Gradient64(k, plan)
	return narrow(g), o.narrow(), err
}

// Predict implements model.Engine.
func (e *Engine) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	size := e.network.T * e.network.F
	if len(x)%size != 0 {
		return nil, fmt.Errorf("reference: predict %d values; windows have %d: %w", len(x), size, model.ErrShape)
	}
	p := make([]float32, 0, len(x)/size)
	for part := range slices.Chunk(x, e.evaluated()*size) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := Batch{Y: make([]float64, len(part)/size)} // no labels are known, and none are asked for
		row, mask := make([]float32, size), make([]bool, e.network.T)
		for window := range slices.Chunk(part, size) {
			e.inputs[k].Window(row, mask, window, false, 0, 0)
			b.X, b.Mask = append(b.X, widen(row)...), append(b.Mask, mask...)
		}
		for _, pass := range e.forward(k, b) {
			p = append(p, narrow(pass.Probability)...)
		}
	}
	return p, nil
}

// Close implements model.Engine; there is nothing to free.
func (e *Engine) Close() error { return nil }

func widen(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

func narrow(a []float64) []float32 {
	if a == nil {
		return nil
	}
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}

var _ model.Engine = (*Engine)(nil)
