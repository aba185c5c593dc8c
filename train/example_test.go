package train_test

import (
	"context"
	"fmt"
	"log"

	"vklstm/train"
	"vklstm/train/device"
)

// ExampleLSTM trains a detector of falls on the sample, on the CPU, and looks at the result. To train on a file, set
// Config.Data; to keep the files that the command writes, leave the folders as DefaultConfig has them.
func ExampleLSTM() {
	device, err := device.Open("cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer device.Close()

	cfg := train.DefaultConfig()
	cfg.Engine = device.NewEngine
	cfg.Epochs = 8
	cfg.HistoryDir, cfg.PlotDir = "", ""
	cfg.Log, cfg.Out = nil, nil
	res, err := train.LSTM(context.Background(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(res.State.Params), "parameters")
	fmt.Println("test F1 above 0.9:", res.Test.F1 > 0.9)

	// The same windows once more, as `vklstm evaluate` scores a file.
	again, err := train.Evaluate(context.Background(), &res.Model, device.NewEngine, res.Dataset, res.Parts.Test)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same scores again:", again.F1 == res.Test.F1)
	// Output:
	// 20289 parameters
	// test F1 above 0.9: true
	// the same scores again: true
}
