// Package vulkan is the engine of the GPU: it trains and predicts on one Vulkan device, in float32, k models side
// by side. It is the only importer of package gpu.
//
// Everything that training needs stays on the device:
//
//	once       windows raw[N][T][F] (in chunks that fit a binding), labels, parameters, moments, options
//	per epoch  order_window, order_weight [S][K][B]; schedule[S][K] (learning rate, batch size, step)
//	back       out_probability, out_loss [S][K][B]
//
// One recording is one training step; it reads its place in the epoch from a cursor on the device, so that the
// same recording is submitted once per step, many in one submission, with no wait in between. A submission is
// kept below about 100 ms, so that a desktop's watchdog stays quiet and a cancelled run stops soon. Evaluation has
// buffers of its own, for batches as large as memory likes, and is part of the epoch's last submission.
//
// There are two ways through the network, and Engine.String says which one is taken and why (Path, Tune).
//
// The resident path takes networks whose recurrent weights fit a workgroup's registers (to 64 units, on RDNA to 128):
//
//	once per 32 MiB of input  resident_input   the next steps' windows, gathered, scaled, varied; valid steps packed
//	each step                 resident_lstm    windows forward, head, loss, back to dz; a workgroup takes several in turn
//	                          resident_weight  the gradient in parts, each of the windows c, c + 128, …
//	                          resident_update  their sum, and the optimizer's step
//
// Under clipping, gradient_norm and an update of its own follow the sum. The windows of a batch come by length, the longest
// first, so that workgroups have equal work; masked steps cost nothing, since they are not there.
//
// A network of several layers, or of both directions, takes the resident path a layer at a time: its steps, in each direction, are
// one dispatch (resident_direction_forward) and one back (resident_direction_backward), and all else is as on the general path.
//
// The general path runs every T, F, H, D and B, and networks of several LSTM layers and of both directions. Products that need
// no history are one matmul over all steps; only h·recurrent_kernel and the cell stay in the time loop, one dispatch for both.
// The directions of a layer take turns, with no barrier between their steps; the second walks from the last step to the first,
// and masked steps carry h and c there too, so that padding on either side and holes need nothing else. Their outputs lie in
// buffers of their own: what comes next multiplies with each by its rows of the kernel. On the way back, dz·kernelᵀ of all steps
// is one matmul too, and flows into the steps of the layer below. Rows whose step is masked
// cost no product: active_rows puts the others first. Sums over few elements and many rows, as the weights' gradients
// are, run in parts that fill a large device and are added in order. A batch whose activations would not fit a
// storage buffer's range is taken in several passes of R rows, whose gradients are added in order.
package vulkan
