// Package reference is the network in float64, written to be read as the definition: one function per kernel, in
// the file that bears the kernel's name, then the whole network (network.go) and an Engine that trains it. Every
// other engine, and every shader, is judged by it; it is itself judged by Keras's numbers (package golden) and by
// central differences.
//
// The kernels' functions take one model's arrays, where the shaders have K models side by side: [R][4H] here is
// [K][R][4H] there. R is a number of rows (windows), T timesteps, F features, H LSTM units, D dense units. One step
// of the LSTM is
//
//	z = x·kernel + h·recurrent_kernel + bias          [R][4H], gate blocks i, f, c, o
//	i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)   g = tanh(z_c)
//	c' = f·c + i·g      h' = o·tanh(c')
//
// and a masked step keeps h and c.
package reference
