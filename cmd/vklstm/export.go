package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/files"
	"vklstm/train/saved"
)

// quantizations are the words of --quantize. TensorFlow's converter calls kernels of int8 "dynamic".
var quantizations = map[string]model.Quantization{
	"none": model.QuantizeNone, "float16": model.QuantizeFloat16, "dynamic": model.QuantizeInt8, "int8": model.QuantizeInt8,
}

// exportCommand writes a model for other programs.
func exportCommand() *cobra.Command {
	var modelPath, format, quantize, out string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write a model for Keras, phones (TFLite) and servers (ONNX)",
		Long: `Write a model for Keras, phones (TFLite) and servers (ONNX).

  keras   .h5, or .keras with the optimizer's state, which keras.models.load_model opens
  keras2  .keras with the optimizer's state as Keras 2 (tf_keras) restores it; keras is for Keras 3
  tflite  .tflite for LiteRT: x[1][T][F] float32 → y[1][1], or [1][C] of C classes, one window a call
  onnx    .onnx, opset 13: x[N][T][F] float32 → y[N][1], or [N][C]
  npz     .npz, one NumPy array per variable, which every command here reads too

The graphs of tflite and onnx take windows as measured: masking and scaling are in them, NaN is a missing value, and a
window with an infinity gives NaN. An ensemble is one file. Names of classes are its metadata "classes", in JSON.

--quantize is for tflite and onnx. float16 halves the file. dynamic keeps the kernels as int8 and computes in float32:
a third of the size. int8 is the same file: one that computes in int8 throughout was measured to be less exact and ten
times slower.`,
		Example: "  vklstm export --model checkpoints/lstm_best.h5 --out lstm.tflite --quantize dynamic",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := needed(c, "model", "out"); err != nil {
				return err
			}
			q, ok := quantizations[quantize]
			if !ok {
				return usagef("--quantize %q: it must be none, float16, dynamic or int8", quantize)
			}
			if format == "" {
				if format = saved.FormatOf(out); format == "" {
					return usagef("--out %s: the ending says no format; give --format keras, keras2, tflite, onnx or npz", out)
				}
			}
			known := false
			for _, f := range saved.Formats {
				known = known || f.Name == format
			}
			if !known {
				return usagef("--format %q: it must be keras, keras2, tflite, onnx or npz", format)
			}
			if q != model.QuantizeNone && format != saved.FormatTFLite && format != saved.FormatONNX {
				return usagef("--quantize %s: %s holds float32 alone; it is for tflite and onnx", quantize, format)
			}
			if err := spares("out", out, modelPath); err != nil {
				return err
			}
			m, err := loadModel(modelPath, out)
			if err != nil {
				return err
			}
			size, err := saved.Export(out, m, format, q)
			if err != nil {
				return err
			}
			return wrote(out, size, format)
		},
	}
	f := c.Flags()
	f.StringVar(&modelPath, "model", "", modelUsage)
	f.StringVar(&out, "out", "", "`file` to write")
	f.StringVar(&format, "format", "", "keras, keras2, tflite, onnx or npz (default: by the ending of --out)")
	f.StringVar(&quantize, "quantize", "none", "none, float16, dynamic or int8")
	f.SortFlags = false
	return c
}

// modelUsage is the help of --model.
const modelUsage = "model `file`: " + train.CheckpointFile + ", one that export wrote as npz, or one that Keras wrote (.h5, .keras)"

// convertCommand writes a model of any format that is read as a file of Keras.
func convertCommand() *cobra.Command {
	var modelPath, out string
	c := &cobra.Command{
		Use:   "convert",
		Short: "Write a model that Keras or export wrote (.h5, .keras, .npz) as .h5 or .keras",
		Long: `Write a model that Keras or export wrote (.h5, .keras, .npz) as .h5 or .keras.

Scaling, threshold and the members of an ensemble go along; the optimizer's state does into .keras. What of the file does not
is said.`,
		Example: "  vklstm convert --model old.keras --out lstm.h5",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := needed(c, "model", "out"); err != nil {
				return err
			}
			if saved.FormatOf(out) != saved.FormatKeras {
				return usagef("--out %s: convert writes .h5 and .keras; export writes other formats", out)
			}
			if err := spares("out", out, modelPath); err != nil {
				return err
			}
			m, err := loadModel(modelPath, out)
			if err != nil {
				return err
			}
			size, err := saved.Export(out, m, saved.FormatKeras, model.QuantizeNone)
			if err != nil {
				return err
			}
			for _, lost := range m.Lost {
				fmt.Fprintf(os.Stderr, "%s: %s\n", modelPath, lost)
			}
			if m.State.Step > 0 && !strings.EqualFold(filepath.Ext(out), ".keras") {
				fmt.Fprintf(os.Stderr, "%s: the optimizer's state is not kept, since Keras 3 cannot go on from an .h5 file that has it; to train on, convert to .keras\n", modelPath)
			}
			return wrote(out, size, saved.FormatKeras)
		},
	}
	f := c.Flags()
	f.StringVar(&modelPath, "model", "", modelUsage)
	f.StringVar(&out, "out", "", "`file` to write, .h5 or .keras")
	f.SortFlags = false
	return c
}

// loadModel reads a model that is to be written to out.
func loadModel(path, out string) (*saved.Model, error) {
	m, err := saved.Load(path)
	if err != nil {
		return nil, err
	}
	return m, files.CheckWritable(out)
}

func wrote(path string, size int, format string) error {
	if strings.HasPrefix(path, "/dev/") {
		return nil
	}
	_, err := fmt.Fprintf(os.Stdout, "%s  %s bytes, %s\n", path, humanize.Comma(int64(size)), format)
	return err
}
