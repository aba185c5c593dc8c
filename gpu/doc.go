// Package gpu runs compute kernels on any Vulkan device. It knows buffers,
// kernels by name and the order in which they must run; it knows nothing about
// LSTMs.
//
//	Open ──► Device ──► NewBuffer ──► Buffer[T]  a named, typed, sized piece of device memory
//	            │                        │ Write, Read
//	            └────► NewRecording ──► Dispatch(kernel, size, push, Read(a, shape…), Write(b, shape…))
//	                                     │ barriers follow from what is declared
//	                                     └──► Run, RunAll; DeviceTime
//
// A kernel is a shader of package shaders, by file name. A dispatch names its
// buffers in binding order and says of each whether the kernel reads or writes
// it; the SPIR-V says the same, and a list that differs panics. From the
// declarations a recording places one memory barrier wherever a range is
// touched again after a write, or written after a read, and nowhere else.
//
// A recording may be submitted any number of times, also many times in one
// submission. Submissions to one device happen in order, each after the memory
// of the one before: nothing has to be declared between recordings.
//
// Large dispatches are folded into two dimensions, because a device may allow
// no more than 65,535 workgroups in one. Kernels therefore take their index from
// include/dispatch.glsl and check it against their bound.
//
// A Device may be used from several goroutines, a Recording from one at a time.
// What a file, a driver or a device does wrong is an error; a wrong shape, a
// wrong kernel name or a wrong argument list is a panic.
//
// Environment: VKLSTM_VALIDATION=1 opens every device under the validation layer
// and prints its messages to standard error.
package gpu
