// Package cpu is the engine of the CPU: float32, on all cores, in C kernels that are compiled for each instruction set
// (AVX-512, AVX2, SSE2; NEON) and chosen at run time. Without cgo New returns the float64
// reference, which is much slower.
//
// A step's batch is sorted by the number of used steps of its windows and split into blocks of 8 or, for large networks, 16. A block runs forward,
// head, loss, backpropagation through time and weight gradient alone, on one core and in that core's memory, so the time
// loop waits for nobody. Blocks are summed in lanes, of which there are as many on any machine, and lanes in order, so the
// same bits come out for any number of threads. One call into C per thread runs a whole epoch: threads meet at two
// barriers in a step, and at no lock.
//
//	vk_work: for each step   for each lane, on any core       barrier   for each part of the parameters   barrier
//	                         its blocks: forward → head →               sum of the lanes → Adam
//	                         loss → backward → gradient                 → the forms that products need
//
// BatchNormalization needs the sums of all blocks of a step, so that a step of such a network has phases: each ends in front of one, on both
// ways, when a block has made its sums, and the next begins when all have. What a block keeps then lies in memory of its own.
//
// Masked steps cost nothing: a row is the sequence of its used steps, moved together, which is what carrying h and c over
// the others comes to, and the rows of a block that still run are a prefix. Each direction of each LSTM layer goes
// over these steps; the backward one takes a row's last used step first, so that the same rows run at a step of both.
//
// One product in registers serves all three passes (product.h, tile). Parameters lie in panels that hold all four gates
// of as many units as a vector has floats, with recurrent kernel, kernel and bias one below the other:
//
//	z[N][4H] = [h | x | 1][N][H+In+1] · [recurrent_kernel; kernel; bias][H+In+1][4H]
//
// so a tile's sums are what the cell needs, dz replaces the gates in place, and is then the right operand of the gradient.
// x of a layer right after another is what that puts out, which its directions write there as they go; after the weight
// gradient dz · kernelᵀ, the gradient by x, takes its place, where the directions of the layer before find it on their way back. What comes
// between two layers, and the head, reads and writes arrays of its own (vk_op, stages.h).
package cpu
