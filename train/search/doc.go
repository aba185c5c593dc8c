// Package search looks for the settings of a training that do best on the validation part.
//
//	--try lr=1e-4:1e-2:log, a YAML ─ ParseTry, ReadSpace → Space ─ Grid, Random → trials: settings by flag name
//	                                                                   │
//	     rung 0: every trial to MinEpochs ─ the best 1/Reduction → rung 1: to MinEpochs·Reduction → … → all epochs
//	                                                                   │
//	              SQLite: results, histories and weights of each rung, a transaction for what was trained together
//	                                                                   │
//	                          the winner, by mean validation F1 over its seeds → the test part, once
//
// Successive halving by epochs (Jamieson, Talwalkar 2016, arXiv 1502.07943, figure 3) is synchronous: a rung is whole
// before its best trials go on, so that what is trained never depends on how long anything takes, unlike the
// asynchronous promotions of ASHA (Li et al. 2018, arXiv 1810.05934), whose rungs and reduction it has.
//
// A trial's settings are a pure function of (seed, space, trial), and its training of its settings and seeds; engines
// give the same bits whatever is trained side by side. So a search that was killed and started again ends with the
// table of one that was left alone.
package search
