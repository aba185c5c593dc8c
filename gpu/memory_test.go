package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vklstm/gpu/internal/vk"
)

const GiB = 1 << 30

// The memory of real devices, as their drivers list it (vulkan.gpuinfo.org has the like of each).
var (
	// NVIDIA: 80 GiB of its own, the host's, and a window of 256 MiB.
	card = vk.Physical{Type: 2,
		Heaps: []vk.Heap{{Size: 80 * GiB, DeviceLocal: true}, {Size: 64 * GiB}, {Size: GiB / 4, DeviceLocal: true}},
		Types: []vk.MemoryType{
			{Heap: 1},
			{Heap: 0, DeviceLocal: true},
			{Heap: 1, HostVisible: true, Coherent: true},
			{Heap: 1, HostVisible: true, Coherent: true, Cached: true},
			{Heap: 2, DeviceLocal: true, HostVisible: true, Coherent: true},
		}}
	// AMD with a resizable BAR: all of the card is visible, and there are device-coherent types that need a feature.
	bar = vk.Physical{Type: 2,
		Heaps: []vk.Heap{{Size: 32 * GiB}, {Size: 16 * GiB, DeviceLocal: true}},
		Types: []vk.MemoryType{
			{Heap: 1, DeviceLocal: true},
			{Heap: 0, HostVisible: true, Coherent: true},
			{Heap: 1, DeviceLocal: true, HostVisible: true, Coherent: true},
			{Heap: 0, HostVisible: true, Coherent: true, Cached: true},
			{Heap: 1, DeviceLocal: true, Special: true},
			{Heap: 1, DeviceLocal: true, HostVisible: true, Coherent: true, Special: true},
		}}
	// Intel: one memory for both.
	integrated = vk.Physical{Type: 1,
		Heaps: []vk.Heap{{Size: 16 * GiB, DeviceLocal: true}},
		Types: []vk.MemoryType{
			{Heap: 0, DeviceLocal: true},
			{Heap: 0, DeviceLocal: true, HostVisible: true, Coherent: true},
			{Heap: 0, DeviceLocal: true, HostVisible: true, Coherent: true, Cached: true},
			{Heap: 0, DeviceLocal: true, HostVisible: true, Cached: true}, // not coherent
		}}
)

