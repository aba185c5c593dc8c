//go:build cgo

package cpu

import (
	"context"
	"fmt"

	"vklstm/model"
)

// inferRows is the most rows of a block that is only run forward: weights are read once for all of them. Results do not
// depend on it.
const inferRows = 24

// rowsFor returns how many rows each block of n should have, so that all threads have work.
func (e *Engine) rowsFor(n int) int {
	return min(inferRows, max(rowsOfBlock(e.dims), (n+2*len(e.workers)-1)/(2*len(e.workers))))
}

// evaluate runs each plan's Eval windows without dropout and augmentation.
func (e *Engine) evaluate(ctx context.Context, plans []model.Plan, outcomes []model.Outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var jobs []job
	var s sorter
	for k, p := range plans {
		n := len(p.Eval)
		j := job{k: k, x: e.data.X, row: []int64{0}, src: append([]int32(nil), p.Eval...), at: make([]int32, n), whole: make([]int32, n),
			label: make([]float32, n), probability: make([]float32, n*e.dims.Classes), loss: make([]float32, n), batch: 1}
		used := make([]int32, n)
		for i, w := range p.Eval {
			j.label[i], used[i] = e.data.Y[w], e.used[w]
		}
		j.cut(s.longestFirst(used, int32(e.dims.T)), used, int32(e.dims.T), 0, e.rowsFor(n))
		j.block = []int64{0, int64(len(j.row) - 1)}
		if n > 0 {
			jobs = append(jobs, j)
		}
		outcomes[k].EvalProbability, outcomes[k].EvalLoss = j.probability, j.loss
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := e.run(ctx, evaluating, jobs, len(e.workers))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		for k := range outcomes {
			outcomes[k].EvalProbability, outcomes[k].EvalLoss = nil, nil
		}
	}
	return err
}

// predictWindows is how many windows one run predicts: their blocks' lists stay small, whatever is asked for.
const predictWindows = 1 << 16

// Predict implements model.Engine. The error wraps model.ErrShape when x is no whole number of windows; it is ctx's
// when that ends first.
func (e *Engine) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	size := e.data.size()
	if len(x)%size != 0 {
		return nil, fmt.Errorf("cpu: %d values are no whole number of %d × %d windows: %w", len(x), e.dims.T, e.dims.F, model.ErrShape)
	}
	n, classes := len(x)/size, e.dims.Classes
	out := make([]float32, n*classes)
	for first := 0; first < n; first += predictWindows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		last := min(first+predictWindows, n)
		if err := e.predict(ctx, k, x[first*size:last*size], last-first, out[first*classes:last*classes]); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

func (e *Engine) predict(ctx context.Context, k int, x []float32, n int, out []float32) error {
	most := e.rowsFor(n)
	blocks := (n + most - 1) / most
	j := job{k: k, x: x, block: []int64{0, int64(blocks)}, row: make([]int64, blocks+1), src: make([]int32, n), probability: out, batch: 1}
	for i := range j.src {
		j.src[i] = int32(i)
	}
	for b := range blocks {
		j.row[b+1] = int64(n * (b + 1) / blocks)
	}
	j.at = j.src
	_, err := e.run(ctx, evaluating, []job{j}, min(len(e.workers), blocks))
	return err
}
