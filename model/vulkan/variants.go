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
	{"resident_input", nil},
	{"resident_lstm", residentConstants(func(n kernel.ResidentNet, lanes int, train bool) []uint32 {
		return kernel.ResidentLSTM{ResidentNet: n, LG: lanes, Train: train}.Constants()
	})},
	{"resident_update", [][]uint32{{kernel.GradientOnly}, {kernel.WithAdam}, {kernel.WithSGD}}},
	{"resident_weight", residentConstants(func(n kernel.ResidentNet, lanes int, train bool) []uint32 {
		if lanes != 16 || !train {
			return nil // neither is a constant of its
		}
		return kernel.ResidentWeight{ResidentNet: n}.Constants()
	})},
	{"sgd_update", nil},
	{"split_sum", [][]uint32{{0}, {1}}}, // accumulate
	{"time_warp", nil},
}

// residentConstants are the constants of a kernel of the resident path: at the production shape for every number of lanes that
// share a sum, and the ends of what its registers are asked to hold, where AMD's subgroups let 16 lanes share. Above 64 units the path
// is taken on RDNA alone (wellCounted), and GCN, which the table holds too, would spill.
func residentConstants(of func(n kernel.ResidentNet, lanes int, train bool) []uint32) (list [][]uint32) {
	for _, s := range []struct{ H, F, HP, lanes int }{
		{64, 6, 64, 4}, {64, 6, 64, 8}, {64, 6, 64, 16}, {64, 51, 64, 16}, {10, 6, 16, 16}, {32, 34, 32, 16},
	} {
		for _, train := range []bool{true, false} {
			if c := of(kernel.ResidentNet{H: s.H, F: s.F, D: 32, HP: s.HP}, s.lanes, train); c != nil {
				list = append(list, c)
			}
		}
	}
	return list
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
