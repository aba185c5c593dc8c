package train

import (
	"fmt"
	"strings"

	"vklstm/model"
	"vklstm/train/internal/wording"
)

// The presets of Config.Augment.
const (
	AugmentNone     = "none"
	AugmentModerate = "moderate" // half of the windows: time ±10 %, noise 0.05, 10 % of the cells missing
	AugmentStrong   = "strong"   // 70 % of the windows: time ±15 %, noise 0.07, 10 % of the cells missing
	AugmentIMU      = "imu"      // motion sensors: all windows turned by up to 90°, ±10 % in magnitude and in time; half of them time ±10 %, noise 0.05
)

// augments are the presets' names.
var augments = []string{AugmentNone, AugmentModerate, AugmentStrong, AugmentIMU}

// AugmentPreset returns the numbers behind a preset's name for windows of that number of features. Of AugmentIMU, the features in
// threes are vectors of a sensor that turn together: the first triplets of them, or all with 0. The error lists the names,
// or says which number of triplets would do.
func AugmentPreset(name string, features, triplets int) (model.Augment, error) {
	switch name {
	case AugmentNone:
		return model.Augment{}, nil
	case AugmentModerate:
		return model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}, nil
	case AugmentStrong:
		return model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}, nil
	case AugmentIMU:
		n, err := turning(features, triplets)
		return model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, MoveProb: 1, Shift: 0.1, Magnitude: 0.1, Rotate: 90, Triplets: n}, err
	}
	return model.Augment{}, fmt.Errorf("train: augment is %q; it must be one of %s", wording.Short(name), strings.Join(augments, ", "))
}

// turning returns how many triplets of features turn, when `triplets` are asked for.
func turning(features, triplets int) (int, error) {
	most := features / 3
	switch {
	case most == 0:
		return 0, fmt.Errorf("train: augment %s turns sensors of three features (x, y, z), the data have %d; use augment %s", AugmentIMU, features, AugmentModerate)
	case triplets > most:
		return 0, fmt.Errorf("train: triplets is %d, but the data's %d features hold %d sensors of three", triplets, features, most)
	case triplets > 0:
		return triplets, nil
	case features%3 != 0:
		return 0, fmt.Errorf("train: augment %s turns sensors of three features (x, y, z), the data have %d; say with triplets how many sensors come first, at most %d",
			AugmentIMU, features, most)
	}
	return most, nil
}

// unbounded reports whether noise is not kept within bounds: a window that is turned or enlarged may leave the range that its
// features have in the training part, which then bounds nothing that was measured, and clipping would deform just those
// windows.
func unbounded(a model.Augment) bool { return a.MoveProb > 0 && (a.Rotate > 0 || a.Magnitude > 0) }

func (c Config) checkTriplets() error {
	switch {
	case c.Triplets < 0:
		return fmt.Errorf("train: triplets is %d; it must be at least 0, which is all", c.Triplets)
	case c.Triplets > 0 && c.Augment != AugmentIMU:
		return fmt.Errorf("train: triplets is %d, but augment %s turns none; use augment %s", c.Triplets, c.Augment, AugmentIMU)
	}
	return nil
}
