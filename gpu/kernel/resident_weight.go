package kernel

import (
	"fmt"

	"vklstm/gpu"
	"vklstm/shaders/words"
)

// ResidentWeight is resident_weight.comp: min(Chunks, B) parts of the gradient of every parameter, from what ResidentLSTM
// left of R slots. The first pass of a step writes the parts, further ones (Row0 > 0) add to them.
type ResidentWeight struct {
	ResidentNet
	Cursor           u32 // cursor[1]
	Slots            u32 // slots[C][K][B][4]
	X                f32 // x[C][K][B][T][FP]
	Hidden           f32 // hidden[K][R][T][HP]
	DZ               f32 // dz[K][R][T][4][HP]
	Head             f32 // head[K][R][HeadWidth]
	Parts            f32 // part[K][min(Chunks, B)][P]
	Taken            u32 // taken[1], this step, for ResidentUpdate
	K, R, B, T, C, P int
	Row0             int // the first of the R slots in B
	Chunks           int // part c takes the slots c, c + Chunks, …
}

// Constants are the specialisation constants that the kernel is compiled with.
func (k ResidentWeight) Constants() []uint32 {
	return []uint32{uint32(2 * k.HP), uint32(k.HP), uint32(k.RowTile()), uint32(k.InputTile()), uint32(k.ahead())}
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentWeight) Record(rec *gpu.Recording) {
	within("resident_weight", k.Row0, k.R, k.B)
	if k.Chunks < 1 || k.P < k.size() {
		panic(fmt.Sprintf("kernel: resident_weight with %d chunks, P %d for %d parameters", k.Chunks, k.P, k.size()))
	}
	parts := min(k.Chunks, k.B)
	steps := k.K * k.R * k.T // as if none were masked
	work(rec, 2*steps*4*k.H*(k.H+k.F+1)+2*k.K*k.R*(k.H+2)*k.D, steps*(5*k.HP+k.InputWidth())+k.K*k.R*k.HeadWidth()+k.K*parts*k.P)
	rec.DispatchWith(k.Constants(), "resident_weight", gpu.Groups(k.K*k.Tiles()*parts),
		gpu.Push(k.K, k.R, k.B, k.T, k.C, k.P, k.Row0, k.Chunks, parts, k.H, k.F, k.D),
		gpu.Read(k.Cursor, 1), gpu.Read(k.Slots, k.C, k.K, k.B, words.Slot), gpu.Read(k.X, k.C, k.K, k.B, k.T, k.InputWidth()),
		gpu.Read(k.Hidden, k.K, k.R, k.T, k.HP), gpu.Read(k.DZ, k.K, k.R, k.T, 4, k.HP), gpu.Read(k.Head, k.K, k.R, k.HeadWidth()),
		gpu.ReadWrite(k.Parts, k.K, parts, k.P), gpu.Write(k.Taken, 1))
}
