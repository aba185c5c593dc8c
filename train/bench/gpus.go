package bench

import (
	"strings"

	"vklstm/model/vulkan"
)

// GPU is what is known of a graphics card without having it.
type GPU struct {
	Name        string
	TFLOPS      float64 // float32 on the ordinary cores, at the boost clock the maker gives
	Half        float64 // the same for products of float16 added up in float32 on matrix units, dense; 0: there are none
	Matrix      [3]int  // rows, columns and depth of the matrices that those units take
	GBs         float64 // memory
	Processors  int     // multiprocessors (NVIDIA), compute units (AMD), Xe cores (Intel)
	Subgroup    [3]int  // lanes: the usual subgroup, the smallest and the largest that a kernel may ask for
	MemoryGB    float64
	SharedBytes int    // of a workgroup, by Vulkan's limit
	Source      string // where the figures come from
}

// The sources of gpus.
const (
	nvidia = "by NVIDIA's data sheet"
	amd    = "by AMD's product page"
	intel  = "by Intel's product page"
)

// gpus are makers' figures at the boost clock: 2 × lanes × clock. RDNA 3's page counts two operations a lane and cycle,
// which compilers seldom reach: here it is half of what the page says.
var gpus = []GPU{
	{"H200", 66.9, 989, [3]int{16, 16, 16}, 4800, 132, [3]int{32, 32, 32}, 141, 49152, nvidia + " (SXM)"},
	{"H100 PCIe", 51.2, 756, [3]int{16, 16, 16}, 2039, 114, [3]int{32, 32, 32}, 80, 49152, nvidia},
	{"H100", 66.9, 989, [3]int{16, 16, 16}, 3352, 132, [3]int{32, 32, 32}, 80, 49152, nvidia + " (SXM)"},
	{"A100", 19.5, 312, [3]int{16, 16, 16}, 1555, 108, [3]int{32, 32, 32}, 40, 49152, nvidia + " (40 GB)"},
	{"RTX 4090", 82.6, 165, [3]int{16, 16, 16}, 1008, 128, [3]int{32, 32, 32}, 24, 49152, nvidia},
	{"RTX 4070", 29.1, 58.3, [3]int{16, 16, 16}, 504, 46, [3]int{32, 32, 32}, 12, 49152, nvidia},
	{"RTX 3090", 35.6, 71.2, [3]int{16, 16, 16}, 936, 82, [3]int{32, 32, 32}, 24, 49152, nvidia},
	{"RTX 3060", 12.7, 25.5, [3]int{16, 16, 16}, 360, 28, [3]int{32, 32, 32}, 12, 49152, nvidia},
	{"RX 7900 XTX", 30.7, 123, [3]int{16, 16, 16}, 960, 96, [3]int{64, 32, 64}, 24, 65536, amd + ", without dual issue"},
	{"RX 6800", 16.2, 0, [3]int{}, 512, 60, [3]int{64, 32, 64}, 16, 65536, amd},
	{"RX 580", 6.2, 0, [3]int{}, 256, 36, [3]int{64, 64, 64}, 8, 65536, amd},
	{"Arc A770", 19.7, 157, [3]int{8, 8, 16}, 560, 32, [3]int{32, 8, 32}, 16, 65536, intel},
}

// GPUs lists the known cards.
func GPUs() []GPU { return gpus }

// FindGPU finds a card by a driver's or a user's name for it, in any case: the first whose name is a part of it, else the
// first of whose name it is a part.
func FindGPU(name string) (GPU, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, g := range gpus {
		if strings.Contains(name, strings.ToLower(g.Name)) {
			return g, true
		}
	}
	for _, g := range gpus {
		if name != "" && strings.Contains(strings.ToLower(g.Name), name) {
			return g, true
		}
	}
	return GPU{}, false
}

// Peak is the card's peak.
func (g GPU) Peak() Peak {
	return Peak{GFLOPS: 1000 * g.TFLOPS, Half: 1000 * g.Half, GBs: g.GBs, About: g.Name + " " + g.Source}
}

func (g GPU) vendor() string {
	switch {
	case strings.HasPrefix(g.Source, amd):
		return "AMD"
	case strings.HasPrefix(g.Source, intel):
		return "Intel"
	}
	return "NVIDIA"
}

// info is the card as a Vulkan driver would describe it. Limits that matter to the engines' choices are the card's; the
// others are what all current drivers of discrete cards allow.
func (g GPU) info() vulkan.Info {
	memory := uint64(g.MemoryGB * 1e9)
	registers := uint32(0)
	if g.vendor() == "Intel" {
		registers = 128 // as package gpu says of the real one
	}
	return vulkan.Info{
		Name: g.Name, Vendor: g.vendor(), Type: "discrete GPU", Driver: "simulated", API: "1.3.0", Memory: memory,
		Limits: vulkan.Limits{
			MaxWorkgroupCount: [3]uint32{65535, 65535, 65535}, MaxInvocations: 1024, MaxWorkgroupSizeX: 1024, SharedMemory: uint32(g.SharedBytes),
			PushConstants: 128, StorageBuffers: 64, StorageRange: 1<<32 - 1, OffsetAlignment: 64,
			SubgroupSize: uint32(g.Subgroup[0]), SubgroupSmallest: uint32(g.Subgroup[1]), SubgroupLargest: uint32(g.Subgroup[2]), SubgroupOps: 0xff,
			HalfMatrix:      [3]uint32{uint32(g.Matrix[0]), uint32(g.Matrix[1]), uint32(g.Matrix[2])},
			Multiprocessors: uint32(g.Processors), LaneRegisters: registers, MaxAllocation: min(memory, 1<<32-1),
		},
	}
}
