// Package keras reads and writes Keras model files, so that a model trained here opens in Keras, and one trained in
// Keras predicts here.
//
// Read takes both of Keras's formats, told apart by their first bytes:
//
//	.h5      HDF5 as Keras 2 and Keras 3 write it: attributes model_config and training_config (JSON), weights in
//	         the order of layer_names and weight_names, optimizer_weights
//	.keras   a zip of config.json and model.weights.h5
//
// Encode and WriteH5 write one form of .h5, which Keras 2 and Keras 3 both open, compile and go on training from;
// Keras itself writes none that both can open. It leaves out all that either of them rejects (Keras 3's batch_shape
// and dtype objects, Keras 2's time_major) or cannot go on from (the optimizer's moments: Keras 3 loads a compiled
// model with them and then fails in the first training step). To go on with training where it stopped, bit for bit,
// there are the program's own checkpoints.
//
// The network must be one that model.Spec describes, Sequential or a Functional model of one layer after the other. An ensemble is a Functional
// model of such Sequentials: one Input that each reads, and the Average of what they return. Flat copies of the layers
// would not do: Keras 3 saves such a graph with the operations of its masks, and then cannot load it.
//
// Anything in a file that would make it predict otherwise is refused with a sentence that names it; what only acts in
// Keras's training (regularizers, constraints, dropout inside the LSTM) is listed in File.Ignored.
//
// A file may come from anywhere. Whatever its bytes are, reading it ends soon, in memory proportional to its length.
package keras
