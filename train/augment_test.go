package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vklstm/train/data"
)

// dataOf returns windows with d's labels and f features.
func dataOf(d *data.Dataset, features int) *data.Dataset {
	out := *d
	out.F, out.X = features, make([]float32, d.N*d.T*features)
	for i := range out.X {
		out.X[i] = float32(i%7) + 1
	}
	return &out
}

// TestIMU sees what the engine is told of --augment imu: no bounds, and as many triplets as there are; and the log says so.
func TestIMU(t *testing.T) {
	for _, tc := range []struct{ triplets, want int }{{0, 2}, {1, 1}} {
		f := &fakeEngine{script: script{hits: []int{1}}}
		cfg := QuietConfig(f.factory)
		cfg.Dataset = dataOf(cfg.Dataset, 6)
		var log bytes.Buffer
		cfg.Log, cfg.Augment, cfg.Triplets, cfg.Epochs = &log, AugmentIMU, tc.triplets, 1
		if _, err := LSTM(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		o := f.options[0]
		if a := o.Augment; a.Triplets != tc.want || !(a.Rotate > 0 && a.MoveProb > 0) || o.Scaling.Low != nil || o.Scaling.High != nil || len(o.Scaling.Offset) != 6 {
			t.Errorf("triplets %d: the engine is told %+v", tc.triplets, o)
		}
		if want := fmt.Sprintf("%d sensors of three features turn; augmentation's noise is not kept within bounds", tc.want); !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	for _, tc := range []struct {
		features, triplets int
		want               string
	}{
		{7, 0, "the data have 7; say with triplets how many sensors come first, at most 2"},
		{2, 0, "the data have 2; use augment moderate"}, {6, 3, "triplets is 3, but the data's 6 features hold 2 sensors"},
	} {
		cfg := QuietConfig((&fakeEngine{script: script{hits: []int{1}}}).factory)
		cfg.Dataset, cfg.Augment, cfg.Triplets = dataOf(cfg.Dataset, tc.features), AugmentIMU, tc.triplets
		if _, err := LSTM(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%d features: error %v, want %q", tc.features, err, tc.want)
		}
	}
	for _, name := range augments {
		a, err := AugmentPreset(name, 6, 0)
		if err := errors.Join(err, a.Check()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := unbounded(a); got != (name == AugmentIMU) {
			t.Errorf("%s is unbounded: %v", name, got)
		}
	}
}
