package judge

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// shared returns the folder of all golden cases, which lies outside the repository, or skips.
func shared(t *testing.T) *Set {
	t.Helper()
	needs(t, sharedDir())
	s, err := openShared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// needs skips where there is no folder of golden cases.
func needs(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skipf("no golden folder %s; set VKLSTM_SHARED to the folder that holds golden/", dir)
	}
}

func sharedDir() string {
	dir := os.Getenv("VKLSTM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	return filepath.Join(dir, "golden")
}

// openShared opens the folder once, so that tests share its tolerances.
var openShared = sync.OnceValues(func() (*Set, error) { return Open(sharedDir()) })

func checkReference(t *testing.T, s *Set) {
	for _, c := range s.Cases {
		rows := c.CheckReference()
		if len(rows) == 0 {
			t.Errorf("%s: no rows", c.Name)
		}
		for _, r := range rows {
			if r.Failed() {
				t.Error(r)
			}
		}
	}
}

func TestReferenceEmbedded(t *testing.T) { checkReference(t, Embedded()) }
func TestReferenceShared(t *testing.T)   { checkReference(t, shared(t)) }

// Keras's own float32 must lie well within what float32 is allowed; it is a good CPU's, so a GPU whose exp errs more
// needs the room.
func TestKerasFloat32(t *testing.T) {
	sets := []*Set{Embedded()}
	if !testing.Short() {
		sets = append(sets, shared(t))
	}
	for _, s := range sets {
		for _, c := range s.Cases {
			if c.Kind != "gradient" || c.NotOurs() != "" {
				continue
			}
			p, err := c.problem()
			if err != nil {
				t.Fatal(err)
			}
			tolerance, err := tolerances(p, reference.NewRounding)
			if err != nil {
				t.Fatal(err)
			}
			compared := 0
			for name, tol := range tolerance {
				f32, ok := p.arrays[name+"_f32"]
				if !ok || name == "loss_rows" {
					continue
				}
				compared++
				for i, v := range f32.Data {
					if e := math.Abs(v - p.arrays[name].Data[i]); e > 0.3*tol[i] {
						t.Errorf("%s: %s: Keras's float32 errs by %.2e at element %d, %.2f of the tolerance", c.Name, name, e, i, e/tol[i])
					}
				}
			}
			if compared < 4 {
				t.Errorf("%s: only %d float32 arrays compared", c.Name, compared)
			}
		}
	}
}

func engine(spec model.Spec, options []model.Options) (model.Engine, error) {
	return reference.New(spec, options)
}

// The reference after its float32 face, and the engine of the sabotage test without a fault, pass as engines.
func TestCheckEngine(t *testing.T) {
	for _, c := range slices.Concat(Embedded().Cases, Own()) {
		for name, f := range map[string]Factory{"reference": engine, "faultless": newFaulty("")} {
			rows := c.CheckEngine(f)
			if len(rows) < 4 {
				t.Errorf("%s: %d rows", c.Name, len(rows))
			}
			for _, r := range rows {
				if r.Failed() {
					t.Errorf("%s: %v", name, r)
				}
			}
		}
	}
}

// Every fault must be caught by the cases inside the program, in the quantity that shows it.
func TestSabotage(t *testing.T) {
	cases := slices.Concat(Embedded().Cases, Own())
	for _, tc := range []struct{ fault, shows string }{
		{"forget gate's sign", "ragged_mixed: probability"},
		{"gates i and f exchanged", "ragged_mixed: probability"},
		{"recurrent kernel read transposed", "ragged_mixed: probability"},
		{"mask dropped", "mask_mixed: probability"},
		{"masked step clears h", "mask_mixed: probability"},
		{"time reversed", "mask_mixed: probability"},
		{"mask dropped in backward", "mask_mixed: d/lstm/kernel"},
		{"cell state's path cut", "ragged_mixed: d/lstm/bias"},
		{"recurrent gradient one step late", "ragged_mixed: d/lstm/recurrent_kernel"},
		{"last row out of the bias sum", "ragged_mixed: d/lstm/bias"},
		{"relu passes everything back", "mask_mixed: d/dense/kernel"},
		{"clipped loss", "saturated_bce: d/dense_1/bias"},
		{"focal exponent", "loss_keras_focal_weighted: loss"},
		{"focal alpha of the other class", "loss_keras_focal_weighted: loss"},
		{"weights dropped", "loss_keras_focal_weighted: d/dense_1/bias"},
		{"short batch divided by the whole size", "trajectory_sgd_short_batch: final parameters"},
		{"no bias correction", "adam: step 1 parameters"},
		{"bias correction one step late", "adam: step 2 parameters"},
		{"betas exchanged", "adam: step 3 m"},
		{"epsilon a hundred times", "adam: step 1 parameters"},
		{"no clipping", "adam_global_clipnorm: step 1 m"},
		{"clipped each by itself", "adam_global_clipnorm: step 1 m"},
		{"directions exchanged", "bidirectional: probability"},
		{"backward direction goes forward", "bidirectional: probability"},
		{"backward direction first", "bidirectional: probability"},
		{"backward direction's output of the last step", "bidirectional: probability"},
		{"backward direction's bias forgotten", "bidirectional: probability"},
		{"mask dropped in the backward direction", "chain_right: probability"},
		{"mask in forward order in the backward direction", "chain_right: probability"},
		{"backward outputs left in its own order", "bidirectional_two: probability"},
		{"backward direction's gradient does not go down", "bidirectional_two: d/bidirectional/forward_lstm/kernel"},
		{"second layer's bias forgotten", "stack_two: probability"},
		{"gates i and f exchanged in upper layers", "stack_two: probability"},
		{"mask dropped in upper layers", "chain_left: probability"},
		{"masked step clears h", "chain_holes: probability"},
		{"only the last step's gradient goes down", "stack_three: d/lstm/kernel"},
		{"no L2", "adam_l2: step 1 m"},
		{"half of L2", "adam_l2: step 1 m"},
		{"L2 on biases", "adam_l2: step 1 m"},
		{"L2 after clipping", "adam_l2_clipnorm: step 1 m"},
		{"L2 after clipping", "adamw_l2_global_clipnorm_stack: step 1 m"},
		{"no weight decay", "adamw_global_clipnorm_stack: step 1 parameters"},
		{"no clipping", "adam_clipnorm_stack: step 1 m"},
		{"the epoch's first learning rate", "trajectory_cosine: final parameters"},
		{"focal exponent", "trajectory_plateau: history/loss"},
		{"focal exponent", "bidirectional_focal: loss"},
		{"dropout scale", "own_dropout: probability"},
		{"the same dropout in every step", "own_dropout: probability"},
		{"no dropout in backward", "own_dropout: gradient"},
		{"dropout in evaluation", "own_dropout: val_probability"},
		{"scaling dropped", "own_scaling: probability"},
		{"bounds dropped", "own_augment: probability"},
		{"noise too strong", "own_augment: probability"},
		{"no time warp", "own_augment: probability"},
		{"no shift", "own_move: probability"},
		{"no magnitude", "own_move: probability"},
		{"no rotation", "own_move: probability"},
		{"rotation in radians", "own_move: probability"},
		{"the same augmentation in every epoch", "own_augment: probability"},
		{"augmentation by row, not by window", "own_augment: probability"},
		{"no weight decay", "own_side_by_side: model 2 final parameters"},
		{"the same dropout in every step", "own_stack: model 1 probability"},
		{"no dropout in backward", "own_stack: model 1 gradient"},
		{"directions exchanged", "own_stack: model 2 val_probability"},
	} {
		caught := false
		for _, c := range cases {
			if !strings.HasPrefix(tc.shows, c.Name+":") {
				continue
			}
			for _, r := range c.CheckEngine(newFaulty(tc.fault)) {
				caught = caught || r.Failed() && r.Case+": "+r.What == tc.shows
			}
		}
		if !caught {
			t.Errorf("fault %q passed in %q", tc.fault, tc.shows)
		}
	}
}

// Other shapes than the embedded ones.
func TestCheckEngineShared(t *testing.T) {
	if testing.Short() {
		t.Skip("slow; run without -short")
	}
	for _, c := range shared(t).Cases {
		for _, r := range c.CheckEngine(newFaulty("")) {
			if r.Failed() {
				t.Error(r)
			}
		}
	}
}
