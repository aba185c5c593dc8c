package vulkan

import (
	"math"
	"slices"

	"vklstm/model"
	"vklstm/shaders/words"
)

// order is a sequence of steps as the device reads it.
type order struct {
	steps    int
	window   []uint32  // [S][K][B]
	weight   []float32 // [S][K][B]
	schedule []uint32  // [S][K][4]
}

func newOrder(s shape, steps int) order {
	n := steps * s.K * s.B
	o := order{steps: steps, window: make([]uint32, n), weight: make([]float32, n), schedule: make([]uint32, steps*s.K*words.Schedule)}
	for i := range o.window {
		o.window[i] = words.NoWindow
	}
	return o
}

// trainOrder lays the training steps of the plans out.
func (e *Engine) trainOrder(plans []model.Plan, s shape, steps int) order {
	out := newOrder(s, steps)
	for k, p := range plans {
		for i, w := range p.Train {
			step := i / p.Batch
			at := (step*s.K+k)*s.B + i%p.Batch
			out.window[at], out.weight[at] = uint32(w), 1
			if p.Weight != nil {
				out.weight[at] = p.Weight[i]
			}
		}
		for step := range p.Steps() {
			size := min(p.Batch, len(p.Train)-step*p.Batch)
			o, w := e.opts[k].Optimizer, out.schedule[(step*s.K+k)*words.Schedule:]
			w[words.Alpha] = math.Float32bits(float32(o.Alpha(p.LearningRate[step], e.steps[k]+step+1)))
			w[words.Decay] = math.Float32bits(float32(o.Decay(p.LearningRate[step])))
			w[words.InverseBatch] = math.Float32bits(1 / float32(size))
			w[words.Time] = uint32(e.steps[k] + step)
		}
	}
	return out
}

// evalOrder lays the windows that the plans evaluate out.
func evalOrder(plans []model.Plan, s shape, steps int) order {
	out := newOrder(s, steps)
	for k, p := range plans {
		for i, w := range p.Eval {
			at := (i/s.B*s.K+k)*s.B + i%s.B
			out.window[at], out.weight[at] = uint32(w), 1
		}
	}
	return out
}

// longestFirst returns place[S][K][B], the place of each slot of a batch: that of its longest window first, and empty places last, so
// that workgroups which take several windows have equal work. Windows without lengths keep their order.
func (o *order) longestFirst(batch int, length []int32) []uint32 {
	place := make([]uint32, len(o.window))
	keys := make([]uint64, batch)
	for at := 0; at < len(o.window); at += batch {
		for i := range keys {
			short := uint64(math.MaxUint32)
			if w := o.window[at+i]; w != words.NoWindow && length != nil {
				short -= 1 + uint64(length[w])
			}
			keys[i] = short<<32 | uint64(i)
		}
		slices.Sort(keys)
		for i, key := range keys {
			place[at+i] = uint32(key)
		}
	}
	return place
}
