// Package data is what models are trained on and asked about: windows, where they come from, and how they are divided and
// scaled.
//
//	data.npz X[N][T][F] y[N] ─ LoadNPZ → Dataset ─ SplitRandom, SplitGroup → Parts ─ Check: refused, or warned about
//	                                        │
//	                         FitScaling, on the training part alone → Scaling
//
//	.npz, .csv, .jsonl, a pipe ─ EachBatch → a few windows at a time      frames, line by line ─ StreamLines → Stream
//
// A Dataset keeps what was measured, NaN for a missing value; scaling, masks and augmentation happen in the engine, which is
// told the numbers. Without a file, Sample makes windows.
package data
