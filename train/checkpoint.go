package train

import (
	"fmt"

	"vklstm/model"
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

func (c *Checkpoint) save(r *Run) error {
	m := r.Model()
	if err := saved.Save(c.Path, &m); err != nil {
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
	m := r.Model()
	m.State = s
	if _, err := saved.Encode(c.Path, &m); err != nil {
		return fmt.Errorf("train: this model cannot be saved as %s: %w; use fewer features, or train without saving", c.Path, err)
	}
	return nil
}
