// Package train trains sequence classifiers: from a Config to a model, its history and its files, on whatever engine package
// model's interface hides.
//
//	Config ─ LoadData → data.Dataset ─ data.SplitRandom, SplitGroup → parts ─ data.FitScaling
//	   │                     ▼                                          ▼
//	   │        the engine's Load, once              plan: order of windows, an epoch at a time
//	   ▼                     └────────────────┬─────────────────────────┘
//	LSTM  ── Pool.Train (fit.go) ── for each epoch: plan → engine → scores → keep the best → callbacks → stop?
//
// What ends a run is listed with the constants of Stop (run.go).
//
// Models train side by side: a Pool holds the runs of several configurations on one engine, and LSTM is a pool of one.
//
// The rooms below it: saved (a model in files), device (what makes engines), data (windows), report (pictures and tables),
// progress (the log), metrics (scores). Those above: pool shares models out, crossval and search are its callers.
package train
