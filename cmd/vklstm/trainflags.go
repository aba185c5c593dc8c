package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"vklstm/model"
	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/device"
)

// trainFlags are the flags of every command that trains: what is read, the network, how it is trained, and on which
// device. They mean the same in each.
type trainFlags struct {
	set                           *pflag.FlagSet
	cfg                           train.Config
	noFocal, noClassWeights       bool
	noEarlyStopping               bool
	seed                          int64
	recipe                        string
	layers, activation            string
	maskValue                     float64
	device, adam, precision, path string
}

// The groups of flags in a command's help, in their order.
const (
	groupData     = "Data"
	groupNetwork  = "Network"
	groupTraining = "Training"
	groupRate     = "Optimizer and learning rate"
	groupStop     = "When training ends"
	groupFiles    = "Files"
	groupDevice   = "Device and log"
)

// addTrainFlags adds the flags to f, with the original module's defaults.
func addTrainFlags(f *pflag.FlagSet) *trainFlags {
	t := &trainFlags{set: f, cfg: train.DefaultConfig()}
	cfg := &t.cfg
	grouped(f, groupData, func() {
		f.StringVar(&cfg.Data, "data", "", "npz `file` with X (N,T,F) and y (N); without it a sample is made")
		dataFlags(f, &cfg.Keys)
		f.StringVar(&cfg.Scale, "scale", cfg.Scale, "fit on the training part and apply: none, minmax or standard; file: divide by the file's array scale_div (F)")
	})
	grouped(f, groupNetwork, func() {
		f.Var((*unitsValue)(&cfg.Units), "lstm-units", "units of the LSTM; 64,32 stacks a second one with 32 on the first")
		f.BoolVar(&cfg.Bidirectional, "bidirectional", false, "every LSTM takes the time steps in both directions")
		f.Float64Var(&cfg.Dropout, "dropout", cfg.Dropout, "share of LSTM outputs dropped in training")
		f.IntVar(&cfg.DenseUnits, "dense-units", cfg.DenseUnits, "units of the dense layer")
		f.StringVar(&t.activation, "activation", string(model.Tanh), "of every LSTM: tanh or relu")
		f.StringVar(&t.layers, "layers", "", "in place of the flags before, `layers` from the input on, such as 'lstm 64, dropout 0.3, lstm 32, dense 32 relu'; also bidirectional 64 [sum|ave|mul], batchnorm, backwards; the output follows from the labels")
		f.BoolVar(&cfg.Masking.Off, "no-masking", false, "every step counts, zeros too; a missing value is 0")
		f.Float64Var(&t.maskValue, "mask-value", 0, "steps whose features all are this or missing are left out")
	})
	grouped(f, groupTraining, func() {
		f.StringVar(&t.recipe, "recipe", recipes[0].name, "settings to start from, listed above: "+recipeNames()+"; flags given beside it win")
		f.IntVar(&cfg.Epochs, "epochs", cfg.Epochs, "most epochs to train")
		f.IntVar(&cfg.Batch, "batch", cfg.Batch, "windows in a training step")
		f.StringVar(&cfg.Augment, "augment", cfg.Augment, "vary training windows: none, moderate, strong, or imu for motion sensors, which turns them; --augment alone is moderate")
		f.Lookup("augment").NoOptDefVal = train.AugmentModerate
		f.IntVar(&cfg.Triplets, "triplets", 0, "--augment imu: so many sensors of three features (x, y, z) come first and turn; 0: all features are such")
		f.BoolVar(&t.noFocal, "no-focal-loss", false, "binary crossentropy instead of focal loss")
		f.Var((*alphaValue)(cfg), "focal-alpha", "focal loss: weight of y = 1, and 1 − it of y = 0; of more than two classes that of all, or one for each: 0.2,0.5,0.3")
		f.Float64Var(&cfg.FocalGamma, "focal-gamma", cfg.FocalGamma, "focal loss: exponent; the more, the less easy windows count")
		f.Float64Var(&cfg.LabelSmoothing, "label-smoothing", 0, "crossentropy: share of the target that all classes have alike")
		f.BoolVar(&t.noClassWeights, "no-class-weights", false, "do not weigh the classes by n/(classes·count)")
		f.Int64Var(&t.seed, "seed", int64(cfg.Seed), "of split, initial weights, order, dropout and augmentation")
	})
	grouped(f, groupRate, func() {
		f.Float64Var(&cfg.LearningRate, "lr", cfg.LearningRate, "Adam's learning rate")
		f.Float64Var(&cfg.WeightDecay, "weight-decay", 0, "AdamW: each step takes this, times its learning rate, of all weights")
		f.Float64Var(&cfg.L2, "l2", 0, "add this times the sum of the squared kernels to the loss")
		f.Float64Var(&cfg.ClipNorm, "clipnorm", 0, "scale each variable's gradient down to this norm; 0: not")
		f.Float64Var(&cfg.GlobalClipNorm, "global-clipnorm", 0, "scale all gradients together down to this norm; 0: not")
		s := &cfg.Schedule
		f.StringVar(&s.Kind, "schedule", s.Kind, "of the learning rate: constant, cosine (to its end in the last epoch) or plateau (lowered when validation F1 is not better)")
		f.Float64Var(&s.Warmup, "warmup", 0, "epochs, also part of one, in which the learning rate first rises from 0")
		f.Float64Var(&s.MinLR, "min-lr", 0, "cosine: where it ends; plateau: never below it")
		f.Float64Var(&s.Factor, "plateau-factor", s.Factor, "plateau: what the learning rate is multiplied with")
		f.IntVar(&s.Patience, "plateau-patience", s.Patience, "plateau: epochs without a better validation F1 before that")
		f.Float64Var(&s.MinDelta, "plateau-min-delta", s.MinDelta, "plateau: by how much it must be better to count")
		f.IntVar(&s.Cooldown, "plateau-cooldown", 0, "plateau: epochs after that which count for nothing")
	})
	grouped(f, groupStop, func() {
		f.StringVar(&cfg.Monitor, "monitor", cfg.Monitor, "what the best weights are best in: "+strings.Join(train.Monitors, ", ")+"; of more than two classes F1 and AUC are means over classes")
		f.IntVar(&cfg.Patience, "patience", cfg.Patience, "epochs without a better --monitor before training stops")
		f.BoolVar(&t.noEarlyStopping, "no-early-stopping", false, "train all epochs; the last weights are the model, not the best")
		f.Var(&cfg.Threshold, "threshold", "probability above which a window counts as positive: a number, or chosen on the validation part: best-f1, 'recall>=X' or 'precision>=X' (in quotes)")
		f.BoolVar(&cfg.TrainOnVal, "train-on-val", false, "train on the validation part too; needs --no-early-stopping")
	})
	grouped(f, groupDevice, func() {
		deviceFlag(f, &t.device)
		f.StringVar(&t.adam, "adam", "device", "where Adam's step is taken on a GPU: device, or host (slower, to compare); the CPU engine takes it on the host")
		f.StringVar(&t.path, "path", device.PathAuto, "a GPU's way through the network: auto, general, or resident (a window in one dispatch, weights in registers)")
		f.StringVar(&t.precision, "precision", device.PrecisionFloat32, "float32, or mixed: on a GPU the recurrent products are taken of float16 and added up in float32")
		f.BoolVar(&cfg.Quiet, "quiet", false, "only warnings, the result and the list of files")
		f.StringVar(&cfg.LogFormat, "log-format", cfg.LogFormat, "text, or json: one object per line on standard error")
	})
	return t
}

