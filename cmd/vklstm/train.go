package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vklstm/train"
)

// trainCommand has the flags of the original module, with their names and defaults, and those that all commands
// share.
func trainCommand() *cobra.Command {
	cfg := train.DefaultConfig()
	var device, adam, precision, path string
	var noFocal, noClassWeights bool
	var seed int64
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a classifier and write the best model, its history, plots and test metrics",
		Long: `Train a classifier and write the best model, its history, plots and test metrics.

Without --data it trains on a sample that it makes itself. Ctrl-C once finishes the step at hand, keeps the best
weights and writes everything; twice stops at once.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if seed < 0 || seed > 1<<32-1 {
				return fmt.Errorf("--seed %d: it must be at least 0 and at most %d, as numpy has it", seed, int64(1)<<32-1)
			}
			if adam != "device" && adam != "host" {
				return fmt.Errorf("--adam %q: it must be device or host", adam)
			}
			cfg.Seed, cfg.Focal, cfg.ClassWeights = uint32(seed), !noFocal, !noClassWeights
			if err := cfg.Validate(); err != nil {
				return err
			}
			d, err := train.OpenDevice(device)
			if err != nil {
				return err
			}
			defer d.Close()
			if err := d.SetPrecision(precision); err != nil {
				return err
			}
			if err := d.SetPath(path); err != nil {
				return err
			}
			d.HostAdam = adam == "host"
			cfg.Engine, cfg.Log, cfg.Out = d.NewEngine, os.Stderr, os.Stdout
			cfg.DropWindows = true
			_, err = train.LSTM(c.Context(), cfg)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Data, "data", "", "npz `file` with X (N,T,F) and y (N); without it a sample is made")
	dataFlags(f, &cfg.Keys)
	f.StringVar(&cfg.Split, "split", cfg.Split, "how to part the windows, 70/15/15: random, or group (recordings stay whole)")
	f.StringVar(&cfg.Scale, "scale", cfg.Scale, "fit on the training part and apply: none, minmax or standard")
	f.IntVar(&cfg.Epochs, "epochs", cfg.Epochs, "most epochs to train")
	f.IntVar(&cfg.Batch, "batch", cfg.Batch, "windows in a training step")
	f.Float64Var(&cfg.LearningRate, "lr", cfg.LearningRate, "Adam's learning rate")
	f.IntVar(&cfg.Patience, "patience", cfg.Patience, "epochs without a better validation F1 before training stops")
	f.IntVar(&cfg.Units, "lstm-units", cfg.Units, "units of the LSTM")
	f.Float64Var(&cfg.Dropout, "dropout", cfg.Dropout, "share of LSTM outputs dropped in training")
	f.IntVar(&cfg.DenseUnits, "dense-units", cfg.DenseUnits, "units of the dense layer")
	f.StringVar(&cfg.Augment, "augment", cfg.Augment, "vary training windows: none, moderate or strong; --augment alone is moderate")
	f.Lookup("augment").NoOptDefVal = train.AugmentModerate
	f.BoolVar(&noFocal, "no-focal-loss", false, "binary crossentropy instead of focal loss (α 0.25, γ 2)")
	f.BoolVar(&noClassWeights, "no-class-weights", false, "do not weigh the classes by n/(2·count)")
	f.BoolVar(&cfg.SaveBest, "save-best", false, "write "+train.CheckpointFile+" at each better validation F1")
	f.StringVar(&cfg.CheckpointDir, "checkpoint-dir", cfg.CheckpointDir, "`folder` of "+train.CheckpointFile)
	f.StringVar(&cfg.HistoryDir, "history-dir", cfg.HistoryDir, "`folder` of "+train.HistoryFile)
	f.StringVar(&cfg.PlotDir, "plot-dir", cfg.PlotDir, "`folder` of the pictures and "+train.TestMetricsFile)
	f.Int64Var(&seed, "seed", 42, "of split, initial weights, order, dropout and augmentation")
	f.BoolVar(&cfg.Quiet, "quiet", false, "only warnings, the result and the list of files")
	f.StringVar(&cfg.LogFormat, "log-format", train.LogText, "text, or json: one object per line on standard error")
	f.StringVar(&adam, "adam", "device", "where Adam's step is taken on a GPU: device, or host (slower, to compare); the CPU engine takes it on the host")
	f.StringVar(&path, "path", train.PathAuto, "a GPU's way through the network: auto, general, or resident (a window in one dispatch, weights in registers)")
	f.StringVar(&precision, "precision", train.PrecisionFloat32, "float32, or mixed: on a GPU the recurrent products are taken of float16 and added up in float32")
	deviceFlag(f, &device)
	f.SortFlags = false
	return c
}

// dataFlags adds the flags that choose what is read from an npz file.
func dataFlags(f *pflag.FlagSet, k *train.Keys) {
	f.StringVar(&k.X, "x-key", "X", "array of the windows in the file")
	f.StringVar(&k.Y, "y-key", "y", "array of the labels in the file")
	f.StringVar(&k.Group, "group-key", "", "array of each window's recording or person (default: the first of video_names, subject, group, video_ids)")
}

// deviceFlag adds --device.
func deviceFlag(f *pflag.FlagSet, device *string) {
	f.StringVar(device, "device", "auto", "auto (the best real GPU, else cpu), cpu, or an index or name as 'vklstm devices' lists them")
}

// joinAugment rewrites `--augment moderate` to `--augment=moderate`, since the flag may also stand alone.
func joinAugment(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--augment" && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			out = append(out, fmt.Sprintf("--augment=%s", args[i+1]))
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}
