package bench

import (
	"strings"
	"testing"
)

const peerLines = `{"peer": "jax", "threads": 2, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "check": 0.4, "epoch_s": {"median": 0.3, "min": 0.2, "max": 0.9}, "step_us": 800, "infer1_us": 300, "infer1000_us": 100, "note": "a"}

{"peer": "torch", "threads": 2, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "check": [0.4, 0.5], "epoch_s": {"median": 0.5, "min": 0.4, "max": 0.6}, "step_us": 900, "infer1_us": 100, "infer1000_us": 200, "note": ""}
{"peer": "jax", "threads": 2, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "check": 0.4, "epoch_s": {"median": 0.1, "min": 0.08, "max": 0.3}, "step_us": 400, "infer1_us": 100, "infer1000_us": 300, "note": "a"}
{"peer": "jax", "threads": 1, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "epoch_s": {"median": 7, "min": 7, "max": 7}, "note": "a"}
{"peer": "jax", "threads": 2, "mask": "holes", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "epoch_s": {"median": 8, "min": 7, "max": 9}, "note": "a"}
{"peer": "jax", "threads": 2, "mask": "none", "shape": {"batch": 64, "time": 60, "features": 6, "units": 64, "windows": 1000}, "epoch_s": {"median": 9, "min": 9, "max": 9}, "note": "a"}
{"peer": "torch-cudagraph", "threads": 2, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "skipped": "a CUDA graph needs --device cuda"}
{"peer": "onnxruntime", "threads": 2, "mask": "none", "shape": {"batch": 32, "time": 60, "features": 6, "units": 64, "windows": 1000}, "infer1_us": 50, "infer1000_us": 40, "note": "inference only"}
`

func TestCompare(t *testing.T) {
	peers, err := ReadPeers(strings.NewReader(peerLines), "peers")
	if err != nil {
		t.Fatal(err)
	}
	if len(peers) != 7 {
		t.Errorf("%d results, want 7: the skipped one is none", len(peers))
	}
	if peers[0].Check != 0.4 || peers[1].Check != 0 {
		t.Errorf("checks %v and %v, want 0.4 and, for a list, 0", peers[0].Check, peers[1].Check)
	}
	ours := Result{Threads: 2, Mask: MaskNone, Shape: Shape{32, 60, 6, 64, 1000}, EpochS: Spread{Median: 0.05}, StepUS: 200, Infer1US: 50, Infer1000US: 20}
	list := Compare(ours, peers)
	if len(list) != 3 {
		t.Fatalf("%d peers, want jax, torch and onnxruntime: %+v", len(list), list)
	}
	jax, torch, onnx := list[0], list[1], list[2]
	if jax.Runs != 2 || jax.EpochS != (Spread{0.2, 0.08, 0.9}) || jax.EpochRatio != 4 || jax.StepRatio != 3 || jax.Infer1Ratio != 4 || jax.Infer1000Ratio != 10 {
		t.Errorf("jax, two runs: %+v", jax)
	}
	if torch.EpochRatio != 10 || !jax.Fastest || torch.Fastest || onnx.Fastest {
		t.Errorf("torch: %+v, jax: %+v; jax is the fastest", torch, jax)
	}
	if onnx.EpochRatio != 0 || onnx.StepRatio != 0 || onnx.Infer1Ratio != 1 {
		t.Errorf("onnxruntime trains nothing, so it has no such ratio: %+v", onnx)
	}
}

func TestPeersErrors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"{\"peer\": \"a\"}\nTraceback", "f, line 2: it is not a result as peers.py prints them"},
		{"{}", `f, line 1: it has no "peer"; give lines that peers.py printed`},
		{`{"peer": "a", "epoch_s": {"median": 1e308}}`, "f, line 1: a time of 1e+308 is none"},
		{`{"peer": "a", "step_us": -1}`, "f, line 1: a time of -1 is none"},
	} {
		if _, err := ReadPeers(strings.NewReader(tc.in), "f"); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %s", tc.in, err, tc.want)
		}
	}
}

func TestRoofline(t *testing.T) {
	p := Peak{GFLOPS: 100, Half: 400, GBs: 10}
	for _, tc := range []struct {
		row   Row
		share float64
		bound string
	}{
		{Row{Wall: 1000, Flop: 5e4, Bytes: 10}, 0.5, BoundCompute},            // 500 ns of operations, 1 of bytes
		{Row{Wall: 1000, Flop: 100, Bytes: 2500}, 0.25, BoundMemory},          // 1 and 250
		{Row{Wall: 9e9, Device: 1000, Bytes: 2500}, 0.25, BoundMemory},        // the device's time counts
		{Row{Name: "matmul_half", Wall: 1000, Flop: 1e5}, 0.25, BoundCompute}, // float16 has a peak of its own
		{Row{Wall: 1000}, 0, ""}, // nothing was counted
		{Row{Flop: 5e4}, 0, ""},  // nothing was measured
	} {
		if share, bound := tc.row.Roofline(p); share != tc.share || bound != tc.bound {
			t.Errorf("%+v: %v of %q, want %v of %q", tc.row, share, bound, tc.share, tc.bound)
		}
	}
	if _, bound := (Row{Wall: 1000, Flop: 5e4, Bytes: 10}).Roofline(Peak{}); bound != "" {
		t.Errorf("without a peak there is a bound: %q", bound)
	}
}
