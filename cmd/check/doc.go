// Check is the one command before a commit: it says whether the tree is right, on a CPU, without a GPU.
//
//	go run ./cmd/check            everything that this machine has the tools for
//	go run ./cmd/check -setup     installs what is missing first; then no test may skip (this is .ci/run)
//	go run ./cmd/check -fast      form, vet, staticcheck, and the tests once, on one driver
//	go run ./cmd/check -list      the steps; -run gofmt,race picks some of them
//
// Its steps: gofmt, vet, staticcheck, stale SPIR-V, spirv-val, builds with and without cgo, and the tests. The packages
// that touch Vulkan run on four software devices, with validation and synchronisation validation on; the others once:
//
//	lavapipe   Mesa's CPU driver, with subgroups of 4, 8 and 16 (LP_NATIVE_VECTOR_WIDTH=128, 256, 512)
//	SwiftShader, out of Debian's chromium-common: another compiler, 256 invocations, offsets aligned to 256
//
// The step kernels compiles every pipeline for AMD GPUs that are not there, and fails on spills, on scratch memory, and where
// registers or instructions grow beyond kernels.tsv, which go run ./cmd/check -run kernels -update writes anew.
//
// The packages that record dispatches run once more under a newer validation layer, also out of chromium-common, and the tests
// of float16 products on the lavapipe of Mesa 26, which has cooperative matrices, with a C library of its own.
// Then come the proofs that a silent run means something: a missing barrier and a write out of range must be reported by
// the validation layer, each kernel, broken on purpose, must be failed by its own test, and a kernel made to spill or a
// table with lower numbers by the step kernels. Last are the race detector, on the packages that start goroutines, and
// GOGC=1 for package gpu, whose binding once lost memory to the collector.
//
// What -setup fetches and no package manager installs lies in the user's cache folder, under vklstm/check. The last
// line reads "123 passed, 0 failed, 0 skipped": every test of every run, and one for each step that is no test. The
// exit status is 1 when anything failed.
package main
