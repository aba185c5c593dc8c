package golden

import (
	"fmt"
	"strings"
)

// wanted returns Keras's numbers under the names that the runs put theirs under, and the shapes to call elements by.
func (p *problem) wanted() (*outputs, map[string][]int) {
	var o outputs
	shapes := map[string][]int{}
	take := func(names ...string) {
		for _, n := range names {
			if a, ok := p.arrays[n]; ok {
				o.put(n, a.Data...)
				shapes[n] = a.Shape
			}
		}
	}
	switch p.Kind {
	case "gradient":
		take("mask", "h", "h_last", "c_last", "logit", "probability", "loss_rows", "loss")
		if p.Weighted {
			for i, w := range p.arrays["sample_weight"].Data {
				o.values["loss_rows"][i] *= w // engines know no other
			}
		}
		for _, v := range p.layout.Variables {
			take("d/" + v.Name)
		}
		take("d/x")
		o.put("predict", p.arrays["probability"].Data...)
		shapes["predict"] = p.arrays["probability"].Shape
	case "optimizer":
		for k := range p.arrays["learning_rate"].Data {
			in, out := fmt.Sprintf("step%d/", k+1), fmt.Sprintf("step %d ", k+1)
			o.put(out+"loss", p.arrays[in+"loss"].Data...)
			o.flat(out+"gradient", p.layout, p.flat(in+"d/"))
			o.flat(out+"parameters", p.layout, p.flat(in))
			o.flat(out+"m", p.layout, p.flat(in+"m/"))
			o.flat(out+"v", p.layout, p.flat(in+"v/"))
		}
	case "trajectory":
		take("probability", "val_probability", "history/loss", "history/val_loss")
		for _, n := range []string{"accuracy", "precision", "recall", "auc", "auc_exact"} {
			take("history/"+n, "history/val_"+n)
		}
		o.flat("final parameters", p.layout, p.flat("final/"))
	}
	return &o, shapes
}

// unread returns the names of arrays that hold results and that no run is compared with.
func (p *problem) unread(compared *outputs) []string {
	var names []string
	for name := range p.arrays {
		_, ok := compared.values[name]
		if !ok && strings.HasPrefix(name, "history/") {
			names = append(names, name)
		}
	}
	return names
}
