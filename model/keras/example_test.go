package keras_test

import (
	"fmt"

	"vklstm/model"
	"vklstm/model/keras"
)

func Example() {
	spec := model.Classifier(60, 6, 64, 0.3, 32)
	data, err := keras.Encode(&keras.File{ // write data to lstm_best.h5
		Spec: spec, Params: make([]float32, spec.Layout().Size),
		Loss: model.Focal(), LearningRate: 0.001, Extra: map[string]string{"vklstm": `{"scale":"none"}`},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := keras.Decode(data) // or keras.Read("lstm_best.h5")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(f.Params), f.Spec.Layers[1].Name, f.Loss.Kind, f.Extra["vklstm"])
	// Output: 20289 lstm binary_focal_crossentropy {"scale":"none"}
}
