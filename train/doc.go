// Package train trains and judges sequence classifiers: from a file of windows to a checkpoint, on whatever engine
// package model's interface hides.
//
//	data.npz X[N][T][F] y[N] ─ LoadNPZ → Dataset ─ SplitRandom, SplitGroup → Parts ─ Check: refused, or warned about
//	                                        │                                  │
//	                                        │     FitScaling, on the training part alone
//	                                        ▼                                  ▼
//	                            the engine's Load, once            order of windows, an epoch at a time
//	                                        └───────────────┬──────────────────┘
//	                                 one probability per window → ComputeMetrics → callbacks → checkpoint
//
// Models train side by side: a Pool holds the runs of several configurations on one engine, and LSTM is a pool of one.
//
// The Dataset keeps what was measured, NaN for a missing value; scaling, masks and augmentation happen in the
// engine, which is told the numbers. Without a file, Sample makes windows to train on.
package train
