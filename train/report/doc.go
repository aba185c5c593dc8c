// Package report shows the result of a run: pictures (PNG), tables for a terminal, and test_metrics.json.
//
//	History    training_history.png: loss, accuracy, F1 and AUC over the epochs, the best epoch marked
//	ROC        roc_curve.png: true against false positive rate, with the line of chance
//	Confusion  confusion_matrix.png: counts, and their share of the actual class
//	Test       test_metrics.json, and the final table
//	Model      the summary of the layers, as Keras prints it
//
// A number that is undefined (AUC with one class) is NaN in Go, null in JSON, "undefined" in tables and pictures.
// Nothing that is written holds a date or a path, so the same numbers give the same bytes.
package report
