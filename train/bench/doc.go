// Package bench measures training and prediction in the way of the peers' script: the same windows, labels, weights
// and initial parameters, bit for bit (numpy's generator is here), the same work in a step, the same numbers under the
// same names. Ratios of the two therefore compare programs, not workloads.
//
//	w := bench.Workload{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 1000, Mask: bench.MaskHoles, Dropout: 0.3}
//	result, err := bench.Run(ctx, device.NewEngine, w)
//
// A step is forward, dropout, weighted focal loss, backward and Adam. An epoch is shuffled batches of all windows,
// without evaluation: the median, least and most of five after two that warm up. Result.Check is the mean probability
// of all windows after ten steps on the first batch; without dropout it must be that of the peers.
//
// The rates beside the times follow from counted operations (Workload.StepFlop, …), and their share of the device's
// peak from Peak: measured in place for this machine's cores and memory, looked up for GPUs.
package bench
