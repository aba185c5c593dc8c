package kernel

import (
	"fmt"

	"vklstm/gpu"
)

// ResidentDirectionBackward is resident_direction_backward.comp: backpropagation through all steps of one direction of an LSTM layer in one
// dispatch, after ResidentDirectionForward with Train.
type ResidentDirectionBackward struct {
	ResidentDirection
	DHidden       f32  // dh[K][R][H], the gradient by h after the last step; read without Flow only
	Flow          f32  // dout[K][T][R][H], what flows into each valid step from the layer above; left out, DHidden is all
	FlowsToMasked bool // as in LSTMStepBackward
	LG            int  // lanes that share a sum: 4, 8 or 16, at most the smallest subgroup
}

// Constants are the specialisation constants that the kernel is compiled with.
func (k ResidentDirectionBackward) Constants() []uint32 {
	return []uint32{uint32(4 * k.HP), uint32(k.HP), uint32(k.LG)}
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentDirectionBackward) Record(rec *gpu.Recording) {
	k.check("resident_direction_backward")
	if k.LG != 4 && k.LG != 8 && k.LG != 16 {
		panic(fmt.Sprintf("kernel: resident_direction_backward with LG %d", k.LG))
	}
	steps := k.K * k.R * k.T // as if none were masked
	flows, moved := k.Flow != (f32{}), steps*(10*k.H+1)+k.K*4*k.H*k.H
	dh, flow := gpu.Read(k.DHidden, k.K, k.R, k.H), gpu.Read(k.Params) // something must be bound
	if flows {
		moved += steps * k.H
		dh, flow = gpu.Read(k.Params), gpu.Read(k.Flow, k.K, k.T, k.R, k.H)
	}
	work(rec, steps*(8*k.H*k.H+9*k.H), moved)
	rec.DispatchWith(k.Constants(), "resident_direction_backward", gpu.Groups(k.K*k.W), k.push(flowing(k.Flow, k.FlowsToMasked)),
		k.params(), gpu.Read(k.Mask, k.K, k.T, k.R), gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H),
		gpu.Read(k.Pairs, k.K, k.T, k.R, k.H, 2), dh, flow)
}
