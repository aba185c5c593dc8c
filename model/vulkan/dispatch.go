package vulkan

import (
	"slices"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
)

// DispatchCost is what a dispatch that does next to nothing costs: one thread that counts a word up.
type DispatchCost struct {
	Name         string
	Wall, Device time.Duration // of one dispatch; Device is 0 where there are no timestamps
}

// MeasureDispatch measures the empty dispatch: submitted alone and waited for, as one of 1,000 that may overlap, and as one
// of 1,000 of which each waits for the one before.
func MeasureDispatch(d *Device) ([]DispatchCost, error) {
	const many = 1000
	step := max(64, int(d.Limits().OffsetAlignment)/4) // words from one view to the next
	all, err := gpu.NewBuffer[uint32](d, "cursors", many*step)
	if err != nil {
		return nil, err
	}
	defer all.Free()
	if err := all.Write(make([]uint32, many*step)); err != nil {
		return nil, err
	}
	var costs []DispatchCost
	for _, c := range []struct {
		name  string
		n     int
		apart int // words between cursors; 0: all count the same
	}{{"alone", 1, 0}, {"one of 1,000", many, step}, {"one of 1,000, each after a barrier", many, 0}} {
		rec := d.NewRecording(c.name)
		for i := range c.n {
			kernel.Advance{Cursor: all.Slice(i*c.apart, 1)}.Record(rec)
		}
		var wall, device []time.Duration
		err := rec.Run() // compiles
		for i := 0; i < 21 && err == nil; i++ {
			start := time.Now()
			err = rec.Run()
			wall, device = append(wall, time.Since(start)), append(device, rec.DeviceTime())
		}
		rec.Free()
		if err != nil {
			return nil, err
		}
		slices.Sort(wall)
		slices.Sort(device)
		n := time.Duration(c.n)
		costs = append(costs, DispatchCost{c.name, wall[len(wall)/2] / n, device[len(device)/2] / n})
	}
	return costs, nil
}
