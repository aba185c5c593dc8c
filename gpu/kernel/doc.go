// Package kernel holds the typed bindings of the shaders: one struct per .comp
// file, under the same file name, with its buffers and sizes as fields and a
// method Record that appends the dispatch to a recording. The catalogue is
// shaders/README.md; each kernel's definition is the function of its name in
// package model/reference, or package model/augment.
//
// K models lie side by side: a shape [K][R][H] is K blocks of [R][H]. R is the
// number of rows (windows) of one pass, B the number of places of a step, of
// which a pass takes those from Row0 on; T timesteps, F features, H LSTM units,
// P parameters of a model with padding, S steps of an epoch. The step of the
// epoch is what Cursor[1] holds.
//
//	rec := dev.NewRecording("head")
//	kernel.DenseForward{X: x, Params: params, Y: y, Activation: kernel.Relu, K: 1, R: 32, M: 64, N: 32, P: p,
//		KernelOffset: 0, BiasOffset: 64 * 32}.Record(rec)
//
// Record panics when a buffer is smaller than its shape. Indices are 32 bits
// wide: a buffer has at most 2³¹ elements.
package kernel
