//go:build cgo

package cpu

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"vklstm/model"
)

// late is a context that ends when it is first asked, and whose function is then started, not awaited.
type late struct {
	context.Context
	ended chan struct{}
	f     func()
}

func (c *late) Done() <-chan struct{}          { return c.ended }
func (c *late) Value(any) any                  { return nil }
func (c *late) AfterFunc(f func()) func() bool { c.f = f; return func() bool { return false } }
func (c *late) Err() error {
	if c.f == nil {
		return nil
	}
	select {
	case <-c.ended:
	default:
		close(c.ended)
		c.f()
	}
	return context.Canceled
}

// What a context's end sets in motion may run when the run it should stop is over, and its memory is another's.
func TestContextEndsAfterTheRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the function waits until this goroutine does
	const models = 12
	spec := model.Classifier(2, 1, 1, 0, 1)
	opts := make([]model.Options, models)
	plans := make([]model.Plan, models)
	for k := range opts {
		opts[k] = model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam()}
		plans[k] = model.Plan{Train: []int32{0}, Batch: 1, LearningRate: []float64{1e-3}}
	}
	e := testEngine(t, spec, opts, 1)
	defer e.Close()
	if err := e.Load(model.Windows{X: []float32{1, 2}, Y: []float32{1}}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		ctx := &late{Context: context.Background(), ended: make(chan struct{})}
		if out, err := e.Epoch(ctx, plans); err != context.Canceled || out[0].Steps != 1 {
			t.Fatalf("%d steps, %v", out[0].Steps, err)
		}
		var held []memory
		for n := 100; n < 2000; n += 16 { // of any size: the allocator hands out what was freed last
			m, err := allocate(n)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, m)
		}
		for range 10 {
			runtime.Gosched()
		}
		for _, m := range held {
			if slices.ContainsFunc(m, func(x float32) bool { return x != 0 }) {
				t.Fatal("memory that was freed when the run ended is written to")
			}
			m.free()
		}
	}
}

// An engine that nobody holds any more, but for the call that it is in, is not freed before that call ends.
func TestCollectedDuringACall(t *testing.T) {
	spec := model.Classifier(60, 6, 128, 0, 8)
	x := make([]float32, 600*60*6)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	plan := model.Plan{Eval: make([]int32, 600)}
	for i := range plan.Eval {
		plan.Eval[i] = int32(i)
	}
	w := model.Windows{X: x, Y: make([]float32, 600)}
	evaluated := func() []float32 {
		e := testEngine(t, spec, []model.Options{{Loss: model.Focal(), Optimizer: model.DefaultAdam()}}, 1)
		if err := e.SetState(0, spec.Init(1)); err != nil {
			t.Fatal(err)
		}
		if err := e.Load(w); err != nil {
			t.Fatal(err)
		}
		out, err := e.Epoch(t.Context(), []model.Plan{plan})
		if err != nil {
			t.Fatal(err)
		}
		return out[0].EvalProbability
	}
	want := evaluated()
	for range 5 {
		if !slices.Equal(evaluated(), want) {
			t.Fatal("probabilities differ")
		}
	}
}
