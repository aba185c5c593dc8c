// Package crossval trains many models of one data set to find out how good a setting is.
//
//	Dataset ─ Stratified, ByRank, Given → Folds ─ Parts: training, inner validation, test of each fold
//	                                        │
//	             pool.Each → train.Pool: folds × series × members side by side, each as it would train alone
//	                                        │
//	        Series: one out-of-fold probability per window and series → Report, with intervals over groups
//
// A group (recording, person) is never on both sides. Folds are those of scikit-learn's StratifiedGroupKFold, without groups
// those of its StratifiedKFold; all metrics equal scikit-learn's on the probabilities that are saved.
package crossval
