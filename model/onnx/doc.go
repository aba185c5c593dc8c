// Package onnx writes a trained network as an ONNX file: standard operators of opset 13, any number of windows, exact
// masking. Input is x[N][T][F] as measured, output y[N][C], the probability of each class, or of one [N][1].
//
// ONNX's LSTM has no mask, only the number of steps in front that are used. So the graph moves each window's valid steps
// to the front, in order, and counts them; the operator's last h is then the state after the last valid step, and 0
// where there is none. A bidirectional LSTM turns those steps around by itself.
//
//	x → NaN to 0 → masked[N][T] → TopK(masked·T + t) → order
//	x → (x − offset)·factor, NaN to 0 → steps in that order → LSTM … → Gemm … → Sigmoid or Softmax → y
//
// Without Masking every step is used, and the order is left out. BatchNormalization is in the kernel and bias of the layer after
// it. A layer that goes backwards hands on what it put out in the order in which it came, as Keras has it: the steps of the next
// layer are gathered from there.
//
// A step is masked when all its features are the mask's value (0: subnormal too) or missing (NaN), as measured; other missing
// values are 0 after the scaling. A window with an infinity gives NaN.
package onnx
