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
	{"gradient_scale", [][]uint32{{0}, {1}}}, // the largest of a part
	{"loss", nil},
	{"lstm_step_backward", kernel.StepBackwardConstants()},
	{"lstm_step_forward", kernel.StepForwardConstants()},
	{"mask", nil},
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
	return model.Chain{T: t, F: f, LSTMs: []model.Recurrent{{In: f, Units: h}}, D: d}
}

// residentVariants are the pipelines of the resident path on a device: at the production shape with every number of lanes that
// may share a sum, and at the ends of what choosePath takes the path for, where registers are fullest.
func residentVariants(info Info) []Variant {
	var list []Variant
	add := func(r resident) {
		for _, train := range []bool{true, false} {
			list = append(list, Variant{Kernel: "resident_lstm", Constants: kernel.ResidentLSTM{ResidentNet: r.ResidentNet, LG: r.lanes, Train: train}.Constants()})
		}
		weight := Variant{Kernel: "resident_weight", Constants: kernel.ResidentWeight{ResidentNet: r.ResidentNet}.Constants()}
		if !slices.ContainsFunc(list, func(v Variant) bool { return v.String() == weight.String() }) { // lanes are no constant of it
			list = append(list, weight)
		}
	}
	walk := func(h, lanes int) {
		w, err := newWalker(h, info, Tuning{Lanes: lanes})
		if err != nil || w.wellCounted(h, info) != "" {
			return
		}
		both := kernel.ResidentDirection{HP: w.hp}
		variants := []Variant{{Kernel: "resident_direction_backward", Constants: kernel.ResidentDirectionBackward{ResidentDirection: both, LG: w.lanes}.Constants()}}
		if lanes == 0 {
			for _, train := range []bool{true, false} {
				variants = append(variants, Variant{Kernel: "resident_direction_forward", Constants: kernel.ResidentDirectionForward{ResidentDirection: both, Train: train}.Constants()})
			}
		}
		for _, v := range variants {
			if !slices.ContainsFunc(list, func(w Variant) bool { return w.String() == v.String() }) {
				list = append(list, v)
			}
		}
	}
	plan := func(h, f, lanes int) (resident, bool) {
		r, err := newResident(oneLayer(60, f, h, 32), info, Tuning{Lanes: lanes})
		return r, err == nil && r.wellCounted(info) == ""
	}
	const features = 6
	for _, lanes := range []int{4, 8, 16} {
		walk(64, lanes)
		if r, ok := plan(64, features, lanes); ok {
			add(r)
		}
	}
	_, units, _ := registers(info, 0)
	for _, h := range slices.Compact([]int{10, 64, min(96, units), units}) {
		walk(h, 0)
		most := 0
		for f := 1; f <= 256; f++ {
			if _, ok := plan(h, f, 0); ok {
				most = f
			}
		}
		for _, f := range []int{features, most} {
			if r, ok := plan(h, f, 0); ok && f > 0 && (h != 64 || f != features) {
				add(r)
			}
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
