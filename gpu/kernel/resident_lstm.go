package kernel

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/shaders/words"
)

// ResidentLSTM is resident_lstm.comp: R windows of a step for each model through the whole network and, with Train, back to
// dz, in W workgroups per model. Without Train, what BPTT needs is not touched; those buffers may be of any size.
type ResidentLSTM struct {
	ResidentNet
	Params                 f32 // params[K][P]
	Options                u32 // options[K][32]
	Schedule               u32 // schedule[S][K][4]
	Cursor                 u32 // cursor[1]
	X                      f32 // x[C][K][B][T][FP], of ResidentInput
	Slots                  u32 // slots[C][K][B][4], of ResidentInput
	Factors                f32 // dz[K][R][T][4][HP]
	Pairs                  f32 // pairs[K][R][T][HP][2]
	Hidden                 f32 // hidden[K][R][T][HP], h before each step
	Head                   f32 // head[K][R][HeadWidth]
	Probability, Loss      f32 // out_probability, out_loss[S][K][B]
	K, R, B, T, C, W, P, S int
	Row0                   int // the first of the R slots in B
	LG                     int // lanes that share a sum on the way back: 4, 8 or 16, at most the smallest subgroup
	Train                  bool
}

// Constants are the specialisation constants that the kernel is compiled with.
func (k ResidentLSTM) Constants() []uint32 {
	return []uint32{uint32(4 * k.HP), uint32(k.HP), uint32(k.InputWidth()), uint32(k.DenseRoom()), word(k.Train), uint32(k.LG)}
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentLSTM) Record(rec *gpu.Recording) {
	within("resident_lstm", k.Row0, k.R, k.B)
	if k.LG != 4 && k.LG != 8 && k.LG != 16 || k.HP%16 != 0 || k.HP < k.H || k.P < k.size() || k.W < 1 {
		panic(fmt.Sprintf("kernel: resident_lstm with LG %d, HP %d for H %d, P %d for %d parameters, %d workgroups", k.LG, k.HP, k.H, k.P, k.size(), k.W))
	}
	kept := func(n ...int) []int {
		if !k.Train {
			return nil
		}
		return append([]int{k.K, k.R}, n...)
	}
	steps := k.K * k.R * k.T // as if none were masked
	flop, moved := 2*steps*4*k.H*(k.H+k.F)+2*k.K*k.R*(k.H+1)*k.D, steps*k.InputWidth()+k.K*k.P
	if k.Train {
		flop += 2*steps*4*k.H*k.H + 2*k.K*k.R*(k.H+1)*k.D
		moved += steps*k.HP*(3*4+2*2+1) + k.K*k.R*k.HeadWidth()
	}
	work(rec, flop, moved)
	rec.DispatchWith(k.Constants(), "resident_lstm", gpu.Groups(k.K*k.W), gpu.Push(k.K, k.R, k.B, k.T, k.C, k.W, k.P, k.Row0, k.H, k.F, k.D),
		gpu.Read(k.Params, k.K, k.P), gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Schedule, k.S, k.K, words.Schedule),
		gpu.Read(k.Cursor, 1), gpu.Read(k.X, k.C, k.K, k.B, k.T, k.InputWidth()), gpu.Read(k.Slots, k.C, k.K, k.B, words.Slot),
		gpu.ReadWrite(k.Factors, kept(k.T, 4, k.HP)...), gpu.ReadWrite(k.Pairs, kept(k.T, k.HP, 2)...),
		gpu.Write(k.Hidden, kept(k.T, k.HP)...), gpu.ReadWrite(k.Head, kept(k.HeadWidth())...),
		gpu.Write(k.Probability, k.S, k.K, k.B), gpu.Write(k.Loss, k.S, k.K, k.B))
}
