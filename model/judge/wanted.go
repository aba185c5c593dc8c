package judge

import (
	"fmt"
	"strings"
)

// wanted returns Keras's numbers under the names that the runs put theirs under, and the shapes to call elements by.
func (p *problem) wanted() (*Numbers, map[string][]int, error) {
	var o Numbers
	shapes := map[string][]int{}
	take := func(names ...string) {
		for _, n := range names {
			if a, ok := p.arrays[n]; ok {
				o.Put(n, a.Data...)
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
		o.Put("predict", p.arrays["probability"].Data...)
		shapes["predict"] = p.arrays["probability"].Shape
	case "optimizer":
		for k := range p.arrays["learning_rate"].Data {
			in, out := fmt.Sprintf("step%d/", k+1), fmt.Sprintf("step %d ", k+1)
			o.Put(out+"loss", p.arrays[in+"loss"].Data...)
			o.Flat(out+"gradient", p.layout, p.flat(in+"d/"))
			o.Flat(out+"parameters", p.layout, p.flat(in))
			o.Flat(out+"m", p.layout, p.flat(in+"m/"))
			o.Flat(out+"v", p.layout, p.flat(in+"v/"))
		}
	case "trajectory":
		take("probability", "val_probability", "history/loss", "history/val_loss")
		for _, n := range []string{"accuracy", "precision", "recall", "auc", "auc_exact"} {
			take("history/"+n, "history/val_"+n)
		}
		o.Flat("final parameters", p.layout, p.flat("final/"))
	}
	return &o, shapes, nil
}

// unread returns the names of arrays that hold results and that no run is compared with.
func (p *problem) unread(compared *Numbers) []string {
	var names []string
	for name := range p.arrays {
		_, ok := compared.values[name]
		if !ok && strings.HasPrefix(name, "history/") {
			names = append(names, name)
		}
	}
	return names
}
