package portable

import (
	"vklstm/model"
	"vklstm/model/philox"
)

// network is one model's parameters: views of its flat array in model.Layout order.
type network struct {
	lstms     [][]weights // of each layer's directions
	dense     []float32   // [Out][D]
	denseBias []float32   // [D]
	output    []float32   // [D]
	outBias   []float32   // [1]
}

// weights are one direction's of an LSTM layer.
type weights struct {
	all       []float32 // [In+H+1][4H]: the three below one another
	kernels   []float32 // [In+H][4H]: kernel above recurrent_kernel
	recurrent []float32 // [H][4H]
	bias      []float32 // [4H]
}

// networkOf returns the views of a flat array, of parameters or of gradients.
func networkOf(d model.Chain, l model.Layout, flat []float32) network {
	v := func(i int) []float32 { return l.Variables[i].Of(flat) }
	head := d.Head()
	n := network{dense: v(head), denseBias: v(head + 1), output: v(head + 2), outBias: v(head + 3)}
	for _, r := range d.LSTMs {
		var layer []weights
		for i := r.First; i < r.First+3*r.Directions(); i += 3 {
			first, bias := l.Variables[i].Offset, l.Variables[i+2]
			layer = append(layer, weights{all: flat[first : bias.Offset+bias.Size()], kernels: flat[first:bias.Offset], recurrent: v(i + 1), bias: v(i + 2)})
		}
		n.lstms = append(n.lstms, layer)
	}
	return n
}

// dropout says how a training step drops LSTM outputs.
type dropout struct {
	key       [2]uint32
	threshold uint32 // of philox.Below(rate); 0: none
	scale     float32
	time      uint32 // optimizer step, from 0
}

// draw writes what the block's rows keep. Row i of the block is row row0 + i of the batch.
func (b *block) draw(d dropout, row0 int) {
	for r, i := range b.order[:b.n] {
		keep := row(b.keep, r, b.Out())
		var words [4]uint32
		for u := range keep {
			if u%4 == 0 {
				words = philox.Draw([4]uint32{uint32(u / 4), uint32(row0 + i), d.time, philox.DropoutMask}, d.key)
			}
			keep[u] = 0
			if words[u%4]>>8 >= d.threshold {
				keep[u] = d.scale
			}
		}
	}
}

// scaleKept writes a·keep to out, which may be a, and 0 where a unit is dropped, whatever a holds there.
func scaleKept(out, a, keep []float32) {
	for u, k := range keep {
		if k != 0 {
			out[u] = a[u] * k
		} else {
			out[u] = 0
		}
	}
}

// headForward takes the rows' last h through dropout (when drop is set; draw has been called) and both Dense layers to
// b.logit.
func (b *block) headForward(p network, drop bool) {
	n, H, D := b.n, b.Out(), b.D
	if drop {
		scaleKept(b.dropped, b.h, b.keep[:n*H])
	} else {
		copy(b.dropped, b.h[:n*H])
	}
	for r := range n {
		copy(row(b.dense, r, D), p.denseBias)
	}
	multiply(n, D, H, b.dropped, H, p.dense, D, b.dense, D)
	for r := range n {
		y := row(b.dense, r, D)
		sum := float32(0)
		for i, v := range y {
			if v < 0 { // NaN stays NaN
				v, y[i] = 0, 0
			}
			sum += float32(v * p.output[i])
		}
		b.logit[r] = sum + p.outBias[0]
	}
}

// headBackward takes b.dLogit back to b.dh, and adds the gradients of the Dense layers' variables to grad.
func (b *block) headBackward(p network, drop bool, grad network) {
	n, H, D := b.n, b.Out(), b.D
	for r, d := range b.dLogit[:n] {
		y, dy := row(b.dense, r, D), row(b.dDense, r, D)
		for i, v := range y {
			grad.output[i] += float32(d * v)
			dy[i] = 0
			if v > 0 {
				dy[i] = d * p.output[i]
			}
			grad.denseBias[i] += dy[i]
		}
		grad.outBias[0] += d
	}
	addGradient(n, H, D, b.dropped, b.dDense, grad.dense)
	clear(b.dh[:n*H])
	multiplyTransposed(n, H, D, b.dDense, D, p.dense, D, b.dh, H)
	if drop {
		scaleKept(b.dh, b.dh, b.keep[:n*H])
	}
}
