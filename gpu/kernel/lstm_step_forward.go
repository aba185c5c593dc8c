package kernel

import "vklstm/gpu"

// LSTMStepForward is lstm_step_forward.comp: one LSTM step, its product with the recurrent kernel included. A masked step
// carries h and c forward, and its gates become 0. Steps are taken from 0 on, or with Reverse from T − 1 on.
type LSTMStepForward struct {
	Gates         f32 // gates[K][T][R][4H], blocks i|f|c|o: at Step the input's part of z before, activations after
	Rows          u32 // rows[K][T][R] and
	Count         u32 // count[K][T], as ActiveRows leaves them
	Params        f32 // params[K][P]
	Hidden        f32 // h[K][T+1][R][H]: slot Step is read, slot Step+1 written, and slot 0 is taken for 0; with Reverse Step+1, Step and T
	Cell          f32 // c[K][T+1][R][H], as Hidden
	K, R, T, H, P int
	KernelOffset  int  // of recurrent_kernel[H][4H] in a model's parameters
	Step          int  // in [0,T)
	Reverse       bool // steps are taken from the last to the first
	Relu          bool // relu in place of tanh; not with Half
	Half          bool // the product is taken of h and recurrent_kernel rounded to float16, its sum in float32
}

// stepTile is how a workgroup of lstm_step_forward.comp divides rows and units.
type stepTile struct {
	threads, threadsU int // of a workgroup, and of them along the units
	rows4, units      int // a thread has 4·rows4 rows and units units
	depth             int // of H at a time
}

func (t stepTile) rows() int { return t.threads / t.threadsU * 4 * t.rows4 }
func (t stepTile) cols() int { return t.threadsU * t.units }

// stepTiles are the shapes in use, the one that loads least per product first. Each has at most 13 KiB of shared memory.
var stepTiles = []stepTile{
	{256, 16, 1, 2, 16}, // 64 rows × 32 units
	{128, 16, 1, 2, 16}, // 32 × 32
	{64, 16, 1, 1, 16},  // 16 × 16
}

// fillGroups is how many workgroups a step should have before larger tiles are worth more: about one on each of 128
// multiprocessors.
const fillGroups = 128

// planStep chooses the largest tile that gives enough workgroups.
func planStep(k, r, h int, l gpu.Limits) stepTile {
	for _, t := range stepTiles {
		if t.threads <= int(l.MaxInvocations) && k*ceil(r, t.rows())*ceil(h, t.cols()) >= fillGroups {
			return t
		}
	}
	return stepTiles[len(stepTiles)-1]
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k LSTMStepForward) Record(rec *gpu.Recording) {
	within("lstm_step_forward", k.Step, 1, k.T)
	if k.Half && UsesMatrices(k.H, rec.Limits()) && k.P%4 == 0 && k.KernelOffset%4 == 0 {
		LSTMStepForwardHalf(k).Record(rec)
		return
	}
	t := planStep(k.K, k.R, k.H, rec.Limits())
	k.work(rec)
	rec.DispatchWith(t.constants(k.H%4 == 0, k.Half, k.Relu), "lstm_step_forward", gpu.Groups(k.K*ceil(k.R, t.rows())*ceil(k.H, t.cols())),
		k.push(), k.buffers()...)
}

func (k LSTMStepForward) push() gpu.PushData {
	return gpu.Push(k.K, k.R, k.T, k.H, k.Step, k.P, k.KernelOffset, word(k.Reverse))
}

// edge is 0 at step 0, with reverse at step t − 1, and else 1.
func edge(step, t int, reverse bool) int {
	if reverse {
		step = t - 1 - step
	}
	return min(step, 1)
}

// work counts the step.
func (k LSTMStepForward) work(rec *gpu.Recording) {
	later := edge(k.Step, k.T, k.Reverse)
	product := later * 4 * k.H * k.H // of a row and the recurrent kernel; before the first step h is 0
	// A cell is three sigmoids, two tanh, three products, one sum.
	work(rec, k.K*k.R*(2*product+4*later*k.H+9*k.H), k.K*(product+k.R*((2*4+4)*k.H+1)))
}

// buffers are the kernel's, in binding order.
func (k LSTMStepForward) buffers() []gpu.Arg {
	return []gpu.Arg{
		gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H), gpu.Read(k.Rows, k.K, k.T, k.R), gpu.Read(k.Count, k.K, k.T),
		gpu.Read(k.Params, span(k.KernelOffset, k.K, k.P, k.H*4*k.H)),
		gpu.ReadWrite(k.Hidden, k.K, k.T+1, k.R, k.H), gpu.ReadWrite(k.Cell, k.K, k.T+1, k.R, k.H),
	}
}

func (t stepTile) constants(fours, half, relu bool) []uint32 {
	return []uint32{uint32(t.threads), uint32(t.threadsU), uint32(t.rows4), uint32(t.units), uint32(t.depth), word(fours), word(half), word(relu)}
}

// StepForwardConstants lists the specialisation constants that a step may have, one for each tile, whether H is a multiple of
// 4, and with float16 or relu.
func StepForwardConstants() [][]uint32 {
	var list [][]uint32
	for _, t := range stepTiles {
		list = append(list, t.constants(false, false, false), t.constants(true, false, false), t.constants(false, true, false), t.constants(true, true, false),
			t.constants(false, false, true), t.constants(true, false, true))
	}
	return list
}
