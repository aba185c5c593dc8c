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
// # Three paths
//
// An engine holds one path through the network, which plans memory, makes the buffers and records the kernels:
//
//	general   any network, any device             general.go, layers.go
//	resident  the default network                 resident.go
//	layered   any network, units that fit         layered.go, layers.go
//
// choosePath, in path.go, takes one of them, and Engine.String says which and why. Users know two: layered calls itself
// resident too, since both keep recurrent weights in the registers of workgroups, which holds 64 units and more, by vendor (registers, in path.go).
//
// Resident takes whole windows:
//
//	once per 32 MiB of input  resident_input   the next steps' windows, gathered, scaled, varied; valid time steps packed
//	each step                 resident_lstm    windows forward, head, loss, back to dz; a workgroup takes several in turn
//	                          resident_weight  the gradient in parts, each of the windows c, c + 128, …
//	                          resident_update  their sum, and the optimizer's step
//
// Where gradients are clipped, gradient_norm and an update of its own follow the sum. The windows of a batch come by length,
// the longest first, so that workgroups have equal work; masked time steps cost nothing, since they are not there.
//
// General takes a layer at a time. Products that need no history are one matmul over all time steps; only h·recurrent_kernel
// and the cell stay in the time loop, one dispatch for both. The directions of a layer take turns, with no barrier between
// their time steps. The second goes from the last time step to the first, and masked ones carry h and c there too, so that padding
// on either side and holes need nothing else. The outputs of two directions lie in buffers of their own: what comes next
// multiplies each with its rows of the kernel. On the way back, dz·kernelᵀ of all time steps is one matmul too, and flows into
// the layer below. Sums over few elements and many rows, as the weights' gradients are, run in parts that fill a
// large device and are added in order. A batch whose activations would not fit a storage buffer's range is taken in several
// passes of R rows, whose gradients are added in order.
//
// What an LSTM layer puts out passes stages on the way to the next layer, and in the head (stages.go): it is put side by side, merged, and
// handed from one buffer to the next. Where there is nothing to do, the next layer reads it where it lies. BatchNormalization takes
// the moments of a whole batch, which therefore is one pass.
//
// Layered differs from general in the time loop alone: all time steps of a direction are one dispatch
// (resident_direction_forward), and one back (resident_direction_backward).
package vulkan
