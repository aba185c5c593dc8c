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
	err := submitted(ctx, d, w, steps, func(s vulkan.Submitted) {
		for name, k := range s.Kernels {
			if k.Timed == 0 {
				continue
			}
			n := float64(k.Dispatches) / steps
			rows = append(rows, Row{
				Group: "kernel", Name: name, Count: int(n + 0.5), Flop: k.Flop / steps, Bytes: k.Bytes / steps,
				Device: time.Duration(float64(k.Time) / float64(k.Timed) * n),
			})
		}
	})
	slices.SortFunc(rows, func(a, b Row) int {
		if a.Device != b.Device {
			return int(b.Device - a.Device)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return rows, err
}

// submitted hands read what steps training steps of the workload hand to the device: the difference of an epoch with so
// many more steps, so that what an epoch does once is not in it.
func submitted(ctx context.Context, d *device.Device, w Workload, steps int, read func(vulkan.Submitted)) error {
	t, err := newTrainer(d.NewEngine, w)
	if err != nil {
		return err
	}
	defer t.e.Close()
	v := d.Vulkan()
	var counts [2]vulkan.Submitted
	if _, _, err := t.many(ctx, 1+steps); err != nil { // warms up
		return err
	}
	for i, n := range []int{1, 1 + steps} {
		before := v.Submitted()
		if _, _, err := t.many(ctx, n); err != nil {
			return err
		}
		counts[i] = v.Submitted().Minus(before)
	}
	read(counts[1].Minus(counts[0]))
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
