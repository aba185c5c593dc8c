// Package vk is the edge to Vulkan: the loader, devices, and the few objects
// that a compute program needs. It is the only importer of
// github.com/vulkan-go/vulkan and knows nothing of kernels or shapes.
//
// The binding starts Vulkan up: it makes the instance, lists the devices and
// their limits, and makes the logical device. Three habits of its own are met
// by design:
//
//   - It copies info structs into C memory that finalisers free, some of them
//     while the call is still running. Here every info struct is laid out in C
//     by shim code and handed over with vulkan.New…Ref, so that the binding
//     copies nothing and no finaliser exists. Two output structs (properties,
//     memory) own plain C memory and are freed after use.
//   - It opens libvulkan.so, which only development packages install. Here the
//     run-time names are opened and given to SetGetInstanceProcAddr.
//   - Its instance functions are global and must be set again after each
//     CreateInstance. One lock serialises every start-up call.
//
// Pipelines, memory, descriptors, recording and submission go through C code
// (shim.h) with pointers from vkGetDeviceProcAddr, many objects or commands in
// one call. The few declarations it needs are in abi.h; nothing has to be
// installed to build it.
//
// Handles are numbers. A Device may be used from several goroutines, but what
// Vulkan calls external synchronisation (one submission at a time, one user of
// a Commands at a time) is the caller's.
//
// Without cgo the package still compiles; Open then returns an error that says
// so.
package vk
