package vulkan

import (
	"slices"

	"vklstm/gpu/kernel"
)

// variants are the pipelines of each kernel: its sets of specialisation constants, by their ids from 0 on.
var variants = []struct {
	kernel    string
	constants [][]uint32
}{
	{"active_rows", nil},
	{"adam_update", nil},
	{"advance", nil},
	{"augment", nil},
	{"column_sum", [][]uint32{{0}, {1}}},     // accumulate
	{"dense_backward", [][]uint32{{0}, {1}}}, // below a relu
	{"dense_forward", [][]uint32{{0}, {1}}},  // linear, relu
	{"dropout", nil},
	{"gather", nil},
	{"gradient_norm", nil},
	{"gradient_scale", nil},
	{"loss", nil},
	{"lstm_step_backward", kernel.StepBackwardConstants()},
	{"lstm_step_forward", kernel.StepForwardConstants()},
	{"mask", nil},
	{"matmul", slices.Concat(
		kernel.MatmulConstants(false, false, false, false, true, true), // x·kernel + bias
		kernel.MatmulConstants(false, false, false, true, true, true),  // the same where F is a multiple of 4
		kernel.MatmulConstants(false, true, false, true, true, true),   // a weight's gradient, by whether its sides are multiples of 4
		kernel.MatmulConstants(false, true, false, false, true, true),
		kernel.MatmulConstants(false, true, false, true, false, false),
		kernel.MatmulConstants(false, true, false, false, false, false),
	)},
	{"sgd_update", nil},
	{"split_sum", [][]uint32{{0}, {1}}}, // accumulate
	{"time_warp", nil},
}

// Variants lists every pipeline that an engine may create. Where constants follow from a model's size, the shapes that
// the benchmarks use stand for all. The command cmd/check compiles them all for GPUs that are not there and holds
// registers and instructions against a table, so a kernel belongs here as soon as it exists. Tests fail where a kernel of
// the catalogue is not listed, and where an engine makes a pipeline that is not.
func Variants() []Variant {
	var list []Variant
	for _, v := range variants {
		if v.constants == nil {
			list = append(list, Variant{Kernel: v.kernel})
		}
		for _, c := range v.constants {
			list = append(list, Variant{Kernel: v.kernel, Constants: c})
		}
	}
	return list
}
