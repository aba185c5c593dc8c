package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"vklstm/train"
)

// trainFlags are the flags of every command that trains: what is read, the network, how it is trained, and on which
// device. They mean the same in each.
type trainFlags struct {
	cfg                           train.Config
	noFocal, noClassWeights       bool
	seed                          int64
	device, adam, precision, path string
}

// addTrainFlags adds the flags to f, with the original module's defaults.
func addTrainFlags(f *pflag.FlagSet) *trainFlags {
	t := &trainFlags{cfg: train.DefaultConfig()}
	cfg := &t.cfg
	f.StringVar(&cfg.Data, "data", "", "npz `file` with X (N,T,F) and y (N); without it a sample is made")
	dataFlags(f, &cfg.Keys)
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
	f.BoolVar(&t.noFocal, "no-focal-loss", false, "binary crossentropy instead of focal loss (α 0.25, γ 2)")
	f.BoolVar(&t.noClassWeights, "no-class-weights", false, "do not weigh the classes by n/(2·count)")
	f.Int64Var(&t.seed, "seed", int64(cfg.Seed), "of split, initial weights, order, dropout and augmentation")
	f.StringVar(&t.adam, "adam", "device", "where Adam's step is taken on a GPU: device, or host (slower, to compare); the CPU engine takes it on the host")
	f.StringVar(&t.path, "path", train.PathAuto, "a GPU's way through the network: auto, general, or resident (a window in one dispatch, weights in registers)")
	f.StringVar(&t.precision, "precision", train.PrecisionFloat32, "float32, or mixed: on a GPU the recurrent products are taken of float16 and added up in float32")
	f.BoolVar(&cfg.Quiet, "quiet", false, "only warnings, the result and the list of files")
	f.StringVar(&cfg.LogFormat, "log-format", cfg.LogFormat, "text, or json: one object per line on standard error")
	deviceFlag(f, &t.device)
	return t
}

// config returns what the flags, once parsed, say, or the sentence that says what is wrong with them. Engine, the
// files and the logs are the caller's.
func (t *trainFlags) config() (train.Config, error) {
	if t.seed < 0 || t.seed > 1<<32-1 {
		return train.Config{}, fmt.Errorf("--seed %d: it must be at least 0 and at most %d, as numpy has it", t.seed, int64(1)<<32-1)
	}
	cfg := t.cfg
	cfg.Seed, cfg.Focal, cfg.ClassWeights = uint32(t.seed), !t.noFocal, !t.noClassWeights
	if err := t.checkEngine(); err != nil {
		return train.Config{}, err
	}
	return cfg, cfg.Validate()
}

// checkEngine returns a usage error when a flag about the engine has a word that is none of its own.
func (t *trainFlags) checkEngine() error {
	if t.adam != "device" && t.adam != "host" {
		return usagef("--adam %q: it must be device or host", t.adam)
	}
	if err := checkPath(t.path); err != nil {
		return err
	}
	return checkPrecision(t.precision)
}

// checkPath returns a usage error for a --path that there is not.
func checkPath(path string) error {
	if path != train.PathAuto && path != train.PathGeneral && path != train.PathResident {
		return usagef("--path %q: it must be %s, %s or %s", path, train.PathAuto, train.PathGeneral, train.PathResident)
	}
	return nil
}

// checkPrecision returns a usage error for a --precision that there is not.
func checkPrecision(precision string) error {
	if precision != train.PrecisionFloat32 && precision != train.PrecisionMixed {
		return usagef("--precision %q: it must be %s or %s", precision, train.PrecisionFloat32, train.PrecisionMixed)
	}
	return nil
}

// open opens the device that the flags name, set as they say. The caller closes it.
func (t *trainFlags) open() (*train.Device, error) {
	d, err := train.OpenDevice(t.device)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{d.SetPrecision(t.precision), d.SetPath(t.path)} {
		if err != nil {
			d.Close()
			return nil, err
		}
	}
	d.HostAdam = t.adam == "host"
	return d, nil
}

// dataFlags adds the flags that choose what is read from an npz file.
func dataFlags(f *pflag.FlagSet, k *train.Keys) {
	f.StringVar(&k.X, "x-key", "X", "array of the windows in the file")
	f.StringVar(&k.Y, "y-key", "y", "array of the labels in the file")
	f.StringVar(&k.Group, "group-key", "", "array of each window's recording or person (default: the first of video_names, subject, group, video_ids)")
}

// splitFlag adds --split, of the commands that part the windows themselves.
func splitFlag(f *pflag.FlagSet, split *string) {
	f.StringVar(split, "split", *split, "how to part the windows, 70/15/15: random, or group (recordings stay whole)")
}

// deviceFlag adds --device.
func deviceFlag(f *pflag.FlagSet, device *string) {
	f.StringVar(device, "device", "auto", "auto (the best real GPU, else cpu), cpu, or an index or name as 'vklstm devices' lists them")
}