// config returns what the flags, once parsed, say, or the sentence that says what is wrong with them. Engine, the
// files and the logs are the caller's.
func (t *trainFlags) config() (train.Config, error) {
	if t.seed < 0 || t.seed > 1<<32-1 {
		return train.Config{}, fmt.Errorf("--seed %d: it must be at least 0 and at most %d, as numpy has it", t.seed, int64(1)<<32-1)
	}
	line, err := useRecipe(t.set, t.recipe)
	if err != nil {
		return train.Config{}, err
	}
	if err := t.checkEngine(); err != nil {
		return train.Config{}, err
	}
	if err := t.checkIdle(); err != nil {
		return train.Config{}, err
	}
	if err := t.network(); err != nil {
		return train.Config{}, err
	}
	cfg := t.cfg
	cfg.Recipe = line
	cfg.Seed, cfg.Focal, cfg.ClassWeights, cfg.EarlyStopping = uint32(t.seed), !t.noFocal, !t.noClassWeights, !t.noEarlyStopping
	return cfg, cfg.Validate()
}

// networkFlags are those that name the network, beside --layers.
var networkFlags = []string{"lstm-units", "bidirectional", "dropout", "dense-units", "activation"}

// network sets what the flags say of the network.
func (t *trainFlags) network() error {
	cfg := &t.cfg
	if v := float32(t.maskValue); t.set.Changed("mask-value") {
		if cfg.Masking.Off {
			return fmt.Errorf("--mask-value is the masking's, which --no-masking turns off")
		}
		cfg.Masking.Value = v
	}
	if t.set.Changed("activation") {
		cfg.Activation = model.Activation(t.activation)
	}
	if !t.set.Changed("layers") {
		return nil
	}
	for _, name := range networkFlags {
		if t.set.Changed(name) {
			return fmt.Errorf("--%s does nothing beside --layers, which names all layers; say it there", name)
		}
	}
	layers, err := model.ParseLayers(t.layers)
	if err != nil {
		return fmt.Errorf("--layers: %w", err)
	}
	cfg.Layers = layers
	return nil
}

