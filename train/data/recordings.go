package data

import (
	"fmt"
	"math"
	"slices"

	"vklstm/model/npz"
	"vklstm/train/metrics"
)

// LoadTiming reads the array fs of an npz file, and when its n windows start: start_time in seconds, or start_frame in steps.
// It returns nil when there is no fs.
func LoadTiming(path string, n int) (*metrics.Timing, error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !f.Has("fs") {
		return nil, nil
	}
	fs, _, err := f.Float64("fs")
	if err != nil {
		return nil, err
	}
	if len(fs) != 1 || !(fs[0] > 0 && fs[0] <= math.MaxFloat64) {
		return nil, fmt.Errorf("%s: fs is %v; it must be one number above 0, the steps per second", path, fs)
	}
	t := &metrics.Timing{Rate: fs[0]}
	for _, key := range []string{"start_time", "start_frame"} {
		if !f.Has(key) {
			continue
		}
		start, _, err := f.Float64(key)
		if err != nil {
			return nil, err
		}
		if len(start) != n || slices.ContainsFunc(start, func(s float64) bool { return math.IsNaN(s) || math.IsInf(s, 0) }) {
			return nil, fmt.Errorf("%s: %s must hold one finite number for each of the %d windows", path, key, n)
		}
		if key == "start_frame" {
			for i := range start {
				start[i] /= t.Rate
			}
		}
		t.Start = start
		break
	}
	return t, nil
}

// LoadRecordings reads the array of an npz file that names the recording of each of its n windows, as LoadNPZ reads groups.
func LoadRecordings(path, key string, n int) ([]string, error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := header(f, path, key, "--event-key"); err != nil {
		return nil, err
	}
	names, _, err := f.Labels(key, n)
	return names, err
}
