package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// predictCommand writes P(y = 1) of each window.
func predictCommand() *cobra.Command {
	var modelPath, dataPath, deviceName, out string
	var in data.Source
	var outFormat string
	var keys data.Keys
	var stream, jsonLines bool
	var hop int
	var threshold, reject float64
	c := &cobra.Command{
		Use:   "predict",
		Short: "Write the probability of each window, of a file or of frames as they come",
		Long: `Write the probability of each window, of a file or of frames as they come.

--data is read a few windows at a time, so that it may be larger than memory. By its ending, or --data-format, it is
  npz    X (N,T,F)
  csv    a window a line, T·F values, frame by frame; or, with a column "window" in the
         heading, a frame a line, lines of one window one after another
  jsonl  a window a line: {"x": [[…], …], "window": "name"}, or [[…], …]
Empty cells, NaN and null are missing values; windows with fewer than T frames are filled up
with masked ones. - is standard input, csv or jsonl; what came through a pipe is answered before
there is a wait for more.

--stream reads frames from standard input, one a line, F values separated by commas or blanks,
and writes one probability for every --hop frames once T have come, each line at once; of more than
two classes the class and each one's probability. An empty line begins a new recording.`,
		Example: `  vklstm predict --model checkpoints/lstm_best.h5 --data new.npz --out probability.csv
  cat new.jsonl | vklstm predict --model checkpoints/lstm_best.h5 --data - --data-format jsonl --out-format jsonl
  sensor | vklstm predict --model checkpoints/lstm_best.h5 --stream --hop 10`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := needed(c, "model"); err != nil {
				return err
			}
			switch {
			case stream && (dataPath != "" || out != "" || in.Format != "" || outFormat != ""):
				return usagef("--stream reads standard input and writes standard output; --data, --out and their formats are for windows")
			case stream && hop < 1:
				return usagef("--hop %d: it must be at least 1", hop)
			case !stream && dataPath == "":
				return usagef("predict needs --data, or --stream to read frames from standard input")
			case !stream && (jsonLines || c.Flags().Changed("hop")):
				return usagef("--hop and --json are for --stream")
			}
			if !stream {
				var err error
				if in, err = source(dataPath, in.Format); err != nil {
					return err
				}
				if outFormat, err = formatOut(out, outFormat); err != nil {
					return err
				}
			}
			if out == "-" {
				out = ""
			}
			if out != "" {
				if err := spares("out", out, dataPath, modelPath); err != nil {
					return err
				}
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
			if out != "" {
				if err := files.CheckWritable(out); err != nil {
					return err
				}
			}
			dev, err := device.Open(deviceName)
			if err != nil {
				return err
			}
			defer dev.Close()
			p, err := m.Open(dev.NewEngine)
			if err != nil {
				return err
			}
			defer p.Close()
			if stream {
				return predictStream(c.Context(), m, judge, p, hop, jsonLines)
			}
			write := func(w io.Writer) error { return predictFile(c.Context(), m, judge, p, in, keys, w, outFormat) }
			if out == "" {
				return write(os.Stdout)
			}
			return files.Write(out, write)
		},
	}
	f := c.Flags()
	f.StringVar(&modelPath, "model", "", modelUsage)
	f.StringVar(&dataPath, "data", "", "`file` of windows: "+predictionFormats+"; -: standard input")
	f.StringVar(&in.Format, "data-format", "", "npz, csv or jsonl (default: by the ending of --data)")
	f.StringVar(&keys.X, "x-key", "", "array or field of the windows in the file (default X; x in .jsonl)")
	f.StringVar(&keys.Y, "y-key", "", "array or column of labels to write beside the probabilities")
	f.StringVar(&keys.Group, "group-key", "", "array or column of recordings or persons to write beside the probabilities")
	f.StringVar(&out, "out", "", "`file` to write: "+predictionFormats+"; -, as without it: standard output")
	f.StringVar(&outFormat, "out-format", "", "npz, csv or jsonl (default: by the ending of --out; on standard output csv)")
	f.BoolVar(&stream, "stream", false, "read one frame per line from standard input")
	f.IntVar(&hop, "hop", 1, "with --stream: frames from one window to the next")
	f.BoolVar(&jsonLines, "json", false, `with --stream: write {"line": …, "probability": …, "positive": …}, or "class" and "probabilities", not the numbers alone`)
	thresholdFlag(f, &threshold)
	rejectFlag(f, &reject)
	deviceFlag(f, &deviceName)
	f.SortFlags = false
	return c
}

