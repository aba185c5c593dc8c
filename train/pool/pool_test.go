package pool

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"vklstm/train/device"
)

// A device with room for three models gets seven jobs: all, then half of them, then what is left.
func TestEach(t *testing.T) {
	room, other := 3, errors.New("another error")
	for _, tc := range []struct {
		name   string
		jobs   []int
		most   int
		fail   int // the job that fails; 0: none
		want   [][]int
		atOnce int
		notes  []string
	}{
		{"all at once", []int{1, 2, 3}, 0, 0, [][]int{{1, 2, 3}}, 0, nil},
		{"as many as asked for", []int{1, 2, 3}, 2, 0, [][]int{{1, 2}, {3}}, 2, nil},
		{"halved twice", []int{1, 2, 3, 4, 5, 6, 7}, 0, 0, [][]int{{1, 2}, {3, 4}, {5, 6}, {7}}, 2, []string{"7 to 4", "4 to 2"}},
		{"an error", []int{1, 2, 3}, 1, 2, [][]int{{1}}, 1, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var trained [][]int
			var notes []string
			atOnce, err := Each(tc.jobs, tc.most, func(_ string, args ...any) { notes = append(notes, fmt.Sprintf("%d to %d", args...)) }, func(jobs []int) error {
				switch {
				case len(jobs) > room:
					return fmt.Errorf("allocate: %w", device.ErrOutOfMemory)
				case slices.Contains(jobs, tc.fail):
					return other
				}
				trained = append(trained, slices.Clone(jobs))
				return nil
			})
			if fmt.Sprint(trained) != fmt.Sprint(tc.want) || atOnce != tc.atOnce || !slices.Equal(notes, tc.notes) || (tc.fail > 0) != errors.Is(err, other) {
				t.Errorf("%v, %d at once, notes %q, error %v", trained, atOnce, notes, err)
			}
		})
	}
	none := func([]int) error { return device.ErrOutOfMemory }
	if _, err := Each([]int{1}, 0, nil, none); !errors.Is(err, device.ErrOutOfMemory) {
		t.Errorf("one model that is too large: %v", err)
	}
}
