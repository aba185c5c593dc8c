// Package tflite writes a trained network as a TFLite file for LiteRT: built-in operators alone, one window a call, exact
// masking. Input is x[1][T][F] as measured, output y[1][C], the probability of each class, or of one [1][1].
//
// TFLite's fused LSTM has no mask, and keeps h and c from one call to the next. One more input feature r cures both: it is
// 0 in valid steps and a large R in all other rows, and its weight closes the input and the forget gate, so that
// c = 0·c + 0·g = 0 and h = o·tanh(0) = 0, whatever was there before. The valid steps are moved, in order, to the end of
// T + 1 rows, and the rows in front, of which there is always one, are such reset rows:
//
//	forward:   row(t) = T − valid steps after t        backward:  row(t) = T − valid steps in front of t
//
// For the backward direction the steps lie in reverse, so that every direction ends in row T. Where another layer reads both
// directions' outputs, one is brought into the other's order by GATHER. A layer that goes backwards hands on what it put out in
// the order in which it came, as Keras has it. Without Masking every step is valid, and all rows are constants.
//
// A relu layer is the fused LSTM too, whose state is cut off at 1e9, beyond which one window could leave no number for those
// after it. BatchNormalization is in the kernel and bias of the layer after it.
//
// The weight of r is the largest of its kernel, with which int8, one scale per kernel, loses nothing; where all are smaller
// than what float16 holds in full, it is that. A step is masked when all its features are the mask's value (0: subnormal too) or
// missing (NaN), as measured; other missing values are 0 after the scaling. A window with an infinity gives NaN, and what enters
// the LSTM is bounded, so that no NaN stays in its state.
//
// The slots of the tables are those of schema.fbs, version 3, as LiteRT 2.3 reads it.
package tflite
