package kernel

import (
	"fmt"

	"vklstm/gpu"
)

// LSTMStepBackward is lstm_step_backward.comp: one LSTM step of backpropagation through time, its product with the recurrent
// kernel included. A masked step has dz = 0 and passes DHidden and DCell on; elsewhere DHidden is left 0, for the step before
// to add to. The step later than Step is Step+1, with Reverse Step−1: the one that LSTMStepForward takes next.
type LSTMStepBackward struct {
	Gates         f32 // gates[K][T][R][4H], blocks i|f|c|o: at Step activations before, dz after; at the later step dz
	Rows          u32 // rows[K][T][R] and
	Count         u32 // count[K][T], as ActiveRows leaves them
	Mask          u32 // mask[K][T][R], 1 = valid
	Params        f32 // params[K][P]
	Cell          f32 // c[K][T+1][R][H]
	DHidden       f32 // dh[K][R][H], in place
	DCell         f32 // dc[K][R][H], in place
	K, R, T, H, P int
	KernelOffset  int // of recurrent_kernel[H][4H] in a model's parameters; a multiple of 4, as P
	Step          int // in [0,T)
	Reverse       bool
	Relu          bool // relu in place of tanh; not with Half

	// Flow is what flows into each valid step from the layer above, dout[K][T][R][H], the gradient by the step's output. Left
	// out, nothing does.
	Flow f32
	// FlowsToMasked has it flow into masked steps too: where the layer above takes the steps in another order, it reads what they carry on.
	FlowsToMasked bool

	// Half takes the product of float16: recurrent_kernel is rounded, and dz times its model's scale. The sum, freed of the
	// scale, is float32.
	Half  bool
	Scale f32 // scale[K][2], as GradientScale leaves it; used with Half only
}

// backTile is how a workgroup of lstm_step_backward.comp divides rows, units and the inner dimension.
type backTile struct {
	threads, slices int // of a workgroup, and into how many parts they fall
	threadsU        int // of a slice along the units; a thread has 4 × 4 elements
	depth           int // of 4H at a time
}

func (t backTile) rows() int { return t.threads / t.slices / t.threadsU * 4 }
func (t backTile) cols() int { return t.threadsU * 4 }

// backTiles are the shapes in use, as stepTiles. Each has at most 14 KiB of shared memory.
var backTiles = []backTile{
	{256, 4, 8, 32}, // 32 rows × 32 units
	{128, 8, 4, 32}, // 16 × 16
}

// planBack chooses the largest tile that gives enough workgroups.
func planBack(k, r, h int, l gpu.Limits) backTile {
	for _, t := range backTiles {
		if t.threads <= int(l.MaxInvocations) && k*ceil(r, t.rows())*ceil(h, t.cols()) >= fillGroups {
			return t
		}
	}
	return backTiles[len(backTiles)-1]
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k LSTMStepBackward) Record(rec *gpu.Recording) {
	within("lstm_step_backward", k.Step, 1, k.T)
	if k.P%4 != 0 || k.KernelOffset%4 != 0 {
		panic(fmt.Sprintf("kernel: lstm_step_backward: P %d and the kernel's offset %d must be multiples of 4", k.P, k.KernelOffset))
	}
	if k.Half && UsesMatrices(k.H, rec.Limits()) {
		LSTMStepBackwardHalf(k).Record(rec)
		return
	}
	t := planBack(k.K, k.R, k.H, rec.Limits())
	scale := k.Params // something must be bound, as for Flow
	if k.Half {
		scale = k.Scale
	}
	k.work(rec)
	rec.DispatchWith(t.constants(k.Half, k.Relu), "lstm_step_backward", gpu.Groups(k.K*ceil(k.R, t.rows())*ceil(k.H, t.cols())),
		k.push(), k.buffers(scale)...)
}

func (k LSTMStepBackward) push() gpu.PushData {
	return gpu.Push(k.K, k.R, k.T, k.H, k.Step, k.P, k.KernelOffset, word(k.Reverse), flowing(k.Flow, k.FlowsToMasked))
}

// flowing is what both kernels of the way back are told of what flows in.
func flowing(flow f32, toMasked bool) uint32 {
	if toMasked {
		return 2
	}
	return word(flow != f32{})
}

// work counts the step.
func (k LSTMStepBackward) work(rec *gpu.Recording) {
	later, flows := edge(k.Step, k.T, !k.Reverse), int(word(k.Flow != f32{}))
	product := later * 4 * k.H * k.H // of a row's later dz and the recurrent kernel; there is none at the last step
	work(rec, k.K*k.R*(2*product+(26+flows)*k.H), k.K*(product+k.R*(later*4*k.H+(2*4+2+4+flows)*k.H+2)))
}

// buffers are the kernel's, in binding order.
func (k LSTMStepBackward) buffers(scale f32) []gpu.Arg {
	flow := gpu.Read(k.Params)
	if k.Flow != (f32{}) {
		flow = gpu.Read(k.Flow, k.K, k.T, k.R, k.H)
	}
	return []gpu.Arg{
		gpu.ReadWrite(k.Gates, k.K, k.T, k.R, 4*k.H), gpu.Read(k.Rows, k.K, k.T, k.R), gpu.Read(k.Count, k.K, k.T),
		gpu.Read(k.Mask, k.K, k.T, k.R), gpu.Read(k.Params, span(k.KernelOffset, k.K, k.P, k.H*4*k.H)),
		gpu.Read(k.Cell, k.K, k.T+1, k.R, k.H),
		gpu.ReadWrite(k.DHidden, k.K, k.R, k.H), gpu.ReadWrite(k.DCell, k.K, k.R, k.H), gpu.Read(scale, min(2*k.K, scale.Len())), flow,
	}
}

func (t backTile) constants(half, relu bool) []uint32 {
	return []uint32{uint32(t.threads), uint32(t.slices), uint32(t.threadsU), uint32(t.depth), word(half), word(relu)}
}

// StepBackwardConstants lists the specialisation constants that a step may have, one for each tile, and with
// float16 or relu.
func StepBackwardConstants() [][]uint32 {
	var list [][]uint32
	for _, t := range backTiles {
		list = append(list, t.constants(false, false), t.constants(true, false), t.constants(false, true))
	}
	return list
}
