package reference_test

import (
	"fmt"

	"vklstm/model"
	"vklstm/model/reference"
)

// A network with one unit of everything, and a window of two steps, the second of them masked.
func Example() {
	n, err := reference.NewNetwork(model.Classifier(2, 1, 1, 0, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	params := make([]float64, n.Layout.Size)
	for i := range params {
		params[i] = 0.5
	}
	x := []float64{1, 0}
	r := n.Gradient(params, model.Focal(), reference.Batch{X: x, Mask: reference.Mask(x, n.F), Y: []float64{1}}, reference.Draw{})
	fmt.Printf("P(y = 1) %.6f, loss %.6f, gradient by x %.6f\n", r.Pass.Probability[0], r.Mean, r.DX)
	// Output: P(y = 1) 0.698971, loss 0.008114, gradient by x [-0.000790 0.000000]
}
