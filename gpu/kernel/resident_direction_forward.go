package kernel

import "vklstm/gpu"

// ResidentDirectionForward is resident_direction_forward.comp: all steps of one direction of an LSTM layer in one dispatch.
type ResidentDirectionForward struct {
	ResidentDirection
	Hidden f32  // h[K][T+1][R][H]; after step t in slot t + 1, with Reverse in slot t. The slot where the direction begins is not touched and is 0
	Relu   bool // relu in place of tanh
	Train  bool // factors replace z, and Pairs are written; else neither
}

// Constants are the specialisation constants that the kernel is compiled with.
func (k ResidentDirectionForward) Constants() []uint32 {
	return []uint32{uint32(4 * k.HP), uint32(k.HP), word(k.Train), word(k.Relu)}
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentDirectionForward) Record(rec *gpu.Recording) {
	k.check("resident_direction_forward")
	steps := k.K * k.R * k.T // as if none were masked
	moved := steps*(5*k.H+1) + k.K*4*k.H*k.H
	pairs := gpu.Write(k.Pairs)
	if k.Train {
		moved += steps * 6 * k.H
		pairs = gpu.Write(k.Pairs, k.K, k.T, k.R, k.H, 2)
	}
	work(rec, steps*(8*k.H*k.H+9*k.H), moved)
	rec.DispatchWith(k.Constants(), "resident_direction_forward", gpu.Groups(k.K*k.W), k.push(),
		k.params(), gpu.Read(k.Mask, k.K, k.T, k.R), gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H),
		gpu.Write(k.Hidden, k.K, k.T+1, k.R, k.H), pairs)
}