// checkIdle returns an error when a flag was given that would do nothing beside the others.
func (t *trainFlags) checkIdle() error {
	for _, v := range []struct {
		flags []string
		works bool
		why   string
	}{
		{[]string{"focal-alpha", "focal-gamma"}, !t.noFocal, "is the focal loss's, which --no-focal-loss turns off"},
		{[]string{"triplets"}, t.cfg.Augment == train.AugmentIMU, "needs --augment " + train.AugmentIMU},
		{[]string{"patience"}, !t.noEarlyStopping, "is early stopping's, which --no-early-stopping turns off"},
		{[]string{"plateau-factor", "plateau-patience", "plateau-min-delta", "plateau-cooldown"},
			t.cfg.Schedule.Kind == train.SchedulePlateau, "needs --schedule " + train.SchedulePlateau},
	} {
		for _, name := range v.flags {
			if t.set.Changed(name) && !v.works {
				if t.recipe != recipes[0].name {
					return fmt.Errorf("--%s %s (see what recipe %s sets)", name, v.why, t.recipe)
				}
				return fmt.Errorf("--%s %s", name, v.why)
			}
		}
	}
	return nil
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
	if path != device.PathAuto && path != device.PathGeneral && path != device.PathResident {
		return usagef("--path %q: it must be %s, %s or %s", path, device.PathAuto, device.PathGeneral, device.PathResident)
	}
	return nil
}

// checkPrecision returns a usage error for a --precision that there is not.
func checkPrecision(precision string) error {
	if precision != device.PrecisionFloat32 && precision != device.PrecisionMixed {
		return usagef("--precision %q: it must be %s or %s", precision, device.PrecisionFloat32, device.PrecisionMixed)
	}
	return nil
}

// open opens the device that the flags name, set as they say. The caller closes it.
func (t *trainFlags) open() (*device.Device, error) {
	d, err := device.Open(t.device)
	if err != nil {
		return nil, err
	}
	if err := t.setDevice(d); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// setDevice sets a device as the flags say.
func (t *trainFlags) setDevice(d *device.Device) error {
	d.HostAdam = t.adam == "host"
	if err := d.SetPrecision(t.precision); err != nil {
		return err
	}
	return d.SetPath(t.path)
}

// dataFlags adds the flags that choose what is read from an npz file.
func dataFlags(f *pflag.FlagSet, k *data.Keys) {
	f.StringVar(&k.X, "x-key", "X", "array of the windows in the file")
	f.StringVar(&k.Y, "y-key", "y", "array of the labels in the file: whole numbers, text, or one-hot rows")
	f.StringVar(&k.Positive, "positive", "", "of two classes the `name` of the one to be found (default: the second of sorted(set(y)))")
	f.StringVar(&k.Group, "group-key", "", "array of each window's recording or person (default: the first of video_names, subject, group, video_ids)")
}

// splitFlag adds --split, of the commands that part the windows themselves.
func splitFlag(f *pflag.FlagSet, split *string) {
	grouped(f, groupData, func() {
		f.StringVar(split, "split", *split, "how to part the windows, 70/15/15: random, or group (recordings stay whole)")
	})
}

// deviceFlag adds --device.
func deviceFlag(f *pflag.FlagSet, device *string) {
	f.StringVar(device, "device", "auto", "auto (the best real GPU, else cpu), cpu, or an index or name as 'vklstm devices' lists them")
}

// alphaValue is --focal-alpha: a number, or one for each class.
type alphaValue train.Config

// String implements pflag.Value.
func (a *alphaValue) String() string {
	if a == nil || a.ClassAlpha == nil {
		return strconv.FormatFloat(a.FocalAlpha, 'g', -1, 64)
	}
	var text []string
	for _, v := range a.ClassAlpha {
		text = append(text, strconv.FormatFloat(v, 'g', -1, 64))
	}
	return strings.Join(text, ",")
}

// Set implements pflag.Value.
func (a *alphaValue) Set(s string) error {
	var list []float64
	for part := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return fmt.Errorf("it must be a number, or one for each class with commas between them, such as 0.2,0.5,0.3")
		}
		list = append(list, v)
	}
	if a.ClassAlpha = nil; len(list) == 1 {
		a.FocalAlpha = list[0]
	} else {
		a.ClassAlpha = list
	}
	return nil
}

// Type implements pflag.Value.
func (a *alphaValue) Type() string { return "floats" }

// unitsValue is --lstm-units: whole numbers with commas between them.
type unitsValue []int

// String implements pflag.Value.
func (u *unitsValue) String() string {
	text := make([]string, len(*u))
	for i, n := range *u {
		text[i] = strconv.Itoa(n)
	}
	return strings.Join(text, ",")
}

// Set implements pflag.Value.
func (u *unitsValue) Set(s string) error {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("it must be a whole number, or several with commas between them, such as 64,32")
		}
		list = append(list, n)
	}
	*u = list
	return nil
}

// Type implements pflag.Value.
func (u *unitsValue) Type() string { return "ints" }
