package train

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Evaluate predicts the listed windows of d (nil: all) with m on an engine that factory makes, and scores them at m's
// threshold. The error wraps model.ErrShape when the windows are not what m reads.
func Evaluate(ctx context.Context, m *Model, factory EngineFactory, d *Dataset, windows []int32) (*Evaluation, error) {
	if err := m.Check(d); err != nil {
		return nil, err
	}
	p, err := m.Open(factory)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return evaluate(ctx, p.Predict, d, windows, m.Decision())
}

// evaluateRows is the most windows that evaluate copies for one call of predict.
const evaluateRows = 256

// evaluate is Evaluate with what predict returns for windows x[n][T][F].
func evaluate(ctx context.Context, predict func(ctx context.Context, x []float32) ([]float32, error), d *Dataset, windows []int32, threshold float64) (*Evaluation, error) {
	if d.Y == nil {
		return nil, fmt.Errorf("train: %s: without labels there is nothing to score; predict it instead", d.Path)
	}
	if windows == nil {
		p, err := predict(ctx, d.X)
		if err != nil {
			return nil, err
		}
		return ScoreAt(d.Y, p, threshold), nil
	}
	// A few at a time, for a copy of all would take the part's share of the data's memory.
	size, x := d.T*d.F, make([]float32, 0, min(len(windows), evaluateRows)*d.T*d.F)
	y, p := make([]float32, 0, len(windows)), make([]float32, 0, len(windows))
	for list := range slices.Chunk(windows, evaluateRows) {
		x = x[:0]
		for _, i := range list {
			x = append(x, d.X[int(i)*size:(int(i)+1)*size]...)
			y = append(y, d.Y[i])
		}
		part, err := predict(ctx, x)
		if err != nil {
			return nil, err
		}
		p = append(p, part...)
	}
	return ScoreAt(y, p, threshold), nil
}

// scores sums up one part in an epoch: labels[windows[i]], p[i] and loss[i] belong together.
func scores(labels []float32, windows []int32, p, loss []float32) Scores {
	sum := 0.0
	for _, l := range loss {
		sum += float64(l)
	}
	m := ComputeMetrics(labelsOf(labels, windows), p, sum/float64(len(windows)), 0.5)
	return Scores{Loss: m.Loss, Accuracy: m.Accuracy, Precision: m.Precision, Recall: m.Recall, F1: m.RunningF1, AUC: m.AUC}
}

// validationF1 returns Scores.F1 of probabilities p, without the rest of the scores, which take longer.
func validationF1(y, p []float32) float64 {
	var c Confusion
	for i, p := range p {
		if p != p {
			return math.NaN()
		}
		c.Add(y[i], p, 0.5)
	}
	if len(p) == 0 {
		return math.NaN()
	}
	return c.RunningF1()
}
