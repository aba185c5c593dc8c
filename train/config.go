package train

import (
	"io"
	"os"
	"path/filepath"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
	"vklstm/train/metrics"
	"vklstm/train/progress"
	"vklstm/train/saved"
)

// The values of Config.Split.
const (
	SplitByWindow = "random" // windows are shuffled; windows of one recording may lie on both sides
	SplitByGroup  = "group"  // a group (recording, person) stays whole
)

// The names of the files that a run writes.
const (
	CheckpointFile  = "lstm_best.h5"
	KerasFile       = "lstm_best.keras"
	HistoryFile     = "lstm_history.csv"
	HistoryPlotFile = "training_history.png"
	ROCPlotFile     = "roc_curve.png"
	ConfusionFile   = "confusion_matrix.png"
	TestMetricsFile = "test_metrics.json"
	maxEpochs       = 1_000_000
	maxBatch        = 1 << 20
	maxUnits        = 4096 // the orthogonal start of more would take minutes and gigabytes
)

// Config is what a run of LSTM does. Start from DefaultConfig: a zero value is a setting of its own (no dropout,
// no class weights), not a default.
type Config struct {
	Name    string        // of the model among others, which its lines of the log begin with; empty: none
	Data    string        // path of the npz file; empty: Dataset, or the sample that Sample makes
	Keys    data.Keys     // arrays of the file to read
	Dataset *data.Dataset // data in memory, instead of Data
	Split   string        // SplitByWindow or SplitByGroup
	Parts   *data.Parts   // the three parts, instead of Split
	Scale   string        // ScaleNone, ScaleMinMax or ScaleStandard, fitted on the training part, or ScaleFile
	Seed    uint32        // of the split, the initial parameters, the order of windows, dropout and augmentation

	Units         []int   // of each LSTM layer, from the input on
	Bidirectional bool    // every LSTM layer takes the time steps in both directions
	Dropout       float64 // share of LSTM outputs dropped in training, in [0,1)
	DenseUnits    int     // of the hidden dense layer

	Activation model.Activation // of every LSTM layer, model.Relu, or model.Tanh, which "" means too
	Layers     []model.Layer    // between the masking and the layer that tells the classes apart, in place of the five settings before; nil: those
	Masking    data.Masking     // which steps are left out

	Epochs         int       // at most
	Batch          int       // windows in a training step; the last step of an epoch may have fewer
	Augment        string    // AugmentNone, AugmentModerate, AugmentStrong or AugmentIMU
	Triplets       int       // AugmentIMU: the first 3·Triplets features are vectors that turn; 0: all features are
	Focal          bool      // focal loss instead of binary crossentropy
	FocalAlpha     float64   // weight of y = 1 in the focal loss, 1 − FocalAlpha that of y = 0; of more than two classes the weight of all
	ClassAlpha     []float64 // of more than two classes, the focal loss's weight of each; nil: FocalAlpha
	FocalGamma     float64   // the focal loss's exponent
	LabelSmoothing float64   // share of the crossentropy's target that all classes have alike
	ClassWeights   bool      // weigh windows by n/(classes·count) of their class

	LearningRate   float64  // Adam's, per step; what Schedule starts from
	Schedule       Schedule // how the learning rate changes
	ClipNorm       float64  // each variable's gradient is scaled down to this L2 norm; 0: not
	GlobalClipNorm float64  // all gradients are scaled down together to this L2 norm; 0: not
	WeightDecay    float64  // AdamW: each step takes WeightDecay·(learning rate) of every parameter away, biases too
	L2             float64  // penalty L2·Σp² over every kernel, biases free; the losses told are without it

	// Monitor is the column of the history that decides about the best weights, early stopping and plateaus: one of Monitors.
	Monitor string
	// EarlyStopping ends training when Monitor was not better for Patience epochs, and puts the best weights back.
	// Without it all Epochs are trained and the last weights are the model.
	EarlyStopping bool
	Patience      int  // epochs without a better validation F1 after which EarlyStopping ends training
	TrainOnVal    bool // the validation part is trained on too, and there is no validation; not with EarlyStopping

	// Threshold is how the model's decision threshold is found, by the validation part and the weights that are kept.
	Threshold metrics.ThresholdRule

	// Ensemble is how many models LSTM trains side by side, whose probabilities are averaged: with seeds Seed, Seed + 1, …
	// for weights, order, dropout and augmentation, on the parts that Seed gives. A Pool has its own runs, and does not
	// look at it.
	Ensemble     int
	partsOfSplit bool // Parts were made as Split says

	SaveBest      bool   // write CheckpointFile at each better validation F1
	CheckpointDir string // folder of CheckpointFile
	SaveKeras     bool   // write KerasFile, with the optimizer's state, in place of CheckpointFile
	HistoryDir    string // folder of HistoryFile; empty: not written
	PlotDir       string // folder of the pictures and TestMetricsFile; empty: not written

	Engine    device.Factory // nil: the best device, as device.Open("auto") finds it
	Callbacks []Callback     // called after the built-in ones
	From      *Snapshot      // go on from here; nil: from initial weights
	Init      *saved.Model   // start from its weights, its scaling, and its optimizer's moments and step, not from initial weights

	// DropWindows lets go of the windows that were read from Data once the test part is scored, before the pictures are
	// drawn, which need memory too: Result.Dataset then holds labels and groups, and no X.
	DropWindows bool

	Recipe    string    // a line for the log about what the settings come from; "": none
	Log       io.Writer // progress and notes; nil: none
	Out       io.Writer // the final tables and the list of files; nil: none
	LogFormat string    // progress.Text or progress.JSON; JSON puts the result into Log and nothing into Out
	Quiet     bool      // of Log only warnings remain
}