// source returns what --data and --data-format name.
func source(dataPath, format string) (data.Source, error) {
	s := data.Source{Path: dataPath, Format: format}
	if dataPath == "-" {
		s.Path, s.Reader = "standard input", os.Stdin
	} else if format == "" {
		s.Format = data.FormatOf(dataPath)
	}
	switch {
	case format != "" && !knownFormat(format):
		return s, usagef("--data-format %q: it must be npz, csv or jsonl", format)
	case s.Reader != nil && format == "":
		return s, usagef("--data -: standard input has no ending that says its format; give --data-format csv or jsonl")
	case s.Reader != nil && format == data.NPZ:
		return s, usagef("--data -: npz is read from a file alone, whose end says what it holds; name the file, or send csv or jsonl")
	case s.Format == "":
		return s, usagef("--data %s: the ending says no format; give --data-format npz, csv or jsonl", dataPath)
	}
	return s, nil
}

// predictFile writes the probabilities of the windows of a source to w, in a format of newPredictions. What is written for
// the windows of a batch goes out at once: after a pipe, someone may wait for it.
func predictFile(ctx context.Context, m *saved.Model, judge metrics.Judge, p *saved.Predictor, s data.Source, keys data.Keys, w io.Writer, format string) error {
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := newPredictions(buffered, format, judge)
	chain, err := m.Spec.Chain()
	if err != nil {
		return err
	}
	s.Whole = !chain.Masked
	err = data.EachBatch(ctx, s, keys, m.Spec.Timesteps, m.Spec.Features, func(b data.Batch) error {
		probability, err := p.Predict(ctx, b.X)
		if err != nil {
			return err
		}
		if err := out.write(b, probability); err != nil {
			return err
		}
		return buffered.Flush()
	})
	if err == nil {
		err = out.end()
	}
	if e := buffered.Flush(); err == nil {
		err = e
	}
	return err
}

// predictStream answers the frames on standard input. A line goes out as soon as its frame was read: who waits for it
// may not send another frame before.
func predictStream(ctx context.Context, m *saved.Model, judge metrics.Judge, p *saved.Predictor, hop int, jsonLines bool) error {
	s := data.NewStream(m.Spec.Timesteps, m.Spec.Features, hop, func(window []float32) ([]float32, error) { return p.Predict(ctx, window) })
	var text []byte
	return data.StreamLines(ctx, os.Stdin, s, func(line int, p []float32) error {
		var err error
		v := p[0]
		switch text = text[:0]; {
		case judge.Classes != nil && jsonLines:
			text, err = json.Marshal(struct {
				Line          int           `json:"line"`
				Class         string        `json:"class"`
				Probabilities probabilities `json:"probabilities"`
			}{line, judge.ClassOf(p), probabilities{judge.Classes, p}})
		case judge.Classes != nil:
			text = append(text, csvField(judge.ClassOf(p))...)
			for _, v := range p {
				text = strconv.AppendFloat(append(text, ','), float64(v), 'g', -1, 32)
			}
		case jsonLines:
			text, err = json.Marshal(struct {
				Line        int      `json:"line"`
				Probability *float32 `json:"probability"`
				Positive    bool     `json:"positive"`
			}{line, jsonNumber(v), positive(v, judge.Threshold)})
		default:
			text = strconv.AppendFloat(text, float64(v), 'g', -1, 32)
		}
		if err == nil {
			_, err = os.Stdout.Write(append(text, '\n'))
		}
		return err
	})
}

// spares returns a usage error when the file that a flag names to be written is one of those that are read.
func spares(flag, path string, read ...string) error {
	if in := sameFile(path, read...); in != "" {
		if in == "-" {
			in = "standard input"
		}
		return usagef("--%s %s would replace %s, which is read; name another file", flag, path, in)
	}
	return nil
}

// sameFile returns the first of others that is the file at path, and "" where none is; - is standard input.
func sameFile(path string, others ...string) string {
	a, err := os.Stat(path)
	if err != nil || !a.Mode().IsRegular() {
		return ""
	}
	for _, other := range others {
		b, err := os.Stat(other)
		if other == "-" {
			b, err = os.Stdin.Stat()
		}
		if err == nil && os.SameFile(a, b) {
			return other
		}
	}
	return ""
}
