package main

import (
	"os"
	"strings"
	"testing"

	"vklstm/model/vulkan"
)

// TestStatistics: devices --kernels has a line for every pipeline, where the driver tells anything. RADV does, for which
// cmd/check runs this test without a GPU.
func TestStatistics(t *testing.T) {
	device := vulkanDevice()
	if os.Getenv("RADV_FORCE_FAMILY") != "" {
		device = "0"
	} else if device == "" {
		device = "no such device"
	}
	r := vklstm(t, t.TempDir(), "devices", "--kernels", device)
	if r.status == 1 && r.out == "" && strings.Count(r.errout, "\n") == 1 && os.Getenv("RADV_FORCE_FAMILY") == "" {
		return // one sentence says why there is nothing to tell
	}
	if r.status != 0 {
		t.Fatalf("status %d\n%s%s", r.status, r.out, r.errout)
	}
	if os.Getenv("RADV_FORCE_FAMILY") == "" {
		return // what there is to list depends on the device
	}
	infos, err := vulkan.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vulkan.Variants(infos[0]) {
		if !strings.Contains(r.out, "\n"+v.String()+", ") && !strings.Contains(r.out, "\n"+v.String()+": ") {
			t.Errorf("there is no line for %s:\n%s", v, r.out)
		}
	}
	if !strings.Contains(r.out, "Instructions ") || strings.Contains(r.out, "Hash") {
		t.Errorf("instructions are not counted, or hashes are shown:\n%s", r.out)
	}
}

func TestUnits(t *testing.T) {
	for _, tc := range []struct {
		smallest, largest, multiprocessors uint32
		want                               string
	}{
		{0, 0, 0, "full subgroups are not promised; how many multiprocessors there are is not said"},
		{32, 32, 132, "full subgroups of 32 lanes, 132 multiprocessors"},
		{8, 32, 0, "full subgroups of 8 to 32 lanes; how many multiprocessors there are is not said"},
	} {
		if got := units(vulkan.Limits{SubgroupSmallest: tc.smallest, SubgroupLargest: tc.largest, Multiprocessors: tc.multiprocessors}); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
