package data

import (
	"math"
	"strings"
	"testing"

	"vklstm/train/internal/traintest"
)

// TestLoadTiming reads what the shared data say of theirs.
func TestLoadTiming(t *testing.T) {
	got, err := LoadTiming(traintest.Shared(t, "data", "urfd_movenet_6feat.npz"), 624)
	if err != nil || got.Rate != 30 || math.Abs(got.Start[1]-11./30) > 1e-12 {
		t.Errorf("%v, %+v", err, got)
	}
	got, err = LoadTiming(traintest.Shared(t, "data", "weda_fall_25hz.npz"), 7570)
	if err != nil || got.Rate != 25 || math.Abs(got.Start[1]-1.2) > 1e-6 {
		t.Errorf("%v", err)
	}
	if _, err := LoadTiming(traintest.Shared(t, "data", "weda_fall_25hz.npz"), 5); err == nil || !strings.Contains(err.Error(), "start_time must hold one finite number for each of the 5 windows") {
		t.Errorf("error %v", err)
	}
}
