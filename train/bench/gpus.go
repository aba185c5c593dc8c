package bench

import "strings"

// GPU is what is known of a graphics card without having it.
type GPU struct {
	Name        string
	TFLOPS      float64 // float32 on the ordinary cores, at the boost clock the maker gives
	GBs         float64 // memory
	Processors  int     // multiprocessors (NVIDIA), workgroup processors or compute units (AMD), Xe cores (Intel)
	Subgroup    int     // lanes that the driver gives compute shaders
	MemoryGB    float64
	SharedBytes int // of a workgroup, by Vulkan's limit
}

// gpus are makers' figures: NVIDIA's H100 and A100 data sheets and Ada, Ampere white papers; AMD's and Intel's product
// pages. TFLOPS is 2 × lanes × boost clock; AMD's RDNA 3 counts its dual issue, which compilers seldom reach, so here it
// is left out (half of what the maker prints).
var gpus = []GPU{
	{"H200", 66.9, 4800, 132, 32, 141, 49152},
	{"H100 PCIe", 51.2, 2039, 114, 32, 80, 49152},
	{"H100", 66.9, 3352, 132, 32, 80, 49152},
	{"A100", 19.5, 1555, 108, 32, 40, 49152},
	{"RTX 4090", 82.6, 1008, 128, 32, 24, 49152},
	{"RTX 4070", 29.1, 504, 46, 32, 12, 49152},
	{"RTX 3090", 35.6, 936, 82, 32, 24, 49152},
	{"RTX 3060", 12.7, 360, 28, 32, 12, 49152},
	{"RX 7900 XTX", 30.7, 960, 96, 64, 24, 65536},
	{"RX 6800", 16.2, 512, 60, 64, 16, 65536},
	{"RX 580", 6.2, 256, 36, 64, 8, 65536},
	{"Arc A770", 19.7, 560, 32, 16, 16, 65536},
}

// GPUs lists the known cards.
func GPUs() []GPU { return gpus }

// FindGPU finds a card by a driver's or a user's name for it: the first whose name is a part of it, in any case.
func FindGPU(name string) (GPU, bool) {
	name = strings.ToLower(name)
	for _, g := range gpus {
		if strings.Contains(name, strings.ToLower(g.Name)) {
			return g, true
		}
	}
	return GPU{}, false
}

// Peak is the card's peak.
func (g GPU) Peak() Peak {
	return Peak{GFLOPS: 1000 * g.TFLOPS, GBs: g.GBs, About: "the maker's figures for the " + g.Name}
}
