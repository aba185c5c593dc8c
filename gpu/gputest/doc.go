// Package gputest is what every test on a device starts with.
//
// Device opens one device per test process, the one that VKLSTM_DEVICE names, else
// the first software driver, else any. The validation layer watches it with
// synchronisation validation where it is installed, and a message fails the test
// that was running. Without a device, tests skip and say so; with
// VKLSTM_REQUIRE_DEVICE=1 they fail, and so they do without the layer.
//
// Near compares what a kernel computed with the float64 reference.
//
//	func TestScale(t *testing.T) {
//		d := gputest.Device(t)
//		…
//		gputest.Near(t, "y[B][H]", got, want, 4*0x1p-24, B, H)
//	}
package gputest
