package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Number is a float64 that is null in JSON when it is NaN or infinite: undefined is said, never made up.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON implements json.Unmarshaler: null is NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Text returns the number with the given decimals, or "undefined".
func (n Number) Text(decimals int) string {
	if math.IsNaN(float64(n)) {
		return "undefined"
	}
	return fmt.Sprintf("%.*f", decimals, float64(n))
}

// Test is the result on windows that took no part in training, at a model's threshold: test_metrics.json.
type Test struct {
	Title     string    `json:"-"` // of the table; empty: "Test set"
	Accuracy  Number    `json:"-"` // share of windows that are classified rightly; the file leaves it to the matrix
	Precision Number    `json:"precision"`
	Recall    Number    `json:"recall"`
	F1        Number    `json:"f1"`
	AUC       Number    `json:"roc_auc"` // null when one class is missing
	Confusion Confusion `json:"confusion_matrix"`
	Samples   int       `json:"n_samples"`

	Threshold float64  `json:"threshold"`         // above which, strictly, a probability counts as positive
	Classes   []string `json:"classes,omitempty"` // names of the negative and of the positive class, where they have some
}

// WriteJSON writes t as indented JSON.
func (t Test) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encode test metrics: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
