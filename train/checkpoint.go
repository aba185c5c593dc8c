package train

import (
	"fmt"

	"vklstm/model"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// Checkpoint writes the model to Path whenever validation F1 is better than ever. When training ends it writes what
// is not in the file yet: after a failed attempt, or when no epoch was complete.
type Checkpoint struct {
	NoCallback
	Path string

	saved *model.State
}

// OnEpochEnd implements Callback.
func (c *Checkpoint) OnEpochEnd(r *Run, e Epoch) error {
	if !e.Improved {
		return nil
	}
	return c.save(r)
}

// OnTrainEnd implements Callback.
func (c *Checkpoint) OnTrainEnd(r *Run) error {
	if r.BestState() == nil {
		return nil
	}
	if c.saved != r.BestState() {
		if err := c.save(r); err != nil {
			return err
		}
	}
	r.Wrote(c.Path)
	return nil
}

// meta is what a checkpoint says of the run.
func (r *Run) meta() saved.Meta {
	meta := saved.Meta{Version: 1, Scaling: r.Scaling.ForPrediction(), Epoch: -1, ValF1: metrics.Number(metrics.NaN), Seed: r.Config.Seed,
		Split: r.Config.Split, Augment: r.Config.Augment, ClassWeights: r.Config.ClassWeights}
	if r.Best.Any {
		meta.Epoch, meta.ValF1 = r.Best.Epoch, metrics.Number(r.Best.Value)
	}
	return meta
}

func (c *Checkpoint) save(r *Run) error {
	m, meta := r.Model(), r.meta()
	if err := saved.Save(c.Path, &m, r.Config.LearningRate, meta); err != nil {
		return err
	}
	c.saved = r.BestState()
	return nil
}

// OnTrainBegin implements Callback. The error says that the model cannot be saved, before hours of training.
func (c *Checkpoint) OnTrainBegin(r *Run) error {
	s, err := r.State()
	if err != nil {
		return err
	}
	m := &saved.Model{Spec: r.Spec, State: s, Scaling: r.Scaling, Loss: r.Config.loss(), Optimizer: r.Config.optimizer()}
	if _, err := saved.EncodeModel(c.Path, m, r.Config.LearningRate, saved.Meta{Version: 1, Scaling: r.Scaling.ForPrediction()}); err != nil {
		return fmt.Errorf("train: this model cannot be saved as %s: %w; use fewer features, or train without saving", c.Path, err)
	}
	return nil
}
