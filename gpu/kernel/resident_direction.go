package kernel

import (
	"fmt"

	"vklstm/gpu"
)

// ResidentDirection is one direction of an LSTM layer over all steps, with the recurrent weights in the registers of workgroups of
// 4·HP threads: what ResidentDirectionForward and ResidentDirectionBackward share.
type ResidentDirection struct {
	Params           f32 // params[K][P]
	Mask             u32 // mask[K][T][R], 1 = valid
	Gates            f32 // gates[K][T][R][4H], blocks i|f|c|o, in place: z, then factors, then dz
	Pairs            f32 // pairs[K][T][R][H][2]: o(1 − tanh²c) and f; not touched by an evaluation
	K, R, T, W, H, P int // W: workgroups of a model
	HP               int // H rounded up to a multiple of 16; 4·HP is a multiple of the device's largest subgroup
	KernelOffset     int // of recurrent_kernel[H][4H] in a model's parameters
	Reverse          bool
}

// check panics where the sizes do not fit each other.
func (k ResidentDirection) check(name string) {
	if k.HP%16 != 0 || k.HP < k.H || k.W < 1 {
		panic(fmt.Sprintf("kernel: %s with HP %d for H %d, %d workgroups", name, k.HP, k.H, k.W))
	}
}

// push are the push constants that both share, and others after them.
func (k ResidentDirection) push(others ...any) gpu.PushData {
	return gpu.Push(append([]any{k.K, k.R, k.T, k.W, k.H, k.P, k.KernelOffset, word(k.Reverse)}, others...)...)
}

func (k ResidentDirection) params() gpu.Arg {
	return gpu.Read(k.Params, span(k.KernelOffset, k.K, k.P, k.H*4*k.H))
}
