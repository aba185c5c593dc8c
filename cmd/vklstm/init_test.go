package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"vklstm/model"
	"vklstm/model/keras"
	"vklstm/train"
)

// TestInitFlags takes over from a file what no flag names.
func TestInitFlags(t *testing.T) {
	s := model.Stack(5, 3, []int{4, 2}, true, 0.25, 3)
	rule := model.DefaultAdam()
	rule.L2, rule.GlobalClipNorm, rule.WeightDecay = 0.01, 0.5, 0.004
	b, err := keras.EncodeKeras(&keras.File{Spec: s, Params: s.Init(1).Params, Loss: model.Loss{Kind: model.BinaryFocal, Alpha: 0.3, Gamma: 1.5}, LearningRate: 0.002, Rule: rule})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.keras")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(args string) train.Config {
		t.Helper()
		f := pflag.NewFlagSet("train", pflag.ContinueOnError)
		flags := addTrainFlags(f)
		err := f.Parse(strings.Fields(args))
		if err == nil {
			err = flags.init(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := flags.config()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return c
	}
	c := start("")
	if c.L2 != 0.01 || c.GlobalClipNorm != 0.5 || c.ClipNorm != 0 || c.WeightDecay != 0.004 || c.LearningRate != 0.002 || c.FocalAlpha != 0.3 || c.FocalGamma != 1.5 ||
		!c.Focal || !reflect.DeepEqual(c.Layers, s.Layers[1:len(s.Layers)-1]) || c.Masking.Off || c.Init == nil || len(c.Init.Lost) > 0 {
		t.Errorf("without flags: %+v", c)
	}
	c = start("--l2 0 --clipnorm 2 --weight-decay 0 --lr 0.1 --no-focal-loss --dropout 0.5")
	if c.L2 != 0 || c.GlobalClipNorm != 0 || c.ClipNorm != 2 || c.WeightDecay != 0 || c.LearningRate != 0.1 || c.Focal || c.Layers[2].Rate != 0.5 {
		t.Errorf("with flags: %+v", c)
	}
}

// What export and convert read they do not replace, and what they do not know they do not make up.
func TestExportSpares(t *testing.T) {
	s := model.Classifier(5, 3, 4, 0, 3)
	b, err := keras.Encode(&keras.File{Spec: s, Params: s.Init(1).Params})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "m.h5")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"export", "convert"} {
		r := vklstm(t, dir, command, "--model", "m.h5", "--out", path)
		if now, _ := os.ReadFile(path); r.status != 2 || !strings.Contains(r.errout, "would replace") || string(now) != string(b) {
			t.Errorf("%s: %+v", command, r)
		}
		if r := vklstm(t, dir, command, "--model", "m.h5", "--out", "m.keras"); r.status != 0 {
			t.Errorf("%s: %+v", command, r)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, "m.keras")); !strings.Contains(string(now), `"epoch":-1,"val_f1":null`) {
			t.Errorf("%s made up a validation F1", command)
		}
	}
}
