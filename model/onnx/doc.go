// Package onnx writes a trained network as an ONNX file: standard operators of opset 13, any number of windows, exact
// masking. Input is x[N][T][F] as measured, output y[N][1], the probability.
//
// ONNX's LSTM has no mask, only the number of steps in front that are used. So the graph moves each window's valid steps
// to the front, in order, and counts them; the operator's last h is then the state after the last valid step, and 0
// where there is none. A bidirectional LSTM turns those steps around by itself.
//
//	x → NaN to 0 → masked[N][T] → TopK(masked·T + t) → order
//	x → (x − offset)·factor, NaN to 0 → steps in that order → LSTM … → Gemm → Relu → Gemm → Sigmoid → y
//
// A step is masked when all its features are 0, subnormal or missing (NaN), as measured; other missing values are 0 after the
// scaling. A window with an infinity gives NaN.
package onnx
