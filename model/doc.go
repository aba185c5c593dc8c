// Package model is the network as data: which layers there are, what their
// variables are called and how large they are, how they start, how Adam moves
// them, and what an engine must do to train them. It computes no forward or
// backward pass; the engines do:
//
//	model/reference   float64 on gonum, the definition
//	model/cpu         float32 on the CPU
//	model/vulkan      float32 on any Vulkan device
//	model/augment     what they all do to windows before training, from model/philox's random numbers
//
// model/judge compares engines with the reference and with Keras; model/keras, npz, tflite and onnx read and write files.
//
// A network is a Spec: Masking or none, LSTM layers with Dropout and BatchNormalization between them, and a chain of Dense, Dropout and
// BatchNormalization to Dense(1, sigmoid), or Dense(classes, softmax). The default one is
//
//	x[T][F] → Masking(0) → LSTM(H) → Dropout(rate) → Dense(D, relu) → Dense(1, sigmoid) → P(y = 1)
//
// and its variables carry Keras's names, in Keras's order:
//
//	lstm/kernel [F][4H]  lstm/recurrent_kernel [H][4H]  lstm/bias [4H]    gate blocks i, f, c, o
//	dense/kernel [H][D]  dense/bias [D]  dense_1/kernel [D][1]  dense_1/bias [1]
package model
