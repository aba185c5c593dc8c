package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/shaders/words"
)

// residentInputs are the kernels on a case, one for each chunk of windows, and before them those that make the masks.
func (w *windows) residentInputs(tb testing.TB, d *gpu.Device, ahead int, train bool) (list []recorder, x gpu.Buffer[float32], slots gpu.Buffer[uint32], weight []float32, place []uint32) {
	v := w.upload(tb, d, train)
	rng := source(tb)
	weight = randoms(rng, w.S*w.K*w.B, 2)
	for range w.S * w.K {
		for _, p := range rng.Perm(w.B) {
			place = append(place, uint32(p))
		}
	}
	label := make([]float32, w.N)
	for i := range label {
		label[i] = float32(i % 3 / 2)
	}
	x = blank[float32](tb, d, "packed", ahead*w.K*w.B*w.T*kernel.ResidentNet{F: w.F}.InputWidth())
	slots = blank[uint32](tb, d, "slots", ahead*w.K*w.B*4)
	list = append(list, v.maskKernel...)
	weights, places, labels := put(tb, d, "weight", weight), put(tb, d, "place", place), put(tb, d, "label", label)
	for i, first := range w.chunks {
		end := w.N
		if i+1 < len(w.chunks) {
			end = w.chunks[i+1]
		}
		list = append(list, kernel.ResidentInput{
			Raw: v.raw[i], Valid: v.valid[i], OrderWindow: v.order, OrderWeight: weights, OrderPlace: places, Label: labels,
			Options: v.options, Scaling: v.scaling, Quantile: v.quantile, Reciprocal: v.reciprocal, Cursor: v.cursor, Turns: v.turns, X: x, Slots: slots,
			K: w.K, B: w.B, T: w.T, F: w.F, C: ahead, S: w.S, ChunkFirst: first, ChunkCount: end - first, Train: train,
		})
	}
	return list, x, slots, weight, place
}

// TestResidentInput compares with package augment, bit for bit, for all steps that are prepared at once.
func TestResidentInput(t *testing.T) {
	for _, ahead := range []int{1, 2, 3} {
		for _, train := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d steps ahead, training %v", ahead, train), func(t *testing.T) {
				forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
					kernels, bx, bs, weight, place := w.residentInputs(t, d, ahead, train)
					run(t, d, kernels...)
					x, slots := get(t, bx), get(t, bs)
					width := kernel.ResidentNet{F: w.F}.InputWidth()
					wantX, wantSlots := make([]float32, len(x)), make([]uint32, len(slots))
					for i := range wantX {
						wantX[i] = canary[float32]()
					}
					for i := range wantSlots {
						wantSlots[i] = canary[uint32]()
					}
					for step := w.step; step < min(w.S, w.step+ahead); step++ {
						for k := range w.K {
							in := augment.NewInput(model.Chain{T: w.T, F: w.F, Masked: true}, w.opts[k], w.tables)
							for i := range w.B {
								order := (step*w.K + k) * w.B
								p := place[order+i]
								slot := (step%ahead*w.K+k)*w.B + i
								word := wantSlots[slot*4 : slot*4+4]
								n := w.order[order+int(p)]
								if n == words.NoWindow {
									copy(word, []uint32{words.NoWindow, p, 0, 0})
									continue
								}
								cells, valid := make([]float32, w.T*w.F), make([]bool, w.T)
								in.Window(cells, valid, w.values(n), train, n, w.epochs[k])
								used := 0
								for s := range w.T {
									if !valid[s] {
										continue
									}
									row := wantX[(slot*w.T+used)*width:][:width]
									clear(row)
									copy(row, cells[s*w.F:(s+1)*w.F])
									row[w.F] = 1
									used++
								}
								copy(word, []uint32{uint32(used), p, n % 3 / 2, math.Float32bits(weight[order+int(p)])})
							}
						}
					}
					equal(t, "slots[C][K][B][4]", slots, wantSlots, ahead, w.K, w.B, 4)
					equal(t, "x[C][K][B][T][FP]", x, wantX, ahead, w.K, w.B, w.T, width)
				})
			})
		}
	}
}

func BenchmarkResidentInput(b *testing.B) {
	d := gputest.Device(b)
	w := benchWindows(b)
	kernels, _, _, _, _ := w.residentInputs(b, d, 2, true)
	bench(b, d, 0, 4*2*float64(w.B*w.T*(w.F+8)), kernels[len(kernels)-1])
}
