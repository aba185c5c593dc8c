package enginetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vklstm/model"
)

// trained returns the outcomes and states of two epochs of two models of spec on a number of threads.
func trained(t *testing.T, new NewThreads, spec model.Spec, threads int) ([]model.Outcome, []*model.State) {
	const n = 203
	T, F := spec.Timesteps, spec.Features
	rng := rand.New(rand.NewPCG(1, 2))
	w := model.Windows{X: make([]float32, n*T*F), Y: make([]float32, n)}
	for i := range w.X {
		if i/F%T < 3+i/F/T%9 { // lengths 3 … 11
			w.X[i] = rng.Float32()
		}
	}
	for i := range w.Y {
		w.Y[i] = float32(i % 2)
	}
	o := HostOptions()
	e := new(t, spec, []model.Options{o, o}, threads)
	defer e.Close()
	if err := e.Load(w); err != nil {
		t.Fatal(err)
	}
	plans := make([]model.Plan, 2)
	for k := range plans {
		if err := e.SetState(k, spec.Init(uint64(k))); err != nil {
			t.Fatal(err)
		}
		plans[k] = model.Plan{Batch: 67 + k, LearningRate: []float64{1e-3, 1e-3, 1e-3, 1e-3}[:4-k]}
		for _, i := range rng.Perm(n) {
			plans[k].Train = append(plans[k].Train, int32(i))
			plans[k].Eval = append(plans[k].Eval, int32(i))
		}
	}
	var outcomes []model.Outcome
	for range 2 {
		out, err := e.Epoch(t.Context(), plans)
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, out...)
	}
	var states []*model.State
	for k := range plans {
		s, err := e.State(k)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, s)
	}
	return outcomes, states
}

// NewThreads makes an engine that uses a number of threads.
type NewThreads = func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine

// AnyThreads trains two models side by side on 1, 2, 3 and 7 threads, augmented and with masks: the same bits come out, of
// one layer and of a stack of both directions.
func AnyThreads(t *testing.T, new NewThreads) {
	for _, spec := range []model.Spec{model.Classifier(11, 4, 24, 0.3, 8), model.Stack(11, 4, []int{18, 9}, true, 0.3, 8),
		network{"lstm 9, batchnorm, lstm 7, batchnorm, dropout 0.3, dense 5 relu", masking, 2}.spec(t, 11, 4)} {
		outcomes, states := trained(t, new, spec, 1)
		for _, threads := range []int{2, 3, 7} {
			for range 3 {
				o, s := trained(t, new, spec, threads)
				for i := range o {
					sameOutcome(t, fmt.Sprintf("outcome %d of %d threads", i, threads), o[i], outcomes[i])
				}
				for k := range s {
					sameState(t, fmt.Sprintf("state %d of %d threads", k, threads), s[k], states[k])
				}
			}
		}
	}
}
