package gpu_test

import (
	"errors"
	"strings"
	"testing"

	"vklstm/gpu"
)

func TestChoose(t *testing.T) {
	const GiB = 1 << 30
	soft := gpu.Info{Name: "llvmpipe (LLVM 15.0.6, 256 bits)", Type: "software", Memory: 64 * GiB, Software: true}
	intel := gpu.Info{Name: "Intel(R) Iris(R) Xe Graphics (TGL GT2)", Type: "integrated GPU", Memory: 16 * GiB}
	virtual := gpu.Info{Name: "Virtio-GPU Venus", Type: "virtual GPU", Memory: 32 * GiB}
	small := gpu.Info{Name: "NVIDIA GeForce GTX 1650", Type: "discrete GPU", Memory: 4 * GiB}
	large := gpu.Info{Name: "NVIDIA H100 80GB HBM3", Type: "discrete GPU", Memory: 80 * GiB}
	broken := gpu.Info{Name: "Null hardware (RADV NAVI21)", Type: "discrete GPU", Problem: "it has no memory"}
	odd := gpu.Info{Name: "Odd", Type: "other", Memory: 8 * GiB}
	number := func(list ...gpu.Info) []gpu.Info {
		for k := range list {
			list[k].Index = k
		}
		return list
	}
	for _, tc := range []struct {
		name  string
		infos []gpu.Info
		want  string
		index int    // −1: ErrNoDevice
		words string // of the reason or the error
	}{
		{"discrete before integrated", number(soft, intel, small), "auto", 2, "best of 2"},
		{"more memory", number(small, large), "", 1, "best of 2"},
		{"equal: the first", number(small, small), "auto", 0, "best of 2"},
		{"integrated before virtual", number(virtual, intel), "AUTO", 1, "best of 2"},
		{"one", number(soft, intel), "auto", 1, "only GPU"},
		{"never software", number(soft), "auto", -1, "no software driver"},
		{"never an unknown kind", number(odd), "auto", -1, "no usable GPU"},
		{"never a broken one", number(broken, virtual), "auto", 1, "only GPU"},
		{"none at all", nil, "auto", -1, "no devices"},
		{"by index", number(soft, intel), "0", 0, "index"},
		{"index too large", number(soft, intel), "2", -1, `known are 0 "llvmpipe`},
		{"negative index", number(soft), "-1", -1, "known are"},
		{"part of a name", number(soft, intel, small), "gtx", 2, "name"},
		{"part of a software name", number(soft, intel, small), "LLVMpipe", 0, "name"},
		{"ambiguous", number(small, large), "nvidia", -1, `give one of the indices of 0 "NVIDIA GeForce GTX 1650" (discrete GPU), 1 "NVIDIA H100`},
		{"whole name before parts", number(gpu.Info{Name: "GPU 12", Type: "discrete GPU"}, gpu.Info{Name: "GPU 1", Type: "discrete GPU"}), "gpu 1", 1, "name"},
		{"unknown", number(soft, intel), "radeon", -1, `known are 0 "llvmpipe (LLVM 15.0.6, 256 bits)" (software), 1 "Intel`},
		{"broken by name", number(broken), "navi", -1, "cannot be used, because it has no memory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, reason, err := gpu.Choose(tc.infos, tc.want)
			if tc.index < 0 {
				if !errors.Is(err, gpu.ErrNoDevice) || !strings.Contains(err.Error(), tc.words) {
					t.Fatalf("error %v; want ErrNoDevice with %q", err, tc.words)
				}
				return
			}
			if err != nil || got != tc.infos[tc.index] {
				t.Fatalf("%v, %v; want device %d", got, err, tc.index)
			}
			if !strings.Contains(reason, tc.words) {
				t.Errorf("reason %q lacks %q", reason, tc.words)
			}
		})
	}
}
