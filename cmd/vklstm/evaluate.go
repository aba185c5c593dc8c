package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

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
			if err := m.Check(d); err != nil {
				return err
			}
			if m.Classes == nil && m.Origin == nil {
				if names := data.OwnNames(d.Names()); names != nil {
					fmt.Fprintf(os.Stderr, "the model's file names no classes; its outputs are taken for %s, in this order\n", strings.Join(names, ", "))
				}
			} else if p := keys.Positive; p != "" && m.Classes != nil && p != m.ClassNames()[len(m.ClassNames())-1] {
				return fmt.Errorf("--positive %s: the model was trained to find %s; leave it out", p, m.ClassNames()[1])
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
			all := judge
			all.Reject = 0
			e, err := m.EvaluateBy(c.Context(), all, dev.NewEngine, d, nil)
			if err != nil {
				return err
			}
			e.Title = "All windows"
			var reach spread
			if names, group := d.Groups(); len(names) > 1 && judge.Reject == 0 {
				i := metrics.Uncertainty(e, group)
				reach = spread{&i, fmt.Sprintf("%s groups (%s)", humanize.Comma(int64(len(names))), d.GroupKey)}
			}
			var j judgement
			if e.Classification != nil {
				by := classJudgement{spread: reach, title: e.Title}
				if eventKey != "" {
					by.Events = metrics.ScoreClassEvents(e, judge.Reject, recordings, eventKey, d.T, timing)
				}
				by.Classification = *judge.Score(e.Y, e.Probability).Classification
				j = by
			} else {
				by := testJudgement{Test: e.Test, spread: reach}
				if eventKey != "" {
					by.Events = metrics.ScoreEvents(e, recordings, eventKey, d.T, timing)
				}
				j = by
			}
			switch jsonPath {
			case "":
				return j.write(os.Stdout)
			case "-":
				return writeJSON(os.Stdout, j)
			}
			if err := j.write(os.Stdout); err != nil {
				return err
			}
			return files.Write(jsonPath, func(w io.Writer) error { return writeJSON(w, j) })
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
type judgement interface{ write(io.Writer) error }

// spread is how far the scores reach, where windows have groups and none is left out.
type spread struct {
	Interval *metrics.Interval `json:"interval,omitempty"`

	drawn string // what Interval was drawn from
}

func (s spread) write(w io.Writer) error {
	if s.Interval == nil {
		return nil
	}
	return report.WriteInterval(w, *s.Interval, s.drawn)
}

// testJudgement is that of one output.
type testJudgement struct {
	metrics.Test
	spread
	Events *metrics.Events `json:"events,omitempty"`
}

func (j testJudgement) write(w io.Writer) error {
	err := report.WriteTest(w, j.Test)
	if err == nil {
		err = j.spread.write(w)
	}
	if err == nil && j.Events != nil {
		err = report.WriteEvents(w, j.Events)
	}
	return err
}

// classJudgement is that of several outputs.
type classJudgement struct {
	metrics.Classification
	spread
	Events []metrics.ClassEvents `json:"events,omitempty"`

	title string
}

func (j classJudgement) write(w io.Writer) error {
	err := report.WriteClassification(w, j.title, j.Classification)
	if err == nil {
		err = j.spread.write(w)
	}
	if err == nil && j.Events != nil {
		err = report.WriteClassEvents(w, j.Events)
	}
	return err
}

func writeJSON(w io.Writer, j judgement) error {
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
