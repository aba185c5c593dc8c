// Package pool shares jobs, a model to train each, out over pools of models that train side by side on one device: as many at
// once as it has memory for. Cross-validation and search are its callers.
package pool

import (
	"errors"

	"vklstm/train/device"
)

// Each hands the jobs to train in their order, at most `most` of them at once; 0: all. Where the device's memory is too small for
// them, it notes so and goes on with half as many. It returns how many were trained at once in the end, 0 for all, and
// train's first other error.
func Each[Job any](jobs []Job, most int, note func(format string, args ...any), train func(jobs []Job) error) (int, error) {
	for len(jobs) > 0 {
		list := jobs
		if most > 0 {
			list = jobs[:min(most, len(jobs))]
		}
		err := train(list)
		if errors.Is(err, device.ErrOutOfMemory) && len(list) > 1 {
			most = (len(list) + 1) / 2
			note("%d models side by side are too many for the device's memory; going on with %d", len(list), most)
			continue
		}
		if err != nil {
			return most, err
		}
		jobs = jobs[len(list):]
	}
	return most, nil
}
