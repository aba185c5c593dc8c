//go:build cgo

package cpu

import (
	"cmp"
	"context"
	"runtime"
	"slices"

	"vklstm/model"
)

// augmentedWindows is how many windows of a run may be moved or varied by augmentation, which Go does before C runs: few, so that
// they need little memory and a run ends soon, and enough to make its start cheap.
const augmentedWindows = 1024

// Epoch implements model.Engine. Models take their steps side by side: a step's blocks are those of all models.
func (e *Engine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	if err := e.data.check(plans, len(e.opts)); err != nil {
		return nil, err
	}
	outcomes := make([]model.Outcome, len(plans))
	steps, perRun := 0, 0
	for k, p := range plans {
		outcomes[k].Probability, outcomes[k].Loss = make([]float32, len(p.Train)*e.dims.Classes), make([]float32, len(p.Train))
		steps = max(steps, p.Steps())
		if e.opts[k].Augment.Changes() {
			perRun += p.Batch
		}
	}
	run := steps // steps in one run
	if perRun > 0 {
		run = max(1, augmentedWindows/perRun)
	}
	e.done.Store(0)
	e.of.Store(int64(steps))
	for first := 0; first < steps; {
		if err := ctx.Err(); err != nil {
			return cut(outcomes, plans), err
		}
		jobs := e.jobs(plans, outcomes, first, min(first+run, steps))
		done, err := e.run(ctx, training, jobs, len(e.workers))
		if err != nil {
			return cut(outcomes, plans), err
		}
		for k, p := range plans {
			n := max(0, min(p.Steps(), first+done)-first)
			outcomes[k].Steps += n
			e.nets[k].step += n
		}
		first += done
	}
	return outcomes, e.evaluate(ctx, plans, outcomes)
}

// cut leaves in the outcomes what was done.
func cut(outcomes []model.Outcome, plans []model.Plan) []model.Outcome {
	for k, p := range plans {
		o := &outcomes[k]
		n := min(len(p.Train), o.Steps*p.Batch)
		o.Probability, o.Loss = o.Probability[:n*len(o.Probability)/max(len(p.Train), 1)], o.Loss[:n]
	}
	return outcomes
}

// jobs lays out steps first … last−1 of the plans for C.
func (e *Engine) jobs(plans []model.Plan, outcomes []model.Outcome, first, last int) []job {
	var jobs []job
	slots := 0
	for k, p := range plans {
		end := min(last, p.Steps())
		if first >= end {
			continue
		}
		from, to := first*p.Batch, min(end*p.Batch, len(p.Train))
		j := job{
			k: k, x: e.data.X, batch: p.Batch, time: e.nets[k].step,
			block: []int64{0}, row: []int64{0}, src: make([]int32, to-from), at: make([]int32, to-from), whole: make([]int32, to-from),
			label: make([]float32, to-from), probability: outcomes[k].Probability[from*e.dims.Classes : to*e.dims.Classes], loss: outcomes[k].Loss[from:to],
		}
		if p.Weight != nil {
			j.weight = p.Weight[from:to]
		}
		for i, w := range p.Train[from:to] {
			j.label[i] = e.data.Y[w]
		}
		for s := first; s < end; s++ {
			lr := p.LearningRate[s]
			j.alpha = append(j.alpha, float32(e.opts[k].Optimizer.Alpha(lr, e.nets[k].step+s-first+1)))
			j.decay = append(j.decay, float32(e.opts[k].Optimizer.Decay(lr)))
		}
		if e.opts[k].Augment.Changes() {
			slots += to - from
		}
		jobs = append(jobs, j)
	}
	e.augmented = slices.Grow(e.augmented[:0], slots*e.data.size())[:slots*e.data.size()]
	slot := 0
	for i := range jobs {
		j := &jobs[i]
		p := plans[j.k]
		windows := p.Train[first*p.Batch:][:len(j.src)]
		used := make([]int32, len(windows))
		copy(j.src, windows)
		for i, w := range windows {
			used[i] = e.used[w]
		}
		if e.opts[j.k].Augment.Changes() {
			e.augment(j, windows, used, uint32(p.Epoch), slot)
			j.augmented = e.augmented
			slot += len(windows)
		}
		var s sorter
		for a := 0; a < len(windows); a += p.Batch {
			n := min(p.Batch, len(windows)-a)
			j.cut(s.longestFirst(used[a:a+n], int32(e.dims.T)), used[a:a+n], int32(e.dims.T), a, rowsOfBlock(e.dims))
			j.block = append(j.block, int64(len(j.row)-1))
		}
	}
	return jobs
}