// DefaultConfig returns the settings that `vklstm train` starts from.
func DefaultConfig() Config {
	return Config{
		Split: SplitByWindow, Scale: data.ScaleNone, Seed: 42,
		Units: []int{64}, Dropout: 0.3, DenseUnits: 32,
		Epochs: 100, Batch: 32, Augment: AugmentNone, Focal: true, FocalAlpha: 0.25, FocalGamma: 2, ClassWeights: true,
		LearningRate: 1e-3, Schedule: DefaultSchedule(), Monitor: "val_f1", EarlyStopping: true, Patience: 10, Threshold: metrics.ThresholdRule{Kind: metrics.ThresholdFixed, Value: metrics.DefaultThreshold}, Ensemble: 1,
		CheckpointDir: "checkpoints", HistoryDir: "history", PlotDir: "plots",
		Log: os.Stderr, Out: os.Stdout, LogFormat: progress.Text,
	}
}

// Network returns the network for windows and classes like d's. The error says what of it is not supported or too large.
func (c Config) Network(d *data.Dataset) (model.Spec, error) {
	layers := c.Layers
	if layers == nil {
		for _, n := range c.Units {
			l := model.Layer{Kind: model.LSTM, Units: n, Bidirectional: c.Bidirectional}
			if c.Activation != model.Tanh {
				l.Activation = c.Activation
			}
			layers = append(layers, l)
		}
		layers = append(layers, model.Layer{Kind: model.Dropout, Rate: c.Dropout}, model.Layer{Kind: model.Dense, Units: c.DenseUnits, Activation: model.Relu})
	}
	var masking *model.Layer
	if !c.Masking.Off {
		masking = &model.Layer{Kind: model.Masking, MaskValue: float64(c.Masking.Value)}
	}
	spec := model.Network(d.T, d.F, masking, layers, len(d.Names()))
	if c.Init != nil && len(d.Names()) == 2 && c.Init.Outputs() == 2 { // a softmax over two classes
		last := &spec.Layers[len(spec.Layers)-1]
		last.Units, last.Activation = 2, model.Softmax
	}
	_, err := spec.Chain()
	return spec, err
}

// options returns what the engine is told about the model of so many outputs, which reads values scaled by s.
func (c Config) options(s data.Scaling, outputs int) (model.Options, error) {
	augment, err := AugmentPreset(c.Augment, len(s.Offset), c.Triplets)
	if unbounded(augment) {
		s.Low, s.High = nil, nil
	}
	return model.Options{Loss: c.loss(outputs), Optimizer: c.optimizer(), Scaling: s.Scaling, Augment: augment, Seed: uint64(c.Seed)}, err
}

// loss returns the training loss of a network of so many outputs.
func (c Config) loss(outputs int) model.Loss {
	l := model.Loss{LabelSmoothing: c.LabelSmoothing}
	switch {
	case c.Focal && outputs > 1:
		l.Kind, l.Alpha, l.ClassAlpha, l.Gamma = model.CategoricalFocal, c.FocalAlpha, c.ClassAlpha, c.FocalGamma
	case c.Focal:
		l.Kind, l.Alpha, l.Gamma = model.BinaryFocal, c.FocalAlpha, c.FocalGamma
	case outputs > 1:
		l.Kind = model.CategoricalCrossentropy
	default:
		l.Kind = model.BinaryCrossentropy
	}
	return l
}

// optimizer returns what moves the parameters.
func (c Config) optimizer() model.Optimizer {
	o := model.DefaultAdam()
	if c.Init != nil && c.Init.Optimizer.Kind != "" {
		was := c.Init.Optimizer
		o.Beta1, o.Beta2, o.Epsilon = was.Beta1, was.Beta2, was.Epsilon // which no setting names
	}
	o.ClipNorm, o.GlobalClipNorm, o.WeightDecay, o.L2 = c.ClipNorm, c.GlobalClipNorm, c.WeightDecay, c.L2
	return o
}

// paths are where the files of a run go; empty: not written.
type paths struct{ checkpoint, history, historyPlot, roc, confusion, metrics string }

func (c Config) paths() paths {
	var p paths
	if c.SaveBest {
		name := CheckpointFile
		if c.SaveKeras {
			name = KerasFile
		}
		p.checkpoint = filepath.Join(c.CheckpointDir, name)
	}
	if c.HistoryDir != "" {
		p.history = filepath.Join(c.HistoryDir, HistoryFile)
	}
	if c.PlotDir != "" {
		p.historyPlot = filepath.Join(c.PlotDir, HistoryPlotFile)
		p.roc = filepath.Join(c.PlotDir, ROCPlotFile)
		p.confusion = filepath.Join(c.PlotDir, ConfusionFile)
		p.metrics = filepath.Join(c.PlotDir, TestMetricsFile)
	}
	return p
}

// check finds a folder that cannot be written to before training, not after it.
func (p paths) check() error {
	for _, path := range []string{p.checkpoint, p.history, p.historyPlot, p.roc, p.confusion, p.metrics} {
		if path == "" {
			continue
		}
		if err := files.CheckWritable(path); err != nil {
			return err
		}
	}
	return nil
}
