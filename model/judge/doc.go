// Package judge judges what computes the network by numbers that Keras computed.
//
// A golden folder holds manifest.json and one NAME.npz for each case in it, as keras_golden.py (in embedded/) writes
// them, and stack_golden.py for several LSTM layers of one or both directions: weights, inputs, and what Keras makes of
// them in float64. Three kinds of case there are:
//
//	gradient     one batch: hidden states, probability, loss, the gradient by every parameter and by the input
//	optimizer    a few steps of Adam: parameters and both moments after each
//	trajectory   some epochs of fit: every probability, the history, the final parameters
//
// Open reads a folder, Embedded the small set inside the program, and Own returns cases of what Keras has no numbers
// for (dropout, augmentation, scaling, models side by side), whose truth is package reference itself. CheckReference
// and CheckEngine, or CheckEngineMixed, run a case and return one Row for each quantity. A case of other semantics than this program's is
// never left out: its Row says "not ours" and why.
//
//	set, err := judge.Open("golden")
//	for _, c := range set.Cases {
//		for _, row := range c.CheckEngine(factory) {
//			fmt.Println(row)
//		}
//	}
package judge
