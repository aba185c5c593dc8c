package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"vklstm/train"
	"vklstm/train/metrics"
)

// parsed returns the settings that arguments ask for.
func parsed(args ...string) (train.Config, error) {
	f := pflag.NewFlagSet("train", pflag.ContinueOnError)
	t := addTrainFlags(f)
	if err := f.Parse(joinAugment(args)); err != nil {
		return train.Config{}, err
	}
	return t.config()
}

// inWords is a Config as text, to compare.
func inWords(c train.Config) string { return fmt.Sprintf("%+v", c) }

func TestTrainFlags(t *testing.T) {
	standard, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	for args, change := range map[string]func(*train.Config){
		"":                                   func(*train.Config) {},
		"--lstm-units 128":                   func(c *train.Config) { c.Units = []int{128} },
		"--lstm-units 64,32 --bidirectional": func(c *train.Config) { c.Units, c.Bidirectional = []int{64, 32}, true },
		"--focal-alpha .5 --focal-gamma 1":   func(c *train.Config) { c.FocalAlpha, c.FocalGamma = .5, 1 },
		"--no-focal-loss --no-class-weights": func(c *train.Config) { c.Focal, c.ClassWeights = false, false },
		"--no-early-stopping --train-on-val": func(c *train.Config) { c.EarlyStopping, c.TrainOnVal = false, true },
		"--weight-decay .01 --l2 .5":         func(c *train.Config) { c.WeightDecay, c.L2 = .01, .5 },
		"--augment imu --triplets 2":         func(c *train.Config) { c.Augment, c.Triplets = "imu", 2 },
		"--clipnorm 1":                       func(c *train.Config) { c.ClipNorm = 1 },
		"--global-clipnorm 2":                func(c *train.Config) { c.GlobalClipNorm = 2 },
		"--schedule cosine --warmup 1.5":     func(c *train.Config) { c.Schedule.Kind, c.Schedule.Warmup = train.ScheduleCosine, 1.5 },
		"--schedule cosine --min-lr 1e-4":    func(c *train.Config) { c.Schedule.Kind, c.Schedule.MinLR = train.ScheduleCosine, 1e-4 },
		"--threshold recall>=.9":             func(c *train.Config) { c.Threshold = metrics.ThresholdRule{Kind: metrics.ThresholdRecall, Value: .9} },
		"--recipe original --lr .01":         func(c *train.Config) { c.LearningRate = .01 },
		"--recipe pose": func(c *train.Config) {
			c.Recipe = "recipe pose: --batch 32 --augment moderate --scale standard --no-focal-loss --no-class-weights --lr 0.003 --schedule cosine --epochs 60 --weight-decay 0.01 --global-clipnorm 1 --no-early-stopping --train-on-val"
			c.Scale, c.Focal, c.ClassWeights, c.Augment, c.LearningRate, c.Schedule.Kind = "standard", false, false, train.AugmentModerate, .003, train.ScheduleCosine
			c.Epochs, c.WeightDecay, c.GlobalClipNorm, c.EarlyStopping, c.TrainOnVal = 60, .01, 1, false, true
		},
		"--lr 1e-2 --recipe imu --scale minmax --no-early-stopping=false --train-on-val=false --patience 3": func(c *train.Config) {
			c.Recipe = "recipe imu: --batch 64 --augment imu --no-focal-loss --no-class-weights --schedule cosine --epochs 60 --weight-decay 0.01 --global-clipnorm 1; " +
				"as given: --scale minmax --lr 0.01 --no-early-stopping=false --train-on-val=false"
			c.Scale, c.Focal, c.ClassWeights, c.Batch, c.LearningRate = "minmax", false, false, 64, .01
			c.Schedule.Kind, c.Epochs, c.WeightDecay, c.GlobalClipNorm, c.Augment, c.Patience = train.ScheduleCosine, 60, .01, 1, train.AugmentIMU, 3
		},
		"--schedule plateau --plateau-factor .5 --plateau-patience 3 --plateau-min-delta .01 --plateau-cooldown 2": func(c *train.Config) {
			c.Schedule = train.Schedule{Kind: train.SchedulePlateau, Factor: .5, Patience: 3, MinDelta: .01, Cooldown: 2}
		},
	} {
		want := standard
		change(&want)
		got, err := parsed(strings.Fields(args)...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if !slices.Equal(got.Units, want.Units) {
			t.Errorf("%s: units %v, want %v", args, got.Units, want.Units)
		}
		got.Units, want.Units, got.Log, want.Log, got.Out, want.Out = nil, nil, nil, nil, nil, nil
		if g, w := inWords(got), inWords(want); g != w {
			t.Errorf("%s:\n%s, want\n%s", args, g, w)
		}
	}
	for args, want := range map[string]string{
		"--lstm-units 64;32":                     "it must be a whole number, or several with commas",
		"--lstm-units 64,":                       "it must be a whole number, or several with commas",
		"--no-focal-loss --focal-gamma 1":        "--focal-gamma is the focal loss's, which --no-focal-loss turns off",
		"--augment strong --triplets 1":          "--triplets needs --augment imu",
		"--augment imu --triplets -1":            "triplets is -1; it must be at least 0",
		"--no-early-stopping --patience 3":       "--patience is early stopping's, which --no-early-stopping turns off",
		"--plateau-factor .5":                    "--plateau-factor needs --schedule plateau",
		"--schedule cosine --plateau-cooldown 2": "--plateau-cooldown needs --schedule plateau",
		"--schedule linear":                      `schedule is "linear"; it must be one of constant, cosine, plateau`,
		"--train-on-val":                         "add no-early-stopping",
		"--clipnorm 1 --global-clipnorm 1":       "give one",
		"--recipe best":                          `--recipe "best": it must be one of original, imu, pose`,
		"--threshold recall":                     "it lacks its share: write it in quotes",
		"--threshold 2":                          "it must be above 0 and below 1",
		"--recipe imu --threshold best-f1":       "train-on-val leaves none",
		"--recipe imu --patience 3":              "--no-early-stopping turns off (see what recipe imu sets)",
		"--recipe imu --no-early-stopping=false": "add no-early-stopping",
		"--weight-decay -1":                      "weight-decay is -1",
	} {
		if _, err := parsed(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}

// TestRecipes has every recipe alone make sense.
func TestRecipes(t *testing.T) {
	for _, r := range recipes {
		if c, err := parsed("--recipe", r.name); err != nil || (c.Recipe == "") != (len(r.flags) == 0) {
			t.Errorf("%s: %v, told as %q", r.name, err, c.Recipe)
		}
	}
}

// TestHelpColumns keeps the help of the commands with flags in groups within 80 columns, every flag in a group of a name.
func TestHelpColumns(t *testing.T) {
	r := vklstm(t, t.TempDir(), "train", "--help")
	if r.status != 0 {
		t.Fatal(r.errout)
	}
	for line := range strings.Lines(r.out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpColumns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, f := range []string{"--data", "--split", "--lstm-units", "--clipnorm", "--no-early-stopping", "--save-best", "--device"} {
		if strings.Count(r.out, "      "+f+" ") != 1 {
			t.Errorf("%s is not listed once:\n%s", f, r.out)
		}
	}
	if _, rest, _ := strings.Cut(r.out, "\nElse:\n"); strings.Count(rest, "--") != 1 {
		t.Errorf("flags without a group: %s", rest)
	}
}
