package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/report"
	"vklstm/train/saved"
)

// evaluateCommand scores a model on labelled windows.
func evaluateCommand() *cobra.Command {
	var modelPath, dataPath, deviceName, jsonPath string
	var keys data.Keys
	var threshold, reject float64
	var eventKey string
	c := &cobra.Command{
		Use:   "evaluate",
		Short: "Score a model on labelled windows, at its threshold",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := needed(c, "model", "data"); err != nil {
				return err
			}
			if err := spares("json", jsonPath, dataPath, modelPath); err != nil {
				return err
			}
			m, err := saved.Load(modelPath)
			if err != nil {
				return err
			}
			if err := useThreshold(c, m, threshold); err != nil {
				return err
			}
			judge, err := judgeOf(c, m, reject)
			if err != nil {
				return err
			}
			d, err := data.LoadNPZ(dataPath, keys)
			if err != nil {
				return err
			}
			d.Extend(m.Spec.Timesteps)
			var recordings []string
			var timing *metrics.Timing
			if eventKey != "" {
				if recordings, err = data.LoadRecordings(dataPath, eventKey, d.N); err != nil {
					return err
				}
				if timing, err = data.LoadTiming(dataPath, d.N); err != nil {
					return err
				}
			}
			if eventKey != "" && judge.Classes != nil {
				return fmt.Errorf("--event-key judges whether a recording holds the positive one of two classes; the model tells %d apart", len(judge.Classes))
			}
			if err := m.Check(d); err != nil {
				return err
			}
			if jsonPath != "" && jsonPath != "-" {
				if err := files.CheckWritable(jsonPath); err != nil {
					return err
				}
			}
			dev, err := device.Open(deviceName)
			if err != nil {
				return err
			}
			defer dev.Close()
			e, err := m.EvaluateBy(c.Context(), judge, dev.NewEngine, d, nil)
			if err != nil {
				return err
			}
			e.Title = "All windows"
			if e.Classification != nil {
				switch jsonPath {
				case "":
					return report.WriteEvaluation(os.Stdout, e)
				case "-":
					return e.WriteJSON(os.Stdout)
				}
				if err := report.WriteEvaluation(os.Stdout, e); err != nil {
					return err
				}
				return files.Write(jsonPath, e.WriteJSON)
			}
			j := judgement{Test: e.Test}
			if names, group := d.Groups(); len(names) > 1 {
				interval := metrics.Uncertainty(e, group)
				j.Interval, j.groups = &interval, fmt.Sprintf("%s groups (%s)", humanize.Comma(int64(len(names))), d.GroupKey)
			}
			if eventKey != "" {
				j.Events = metrics.ScoreEvents(e, recordings, eventKey, d.T, timing)
			}
			switch jsonPath {
			case "":
				return j.write(os.Stdout)
			case "-":
				return j.writeJSON(os.Stdout)
			}
			if err := j.write(os.Stdout); err != nil {
				return err
			}
			return files.Write(jsonPath, j.writeJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&modelPath, "model", "", "model `file`: "+train.CheckpointFile+", or one that Keras wrote (.h5, .keras)")
	f.StringVar(&dataPath, "data", "", "npz `file` with X (N,T,F) and y (N)")
	dataFlags(f, &keys)
	f.StringVar(&jsonPath, "json", "", "write the result to this `file` as JSON; - is standard output, in place of the table")
	f.StringVar(&eventKey, "event-key", "", "array of each window's recording (such as video_names): judge recordings too, detected when any window is; false alarms an hour where the file has fs")
	thresholdFlag(f, &threshold)
	rejectFlag(f, &reject)
	deviceFlag(f, &deviceName)
	f.SortFlags = false
	return c
}

// judgement is what evaluate says.
type judgement struct {
	metrics.Test
	Interval *metrics.Interval `json:"interval,omitempty"` // of the scores, where windows have groups
	Events   *metrics.Events   `json:"events,omitempty"`

	groups string // what Interval was drawn from
}

func (j judgement) write(w io.Writer) error {
	if err := report.WriteTest(w, j.Test); err != nil {
		return err
	}
	if j.Interval != nil {
		if err := report.WriteInterval(w, *j.Interval, j.groups); err != nil {
			return err
		}
	}
	if j.Events == nil {
		return nil
	}
	return report.WriteEvents(w, j.Events)
}

func (j judgement) writeJSON(w io.Writer) error {
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// thresholdFlag adds --threshold, of the commands that judge by a model.
func thresholdFlag(f *pflag.FlagSet, threshold *float64) {
	f.Float64Var(threshold, "threshold", 0, "probability above which a window counts as positive (default: the model's own)")
}

// useThreshold gives the model the threshold that was asked for.
func useThreshold(c *cobra.Command, m *saved.Model, threshold float64) error {
	switch {
	case !c.Flags().Changed("threshold"):
		return nil
	case !(threshold > 0 && threshold < 1):
		return fmt.Errorf("--threshold %v: it must be above 0 and below 1", threshold)
	}
	m.Threshold = threshold
	return nil
}

// rejectFlag adds --reject.
func rejectFlag(f *pflag.FlagSet, reject *float64) {
	f.Float64Var(reject, "reject", 0, "of more than two classes: answer \"unsure\" where the largest probability is below this; 0: never")
}

// judgeOf says how the model's probabilities are judged.
func judgeOf(c *cobra.Command, m *saved.Model, reject float64) (metrics.Judge, error) {
	j := m.Judge()
	switch {
	case !(reject >= 0 && reject < 1):
		return j, fmt.Errorf("--reject %v: it must be at least 0 and below 1", reject)
	case reject > 0 && j.Classes == nil:
		return j, fmt.Errorf("--reject is of more than two classes; the model has one output, whose --threshold decides")
	case c.Flags().Changed("threshold") && j.Classes != nil:
		return j, fmt.Errorf("--threshold is of two classes; of this model's %d the largest probability counts, and --reject says below which none does", len(j.Classes))
	}
	j.Reject = reject
	return j, nil
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