// augment fills the augmented windows of a job, from the given slot on, on all threads.
func (e *Engine) augment(j *job, windows, used []int32, epoch uint32, slot int) {
	const at = 16 // windows at a time
	eachOn(e.workers, (len(windows)+at-1)/at, func(w *worker, part int) {
		in := e.input(w, j.k)
		for i := part * at; i < min(part*at+at, len(windows)); i++ {
			x := e.augmented[(slot+i)*e.data.size() : (slot+i+1)*e.data.size()]
			if in.Augmented(x, e.data.window(windows[i]), uint32(windows[i]), epoch) {
				j.src[i], used[i] = int32(^(slot + i)), notMissing(x, e.dims.F)
			}
		}
	})
}

// notMissing returns how many steps of f values have one that is not NaN.
func notMissing(x []float32, f int) int32 {
	n := int32(0)
	for ; len(x) > 0; x = x[f:] {
		if slices.ContainsFunc(x[:f], func(v float32) bool { return v == v }) {
			n++
		}
	}
	return n
}

// cut appends blocks of at most n rows, as even as possible: the rows are order, counted from a. What the job says of
// these rows, from a on, takes the blocks' order; used are their numbers of used steps.
func (j *job) cut(order, used []int32, T int32, a, most int) {
	n := len(order)
	blocks := (n + most - 1) / most
	src := slices.Clone(j.src[a : a+n])
	for i, o := range order {
		j.src[a+i], j.at[a+i], j.whole[a+i] = src[o], int32(a)+o, 0
		if used[o] == T {
			j.whole[a+i] = 1
		}
	}
	for b := range blocks {
		j.row = append(j.row, int64(a+n*(b+1)/blocks))
	}
}

// sorter sorts by counting, or by comparing where counters would outnumber what is sorted by far.
type sorter struct{ place, order []int32 }

// longestFirst returns the positions of used, whose values are 0 … T, the largest value first and equal ones in order.
// What it returns lasts until the next call.
func (s *sorter) longestFirst(used []int32, T int32) []int32 {
	s.order = slices.Grow(s.order[:0], len(used))[:len(used)]
	if int(T) > 1000+16*len(used) {
		for i := range s.order {
			s.order[i] = int32(i)
		}
		slices.SortStableFunc(s.order, func(a, b int32) int { return cmp.Compare(used[b], used[a]) })
		return s.order
	}
	s.place = slices.Grow(s.place[:0], int(T)+2)[:T+2]
	clear(s.place)
	for _, n := range used {
		s.place[T-n+1]++
	}
	for i := 1; i < len(s.place); i++ {
		s.place[i] += s.place[i-1]
	}
	for i, n := range used {
		s.order[s.place[T-n]] = int32(i)
		s.place[T-n]++
	}
	return s.order
}

// Gradient implements model.Engine.
func (e *Engine) Gradient(k int, plan model.Plan) ([]float32, model.Outcome, error) {
	plan.Eval = nil
	plans := make([]model.Plan, len(e.opts))
	plans[k] = plan
	if err := e.data.check(plans, len(e.opts)); err != nil {
		return nil, model.Outcome{}, err
	}
	grad := make([]float32, e.nets[k].layout.Size)
	if plan.Steps() == 0 {
		return grad, model.Outcome{}, nil
	}
	n := min(plan.Batch, len(plan.Train))
	o := model.Outcome{Probability: make([]float32, n*e.dims.Classes), Loss: make([]float32, n), Steps: 1}
	outcomes := make([]model.Outcome, len(plans))
	outcomes[k] = o
	if _, err := e.run(context.Background(), gradients, e.jobs(plans, outcomes, 0, 1), len(e.workers)); err != nil {
		return nil, model.Outcome{}, err
	}
	e.nets[k].unpack(grad[:e.nets[k].layout.TrainedSize()], e.nets[k].grad)
	runtime.KeepAlive(e)
	return grad, o, nil
}
