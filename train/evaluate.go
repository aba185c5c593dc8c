package train

import (
	"context"

	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// Evaluate predicts the listed windows of d (nil: all) with m on an engine that factory makes, and scores them at m's
// threshold. The error wraps model.ErrShape when the windows are not what m reads.
func Evaluate(ctx context.Context, m *saved.Model, factory device.Factory, d *data.Dataset, windows []int32) (*metrics.Evaluation, error) {
	return m.Evaluate(ctx, factory, d, windows)
}
