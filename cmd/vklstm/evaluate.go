package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vklstm/train"
)

// evaluateCommand scores a model on labelled windows.
func evaluateCommand() *cobra.Command {
	var modelPath, data, device, jsonPath string
	var keys train.Keys
	var threshold float64
	var eventKey string
	c := &cobra.Command{
		Use:   "evaluate",
		Short: "Score a model on labelled windows, at its threshold",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := needed(c, "model", "data"); err != nil {
				return err
			}
			if err := spares("json", jsonPath, data, modelPath); err != nil {
				return err
			}
			m, _, err := train.LoadModel(modelPath)
			if err != nil {
				return err
			}
			if err := useThreshold(c, m, threshold); err != nil {
				return err
			}
			if keys.Y == "" {
				keys.Y = "y"
			}
			if eventKey != "" {
				keys.Group = eventKey
			}
			d, err := train.LoadWindows(data, keys)
			if err != nil {
				if eventKey != "" { // which is read as a group is
					err = errors.New(strings.ReplaceAll(err.Error(), "--group-key", "--event-key"))
				}
				return err
			}
			var timing *train.Timing
			if eventKey != "" {
				if timing, err = train.LoadTiming(data, d.N); err != nil {
					return err
				}
			}
			if err := m.Check(d); err != nil {
				return err
			}
			if jsonPath != "" && jsonPath != "-" {
				if err := train.CheckWritable(jsonPath); err != nil {
					return err
				}
			}
			dev, err := train.OpenDevice(device)
			if err != nil {
				return err
			}
			defer dev.Close()
			e, err := train.Evaluate(c.Context(), m, dev.NewEngine, d, nil)
			if err != nil {
				return err
			}
			e.Title = "All windows"
			table, object := e.Write, e.WriteJSON
			if eventKey != "" {
				v := train.ScoreEvents(e, d.Group, eventKey, d.T, timing)
				table = func(w io.Writer) error {
					if err := e.Write(w); err != nil {
						return err
					}
					return v.Write(w)
				}
				object = func(w io.Writer) error { return v.WriteJSON(w, e) }
			}
			switch jsonPath {
			case "":
				return table(os.Stdout)
			case "-":
				return object(os.Stdout)
			}
			if err := table(os.Stdout); err != nil {
				return err
			}
			return train.WriteFile(jsonPath, object)
		},
	}
	f := c.Flags()
	f.StringVar(&modelPath, "model", "", "model `file`: "+train.CheckpointFile+", or one that Keras wrote (.h5, .keras)")
	f.StringVar(&data, "data", "", "npz `file` with X (N,T,F) and y (N)")
	dataFlags(f, &keys)
	f.StringVar(&jsonPath, "json", "", "write the result to this `file` as JSON; - is standard output, in place of the table")
	f.StringVar(&eventKey, "event-key", "", "array of each window's recording (such as video_names): judge recordings too, detected when any window is; false alarms an hour where the file has fs")
	thresholdFlag(f, &threshold)
	deviceFlag(f, &device)
	f.SortFlags = false
	return c
}

// thresholdFlag adds --threshold, of the commands that judge by a model.
func thresholdFlag(f *pflag.FlagSet, threshold *float64) {
	f.Float64Var(threshold, "threshold", 0, "probability above which a window counts as positive (default: the model's own)")
}

// useThreshold gives the model the threshold that was asked for.
func useThreshold(c *cobra.Command, m *train.Model, threshold float64) error {
	switch {
	case !c.Flags().Changed("threshold"):
		return nil
	case !(threshold > 0 && threshold < 1):
		return fmt.Errorf("--threshold %v: it must be above 0 and below 1", threshold)
	}
	m.Threshold = threshold
	return nil
}

// needed returns a usage error for the first of the flags that was not given.
func needed(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := c.Flags().Lookup(name); f.Value.String() == "" {
			return usagef("%s needs --%s", c.Name(), name)
		}
	}
	return nil
}
