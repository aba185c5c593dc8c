package judge_test

import (
	"fmt"

	"vklstm/model"
	"vklstm/model/judge"
	"vklstm/model/reference"
)

// Judge an engine by one of the cases inside the program.
func Example() {
	factory := func(spec model.Spec, o []model.Options) (model.Engine, error) { return reference.New(spec, o) }
	for _, c := range judge.Embedded().Cases {
		if c.Name != "tiny" {
			continue
		}
		for _, row := range c.CheckEngine(factory) {
			fmt.Println(row.Case, row.What, !row.Failed())
		}
	}
	// Output:
	// tiny probability true
	// tiny loss_rows true
	// tiny loss true
	// tiny d/lstm/kernel true
	// tiny d/lstm/recurrent_kernel true
	// tiny d/lstm/bias true
	// tiny d/dense/kernel true
	// tiny d/dense/bias true
	// tiny d/dense_1/kernel true
	// tiny d/dense_1/bias true
	// tiny predict true
}
