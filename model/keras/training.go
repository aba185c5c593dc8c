package keras

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// training is what a model's configuration says of training beside its layers.
type training struct {
	l2      float64  // penalty on the squares of every kernel, 0: none
	ignored []string // one sentence each, what is not kept
}

// penalty is a kernel's regularizer.
type penalty struct {
	l2   float64 // 0: none
	says string  // sentence for where it is not kept; empty for none
}

// trains collects the settings of a layer that act in Keras's training only.
func (p *parser) trains(class, where string, s settings) {
	ignore := func(name string) string {
		return fmt.Sprintf("%s has %s, which acts in Keras's training only and is not kept", where, name)
	}
	kernels := map[string][]string{"LSTM": {"kernel_regularizer", "recurrent_regularizer"}, "Dense": {"kernel_regularizer"}}[class]
	for _, name := range kernels {
		one := penalty{}
		if s.set(name) {
			one = penalty{ridge(s[name]), ignore(name)}
		}
		p.penalties = append(p.penalties, one)
	}
	for _, name := range []string{
		"bias_regularizer", "activity_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout",
		"recurrent_dropout", "noise_shape",
	} {
		if s.set(name) {
			p.ignored = append(p.ignored, ignore(name))
		}
	}
	trainable := true
	if s.get("trainable", &trainable) == nil && !trainable {
		p.ignored = append(p.ignored, where+" is frozen, which acts in Keras's training only and is not kept")
	}
}

// training returns what the layers say. A penalty is kept where it is that of model.Optimizer: the same on every kernel.
func (p *parser) training() training {
	t := training{ignored: p.ignored}
	same := len(p.penalties) > 0
	for _, one := range p.penalties {
		same = same && one.l2 > 0 && one.l2 == p.penalties[0].l2
	}
	if same {
		t.l2 = p.penalties[0].l2
		return t
	}
	for _, one := range p.penalties {
		if one.says != "" {
			t.ignored = append(t.ignored, one.says)
		}
	}
	return t
}

// ridge returns λ of a regularizer λ·Σp², and 0 for another.
func ridge(raw json.RawMessage) float64 {
	var o object
	if json.Unmarshal(raw, &o) != nil || o.Class != "L2" && o.Class != "L1L2" {
		return 0
	}
	config := settings{}
	if json.Unmarshal(o.Config, &config) != nil || config.set("l1") {
		return 0
	}
	l2 := 0.0
	if config.get("l2", &l2) != nil || !(l2 > 0) {
		return 0
	}
	if float64(float32(l2)) == l2 { // Keras 2 keeps float32
		l2, _ = strconv.ParseFloat(strconv.FormatFloat(l2, 'g', -1, 32), 64)
	}
	return l2
}
