package saved

import (
	"context"
	"fmt"
	"slices"

	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/metrics"
)

// Evaluate predicts the listed windows of d (nil: all) with m on an engine that factory makes, and scores them at m's
// threshold. The error wraps model.ErrShape when the windows are not what m reads.
func (m *Model) Evaluate(ctx context.Context, factory device.Factory, d *data.Dataset, windows []int32) (*metrics.Evaluation, error) {
	return m.EvaluateBy(ctx, m.Judge(), factory, d, windows)
}

// EvaluateBy is Evaluate with another judge than the model's own.
func (m *Model) EvaluateBy(ctx context.Context, judge metrics.Judge, factory device.Factory, d *data.Dataset, windows []int32) (*metrics.Evaluation, error) {
	if err := m.Check(d); err != nil {
		return nil, err
	}
	if d.Y == nil {
		return nil, fmt.Errorf("train: %s: without labels there is nothing to score; predict it instead", d.Path)
	}
	names := m.ClassNames()
	if own := data.OwnNames(d.Names()); m.Origin != nil && m.Classes == nil && own != nil {
		return nil, d.UnknownLabel(own[0], names)
	}
	y, err := d.LabelsAs(names)
	if err != nil {
		return nil, err
	}
	p, err := m.Open(factory)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return Score(ctx, p.Predict, d, y, windows, judge)
}

// scoreRows is the most windows that Score copies for one call of predict.
const scoreRows = 256

// Score judges what predict returns for the listed windows (nil: all) of d, which it is handed as x[n][T][F], by the labels of all.
func Score(ctx context.Context, predict func(ctx context.Context, x []float32) ([]float32, error), d *data.Dataset, labels []float32, windows []int32, judge metrics.Judge) (*metrics.Evaluation, error) {
	if windows == nil {
		p, err := predict(ctx, d.X)
		if err != nil {
			return nil, err
		}
		return judge.Score(labels, p), nil
	}
	// A few at a time, for a copy of all would take the part's share of the data's memory.
	size, x := d.T*d.F, make([]float32, 0, min(len(windows), scoreRows)*d.T*d.F)
	y, p := make([]float32, 0, len(windows)), make([]float32, 0, len(windows))
	for list := range slices.Chunk(windows, scoreRows) {
		x = x[:0]
		for _, i := range list {
			x = append(x, d.X[int(i)*size:(int(i)+1)*size]...)
			y = append(y, labels[i])
		}
		part, err := predict(ctx, x)
		if err != nil {
			return nil, err
		}
		p = append(p, part...)
	}
	return judge.Score(y, p), nil
}