// TestMemoryTypes: buffers lie where the kernels are fast, staging where the host is, and never the other way round.
func TestMemoryTypes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		p       vk.Physical
		direct  bool
		use     purpose
		allowed uint32
		want    []uint32
	}{
		{"card, kernels", card, false, forKernels, ^uint32(0), []uint32{1, 4}},
		{"card, staging", card, false, forTransfer, ^uint32(0), []uint32{3, 2, 4}},
		{"card, the buffer allows less", card, false, forKernels, 1 << 4, []uint32{4}},
		{"BAR, kernels", bar, false, forKernels, ^uint32(0), []uint32{0, 2}},
		{"BAR, staging", bar, false, forTransfer, ^uint32(0), []uint32{3, 1, 2}},
		{"integrated, kernels", integrated, true, forKernels, ^uint32(0), []uint32{2, 1, 3, 0}},
		{"integrated, staging", integrated, true, forTransfer, ^uint32(0), []uint32{2, 1}},
		{"nothing fits", card, false, forKernels, 1 << 0, nil},
	} {
		d := &Device{physical: tc.p, direct: tc.direct}
		d.memory.init(d)
		if got := d.memory.candidates(tc.use, tc.allowed); !slices.Equal(got, tc.want) {
			t.Errorf("%s: types %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestCarve cuts spans out of a block and checks their place.
func TestCarve(t *testing.T) {
	b := &block{size: 1000, free: []span{{0, 100}, {150, 50}, {300, 700}}}
	for _, tc := range []struct {
		size, align uint64
		want        span
		ok          bool
	}{
		{60, 16, span{0, 60}, true},
		{40, 64, span{320, 40}, true}, // 64 + 40 exceeds 100, 192 + 40 exceeds 200
		{40, 1, span{60, 40}, true},
		{50, 50, span{150, 50}, true},
		{640, 1, span{360, 640}, true},
		{20, 1, span{300, 20}, true},
		{1, 1, span{}, false},
	} {
		got, ok := b.carve(tc.size, tc.align)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%d at multiples of %d: %v %t, want %v; free %v", tc.size, tc.align, got, ok, tc.want, b.free)
		}
	}
	if len(b.free) != 0 {
		t.Errorf("left: %v", b.free)
	}
}

// TestDescribe: what is said of a device, and why one cannot be used.
func TestDescribe(t *testing.T) {
	p := card
	p.Name, p.VendorID, p.API, p.DriverName, p.DriverTxt = "H100", 0x10DE, 1<<22|4<<12|303, "NVIDIA", "580.1"
	p.TimestampPeriod = 1
	p.Families = []vk.Family{{Graphics: true, Queues: 1}, {Compute: true, Queues: 8, TimestampBits: 64}}
	i := describe(3, p)
	if i.String() != "3: H100 (discrete GPU, 80.0 GiB, Vulkan 1.4.303, NVIDIA 580.1)" || i.Vendor != "NVIDIA" || i.Software || i.Problem != "" || i.Limits.TimestampPeriod != 1 || i.Limits.MaxAllocation != 80*GiB {
		t.Errorf("%v: %+v", i, i)
	}
	for _, tc := range []struct {
		vendor       uint32
		driver, text string
		registers    uint32
	}{
		{0x10DE, "NVIDIA", "580.1", 0}, {0x10DE, "NVK", "Mesa 26.1.6-1", 0}, {0x10DE, "NVK", "Mesa 25.0.7-2+deb13u1", 128},
		{0x1002, "radv", "Mesa 25.0.7-2+deb13u1", 0}, {0x8086, "Intel open-source Mesa driver", "Mesa 26.2.6-1", 128},
	} {
		q := p
		q.VendorID, q.DriverName, q.DriverTxt = tc.vendor, tc.driver, tc.text
		if n := describe(0, q).Limits.LaneRegisters; n != tc.registers {
			t.Errorf("%s %s: %d registers of a lane, want %d", tc.driver, tc.text, n, tc.registers)
		}
	}
	if f, ok := computeFamily(p); f != 1 || !ok {
		t.Errorf("family %d", f)
	}
	for words, change := range map[string]func(*vk.Physical){
		"1.1 or newer":     func(p *vk.Physical) { p.API = 1 << 22 },
		"no queue":         func(p *vk.Physical) { p.Families = p.Families[:1] },
		"it has no memory": func(p *vk.Physical) { p.Types = nil },
	} {
		q := p
		change(&q)
		if got := describe(0, q).Problem; !strings.Contains(got, words) {
			t.Errorf("problem %q, want %q", got, words)
		}
	}
	p.TimestampPeriod = float32(math.Inf(1)) // RADV without hardware
	p.Type, p.VendorID, p.DriverName, p.DriverTxt, p.MaxAllocationSize = 4, 0x1234, "", "", GiB
	if i := describe(0, p); i.Limits.TimestampPeriod != 0 || !i.Software || i.Vendor != "vendor 0x1234" || i.Driver == "" || i.Limits.MaxAllocation != GiB {
		t.Errorf("%+v", i)
	}
}

func TestTranslate(t *testing.T) {
	for _, tc := range []struct{ in, want error }{
		{vk.DeviceLost, ErrDeviceLost},
		{vk.OutOfDeviceMemory, ErrOutOfMemory},
		{fmt.Errorf("map: %w", vk.OutOfHostMemory), ErrOutOfMemory},
		{vk.TooManyObjects, ErrOutOfMemory},
		{vk.Missing{What: "nothing there"}, ErrNoVulkan},
		{vk.ErrNoLayer, ErrNoLayer},
		{vk.Result(-3), vk.Result(-3)},
		{nil, nil},
	} {
		if got := translate(tc.in); !errors.Is(got, tc.want) {
			t.Errorf("%v: %v, want %v", tc.in, got, tc.want)
		}
	}
}

// TestEdges: a recording begins after everything before it and ends with its results visible to the host. Between
// submissions neither a software driver nor the older validation layers would miss these barriers.
func TestEdges(t *testing.T) {
	d := &Device{}
	r := d.NewRecording("edges")
	a := Buffer[uint32]{a: &allocation{d: d, handle: 7}, n: 3}
	r.Fill(a, 5)
	want := []uint64{vk.OpBarrier, vk.OpFill, 7, 0, 12, 5, vk.OpHostBarrier}
	if got := r.commands(); !slices.Equal(got, want) {
		t.Errorf("commands %v, want %v", got, want)
	}
}
