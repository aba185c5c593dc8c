// Package portable is the engine of the CPU in pure Go on gonum's BLAS: what package cpu returns where there is no cgo. It
// does the same work as the C kernels, to the same tolerances, and takes some twenty times as long.
//
// A step's batch is split into blocks of 8 rows. A block runs forward, head, loss, backpropagation through time and
// weight gradient alone, on one core and in that core's memory; the blocks' gradients are then added in block order.
// So the time loop waits for nobody, the same bits come out for any number of threads, and memory grows with the
// threads, not with the data.
//
//	Epoch: for each step     for each block of 8 rows, on any core         for each model
//	                         gather → forward → head → loss → backward     Optimizer.Step
//	                                └ gradient, added in block order ┘
//
// Masked steps cost nothing: a row is the sequence of its valid steps, moved together, which is what carrying h and c
// over the others comes to. The rows of a block are sorted by length, longest first, so that those still running are
// a prefix. Each direction of each LSTM layer is a walk over these steps: the backward one takes a row's last valid step
// first, so both have the same rows active at a step, and valid step j of n is step n−1−j of the other. A layer behind the
// first reads what the walks of the one before put out, side by side. One product makes all of z, another all three
// gradients of a walk, because its variables lie one behind the other in model.Layout:
//
//	z[N][4H] = [x | h | 1][N][In+H+1] · [kernel; recurrent_kernel; bias][In+H+1][4H]
//
// where N counts the valid steps of all rows, step by step.
package portable
