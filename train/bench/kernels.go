package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vklstm/model/vulkan"
	"vklstm/train/device"
)

// Kernels measures each kernel in a training step of the workload, one after the other: the rows are sums over a step,
// the longest first. It needs a GPU with timestamps.
func Kernels(ctx context.Context, d *device.Device, w Workload) ([]Row, error) {
	v := d.Vulkan()
	if v == nil {
		return nil, fmt.Errorf("bench: the CPU engine has no kernels to measure apart; name a GPU with --device")
	}
	if v.Limits().TimestampPeriod == 0 {
		return nil, fmt.Errorf("bench: %s has no timestamps, so its kernels cannot be measured apart", v.Info().Name)
	}
	v.Profile(true)
	defer v.Profile(false)
	const steps = 3
	var rows []Row
	err := submitted(ctx, d, w, steps, func(s, longer vulkan.Submitted) {
		for name, k := range s.Kernels {
			timed := longer.Kernels[name] // the difference of two epochs may hold no timestamp: a submission has those of its last step
			if timed.Timed == 0 {
				continue
			}
			n := float64(k.Dispatches) / steps
			rows = append(rows, Row{
				Group: "kernel", Name: name, Count: int(n + 0.5), Flop: k.Flop / steps, Bytes: k.Bytes / steps,
				Device: time.Duration(float64(timed.Time) / float64(timed.Timed) * n),
			})
		}
	})
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("bench: %s gave no timestamp of any kernel", v.Info().Name)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if a.Device != b.Device {
			return int(b.Device - a.Device)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return rows, err
}

// submitted hands read what n training steps of the workload hand to the device: the difference between epochs of 1+n
// steps and of 1, so that what an epoch does once is not in it; and all that the longer epoch handed over, with its times.
func submitted(ctx context.Context, d *device.Device, w Workload, n int, read func(steps, longer vulkan.Submitted)) error {
	t, err := newTrainer(d.NewEngine, w)
	if err != nil {
		return err
	}
	defer t.e.Close()
	v := d.Vulkan()
	var counts [2]vulkan.Submitted
	if _, _, err := t.many(ctx, 1+n); err != nil { // warms up
		return err
	}
	for i, steps := range []int{1, 1 + n} {
		before := v.Submitted()
		if _, _, err := t.many(ctx, steps); err != nil {
			return err
		}
		counts[i] = v.Submitted().Minus(before)
	}
	read(counts[1].Minus(counts[0]), counts[1])
	return nil
}

// Dispatch measures the empty dispatch of a GPU.
func Dispatch(d *device.Device) ([]Row, error) {
	v := d.Vulkan()
	if v == nil {
		return nil, fmt.Errorf("bench: the CPU engine dispatches nothing; name a GPU with --device")
	}
	costs, err := vulkan.MeasureDispatch(v)
	var rows []Row
	for _, c := range costs {
		rows = append(rows, Row{Group: "dispatch", Name: c.Name, Wall: c.Wall, Device: c.Device})
	}
	return rows, err
}
