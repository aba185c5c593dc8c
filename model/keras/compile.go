package keras

import (
	"encoding/json"
	"math"
	"strings"

	"vklstm/model"
)

// compile is what a training_config or compile_config says.
type compile struct {
	loss      model.Loss // without kind when it is none of ours
	lossName  string
	rate      float64 // learning rate, 0 when it is not one number
	optimizer string  // class in lower case, without its package
	rule      model.Optimizer
}

// parseCompile reads training_config (optimizerKey "optimizer_config") or compile_config ("optimizer") of a network with that many
// classes. What it does not understand stays empty, since the weights are sound without it.
func parseCompile(text []byte, optimizerKey string, classes int) compile {
	var c compile
	s := settings{}
	if json.Unmarshal(text, &s) != nil {
		return c
	}
	o, name := objectOrName(s[optimizerKey])
	c.optimizer = strings.ToLower(name)
	config := settings{}
	if o != nil && json.Unmarshal(o.Config, &config) == nil {
		if config.get("learning_rate", &c.rate) != nil || !(c.rate > 0 && c.rate <= math.MaxFloat32) {
			c.rate = 0
		}
	}
	if c.optimizer == "adam" || c.optimizer == "adamw" {
		c.rule = adamRule(config)
	}
	o, c.lossName = objectOrName(s["loss"])
	class := strings.ReplaceAll(strings.ToLower(c.lossName), "_", "")
	opts := struct {
		Name      string          `json:"name"`
		Balancing bool            `json:"apply_class_balancing"`
		Alpha     json.RawMessage `json:"alpha"`
		Gamma     float64         `json:"gamma"`
		Logits    bool            `json:"from_logits"`
		Smoothing float64         `json:"label_smoothing"`
	}{Gamma: 2}
	if o != nil {
		if json.Unmarshal(o.Config, &opts) != nil {
			return c
		}
		if opts.Name != "" {
			c.lossName = opts.Name
		}
	}
	l := model.Loss{LabelSmoothing: opts.Smoothing}
	switch {
	case class == "binarycrossentropy":
		l.Kind = model.BinaryCrossentropy
	case class == "categoricalcrossentropy", class == "sparsecategoricalcrossentropy":
		l.Kind = model.CategoricalCrossentropy
	case class == "binaryfocalcrossentropy" && opts.Balancing: // without balancing there is no alpha
		l.Kind, l.Alpha, l.Gamma = model.BinaryFocal, 0.25, opts.Gamma
	case class == "categoricalfocalcrossentropy":
		l.Kind, l.Alpha, l.Gamma = model.CategoricalFocal, 0.25, opts.Gamma
	}
	if len(opts.Alpha) > 0 && json.Unmarshal(opts.Alpha, &l.Alpha) != nil && json.Unmarshal(opts.Alpha, &l.ClassAlpha) != nil {
		return c
	}
	if !opts.Logits && l.Check(classes) == nil {
		c.loss = l
	}
	return c
}

// adamRule returns the settings of Adam and AdamW, those of Keras where config has none; without kind where they are none
// of ours.
func adamRule(config settings) model.Optimizer {
	o := model.DefaultAdam()
	for _, v := range []struct {
		name string
		to   *float64
	}{{"beta_1", &o.Beta1}, {"beta_2", &o.Beta2}, {"epsilon", &o.Epsilon}, {"weight_decay", &o.WeightDecay},
		{"clipnorm", &o.ClipNorm}, {"global_clipnorm", &o.GlobalClipNorm}} {
		if config.get(v.name, v.to) != nil {
			return model.Optimizer{}
		}
	}
	if o.Check() != nil || config.set("amsgrad") || config.set("clipvalue") || config.set("use_ema") ||
		config.set("gradient_accumulation_steps") || config.set("decay") { // Keras 2 once had a decay of the learning rate
		return model.Optimizer{}
	}
	return o
}

// objectOrName reads a Keras object, or a name that stands for one with its defaults. The name is the class without
// the package of a registered one ("Custom>Adam").
func objectOrName(raw json.RawMessage) (*object, string) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return nil, name
	}
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil, ""
	}
	if o.Class == "function" && json.Unmarshal(o.Config, &name) == nil {
		return nil, name
	}
	return &o, o.Class[strings.LastIndex(o.Class, ">")+1:]
}
