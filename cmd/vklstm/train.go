package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vklstm/train"
)

// trainCommand has the flags of the original module, with their names and defaults, and those that all commands
// share.
func trainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a classifier and write the best model, its history, plots and test metrics",
		Long: `Train a classifier and write the best model, its history, plots and test
metrics.

Without --data it trains on a sample that it makes itself. Ctrl-C once finishes
the current step, keeps the best weights and writes everything; twice stops at
once.

A recipe is a set of flags and nothing more:` + recipeHelp(),
	}
	f := c.Flags()
	flags := addTrainFlags(f)
	splitFlag(f, &flags.cfg.Split)
	files := &flags.cfg
	var start, format string
	grouped(f, groupFiles, func() {
		f.BoolVar(&files.SaveBest, "save-best", false, "write "+train.CheckpointFile+" at each better validation F1; with --no-early-stopping at the end")
		f.StringVar(&start, "init", "", "start from this model `file`: its weights, scaling and network, and the optimizer's state and settings where it has them (.keras)")
		f.StringVar(&format, "checkpoint-format", "h5", "h5, or keras: "+train.KerasFile+" with the optimizer's state, from which Keras and --init go on")
		f.StringVar(&files.CheckpointDir, "checkpoint-dir", files.CheckpointDir, "`folder` of "+train.CheckpointFile)
		f.StringVar(&files.HistoryDir, "history-dir", files.HistoryDir, "`folder` of "+train.HistoryFile)
		f.StringVar(&files.PlotDir, "plot-dir", files.PlotDir, "`folder` of the pictures and "+train.TestMetricsFile)
	})
	grouped(f, groupTraining, func() {
		f.IntVar(&files.Ensemble, "ensemble", files.Ensemble, "models trained side by side, with --seed and the seeds after it, whose probabilities are averaged: one file")
	})
	groupedHelp(c, groupData, groupNetwork, groupTraining, groupRate, groupStop, groupFiles, groupDevice)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if format != "h5" && format != "keras" {
			return usagef("--checkpoint-format %q: it must be h5 or keras", format)
		}
		if start != "" {
			if err := flags.init(start); err != nil {
				return err
			}
		}
		cfg, err := flags.config()
		if err != nil {
			return err
		}
		cfg.SaveKeras = format == "keras"
		d, err := flags.open()
		if err != nil {
			return err
		}
		defer d.Close()
		cfg.Engine, cfg.Log, cfg.Out = d.NewEngine, os.Stderr, os.Stdout
		cfg.DropWindows = true
		_, err = train.LSTM(c.Context(), cfg)
		return err
	}
	return c
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
