package vulkan

import (
	"slices"

	"vklstm/gpu/kernel"
	"vklstm/model"
)

// variants are the pipelines of each kernel: its sets of specialisation constants, by their ids from 0 on.
var variants = []struct {
	kernel    string
	constants [][]uint32
}{
	{"activation_backward", [][]uint32{{1}, {2}, {3}}}, // relu, sigmoid, tanh
	{"active_rows", nil},
	{"adam_update", nil},
	{"advance", nil},
	{"augment", nil},
	{"batch_moments", nil},
	{"batch_normalization_backward", nil},
	{"batch_normalization_forward", [][]uint32{{0}, {1}}}, // in training
	{"batch_normalization_sums", nil},
	{"column_sum", [][]uint32{{0}, {1}}},               // accumulate
	{"dense_backward", [][]uint32{{0}, {1}, {2}, {3}}}, // below an activation: linear, relu, sigmoid, tanh
	{"dense_forward", [][]uint32{{0}, {1}, {2}, {3}}},  // the same
	{"dropout", nil},
	{"gather", nil},
	{"gradient_norm", nil},
	{"gradient_scale", [][]uint32{{0}, {1}}}, // the largest of a part
	{"loss", nil},
	{"loss_categorical", nil},
	{"lstm_step_backward", kernel.StepBackwardConstants()},
	{"lstm_step_forward", kernel.StepForwardConstants()},
	{"mask", nil},
	{"merge_backward", [][]uint32{{0}, {1}, {2}}}, // sum, average, product
	{"merge_forward", [][]uint32{{0}, {1}, {2}}},
	{"move_moments", nil},
	{"resident_input", nil},
	{"resident_update", [][]uint32{{kernel.GradientOnly}, {kernel.WithAdam}, {kernel.WithSGD}}},
	{"sgd_update", nil},
	{"split_sum", [][]uint32{{0}, {1}}}, // accumulate
	{"time_warp", nil},
}

// matmulVariants are the forms of the products of float32 that an engine takes.
var matmulVariants = []kernel.MatmulVariant{
	// x·kernel + bias, where the features are any number, and where they are a multiple of 4
	{FoursB: true, FoursC: true},
	{FoursA: true, FoursB: true, FoursC: true},
	// a weight's gradient, by whether its sides are multiples of 4
	{TransposeA: true, FoursA: true, FoursB: true, FoursC: true},
	{TransposeA: true, FoursB: true, FoursC: true},
	{TransposeA: true, FoursA: true},
	{TransposeA: true},
	// dz·kernelᵀ, for the layer below, by whether its units are a multiple of 4
	{TransposeB: true, FoursA: true, FoursB: true, FoursC: true},
	{TransposeB: true, FoursA: true, FoursB: true},
}

// oneLayer is the Chain of one LSTM of one direction.
func oneLayer(t, f, h, d int) model.Chain {
	return model.Dims{T: t, F: f, H: h, D: d}.Chain()
}

// residentVariants are the pipelines of the resident path on a device: at the production shape with every number of lanes that
// may share a sum, and at the ends of what choosePath takes the path for, where registers are fullest.
func residentVariants(info Info) []Variant {
	var list []Variant
	add := func(name string, constants []uint32) {
		v := Variant{Kernel: name, Constants: constants}
		if !slices.ContainsFunc(list, func(w Variant) bool { return w.String() == v.String() }) { // lanes, for one, are no constant of all
			list = append(list, v)
		}
	}
	direction := func(h, lanes int) {
		w, err := newWorkgroups(h, info, Tuning{Lanes: lanes})
		if err != nil || w.doubt(info) != "" {
			return
		}
		both := kernel.ResidentDirection{HP: w.hp}
		add("resident_direction_backward", kernel.ResidentDirectionBackward{ResidentDirection: both, LG: w.lanes}.Constants())
		for _, train := range []bool{true, false} {
			for _, relu := range []bool{false, true} {
				add("resident_direction_forward", kernel.ResidentDirectionForward{ResidentDirection: both, Train: train, Relu: relu}.Constants())
			}
		}
	}
	network := func(h, f, lanes int) bool {
		r, err := newResident(site{info: info, chain: oneLayer(60, f, h, 32)}, Tuning{Lanes: lanes})
		if err != nil || r.doubt() != "" {
			return false
		}
		for _, train := range []bool{true, false} {
			add("resident_lstm", kernel.ResidentLSTM{ResidentNet: r.ResidentNet, LG: r.lanes, Train: train}.Constants())
		}
		add("resident_weight", kernel.ResidentWeight{ResidentNet: r.ResidentNet}.Constants())
		return true
	}
	const features, most = 6, 256
	for _, lanes := range []int{4, 8, 16} {
		direction(64, lanes)
		network(64, features, lanes)
	}
	_, units, _ := registers(info, 0)
	for _, h := range slices.Compact([]int{10, 64, min(96, units), units}) {
		direction(h, 0)
		network(h, features, 0)
		for f := most; f > 0 && !network(h, f, 0); f-- { // the widest input that it is taken for
		}
	}
	return list
}

// Variants lists every pipeline that an engine may create on a device. Where constants follow from a model's size, a few
// sizes stand for all: the largest above all. The command cmd/check compiles them for GPUs that are not there and holds
// registers and instructions against a table, so a kernel belongs here as soon as it exists. Tests fail where a kernel of
// the catalogue is not listed, and where an engine makes a pipeline that is not.
func Variants(info Info) []Variant {
	var list []Variant
	for _, v := range variants {
		if v.constants == nil {
			list = append(list, Variant{Kernel: v.kernel})
		}
		for _, c := range v.constants {
			list = append(list, Variant{Kernel: v.kernel, Constants: c})
		}
	}
	for _, form := range matmulVariants {
		for _, c := range form.Constants(info.Limits) {
			list = append(list, Variant{Kernel: "matmul", Constants: c})
		}
	}
	for _, name := range []string{"lstm_step_backward_half", "lstm_step_forward_half", "matmul_half"} {
		for _, c := range kernel.HalfConstants(info.Limits) {
			list = append(list, Variant{Kernel: name, Constants: c})
		}
	}
	return append(list, residentVariants(info)...)
}
