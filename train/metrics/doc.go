// Package metrics says how well probabilities tell the classes apart.
//
//	Confusion, Compute, AUC, ROC   counts and scores of labels y[N] and probabilities p[N]
//	ThresholdRule.Choose           a decision threshold by the validation part
//	ScoreEvents                    the same of recordings, and false alarms an hour
//	Bootstrap, Uncertainty         how far scores reach when persons are drawn anew
//
// Scores equal scikit-learn's. A number that is undefined, such as AUC with one class, is NaN, and null in JSON.
package metrics
