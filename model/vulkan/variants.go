package vulkan

import "vklstm/gpu"

// variants are the pipelines of each kernel: its sets of specialisation constants, by their ids from 0 on.
var variants = []struct {
	kernel    string
	constants [][]uint32
}{
	{"adam_update", nil},
	{"advance", nil},
	{"augment", nil},
	{"column_sum", [][]uint32{{0}, {1}}},     // accumulate
	{"dense_backward", [][]uint32{{0}, {1}}}, // below a relu
	{"dense_forward", [][]uint32{{0}, {1}}},  // linear, relu
	{"dropout", nil},
	{"gather", nil},
	{"gradient_norm", nil},
	{"loss", nil},
	{"lstm_cell_backward", nil},
	{"lstm_cell_forward", nil},
	{"mask", nil},
	{"matmul", [][]uint32{ // A transposed, B transposed, accumulate, bias
		{0, 0, 0, 1}, // x·kernel + bias
		{0, 0, 1, 0}, // h·recurrent_kernel
		{0, 1, 1, 0}, // dz·recurrent_kernelᵀ
		{1, 0, 0, 0}, // a weight's gradient
		{1, 0, 1, 0}, // the same in a later pass
	}},
	{"sgd_update", nil},
	{"time_warp", nil},
}

// Variants lists every pipeline that an engine may create. Where constants follow from a model's size, the shapes that
// the benchmarks use stand for all. The command cmd/check compiles them all for GPUs that are not there and holds
// registers and instructions against a table, so a kernel belongs here as soon as it exists. Tests fail where a kernel of
// the catalogue is not listed, and where an engine makes a pipeline that is not.
func Variants() []gpu.Variant {
	var list []gpu.Variant
	for _, v := range variants {
		if v.constants == nil {
			list = append(list, gpu.Variant{Kernel: v.kernel})
		}
		for _, c := range v.constants {
			list = append(list, gpu.Variant{Kernel: v.kernel, Constants: c})
		}
	}
	return list
}
