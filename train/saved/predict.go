package saved

import (
	"context"
	"errors"

	"vklstm/model"
	"vklstm/train/device"
	"vklstm/train/metrics"
)

// Predictor predicts with a Model on an engine of its own.
type Predictor struct {
	engine model.Engine
}

// Open returns a Predictor on an engine that factory makes, in which the members of an ensemble lie side by side. The
// caller closes it.
func (m *Model) Open(factory device.Factory) (*Predictor, error) {
	loss := m.Loss
	if loss.Kind == "" {
		loss = model.Loss{Kind: model.BinaryCrossentropy}
		if m.Outputs() > 1 {
			loss.Kind = model.CategoricalCrossentropy
		}
	}
	members := m.Members()
	options := make([]model.Options, len(members))
	for k := range options {
		options[k] = model.Options{Loss: loss, Optimizer: model.DefaultAdam(), Scaling: m.Scaling.Scaling}
	}
	e, err := factory(m.Spec, options)
	if err != nil {
		return nil, err
	}
	for k, s := range members {
		if err := e.SetState(k, s); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return &Predictor{e}, nil
}

// String says which device computes, by which path, and why.
func (p *Predictor) String() string { return p.engine.String() }

// Predict returns P(y = 1), or of several outputs [n][Outputs] each class's probability, of the windows x[n][T][F], which need not be loaded: of an ensemble, MeanProbability of its
// members. NaN is a missing value.
func (p *Predictor) Predict(ctx context.Context, x []float32) ([]float32, error) {
	members := make([][]float32, p.engine.Models())
	for k := range members {
		var err error
		if members[k], err = p.engine.Predict(ctx, k, x); err != nil {
			return nil, err
		}
	}
	return metrics.MeanProbability(members), nil
}

// Close frees the engine.
func (p *Predictor) Close() error { return p.engine.Close() }
