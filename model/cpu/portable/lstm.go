package portable

import "vklstm/model"

// walk is a core's working memory for one direction of one LSTM layer: its way over the valid steps of a block's rows,
// from the first on or from the last. Without train, what only the step at hand needs is kept for that alone, at 0.
type walk struct {
	in, H            int
	layer, direction int     // direction 1 is backward
	from             int     // where its units begin in what the layer puts out
	below            []*walk // of the layer before, in the order of what it puts out; none in the first layer
	above            []*walk // of the layer behind

	k      int       // width of a: in + H + 1
	a      []float32 // [N][in+H+1]: what comes in, h before the step, 1
	z      []float32 // [N][4H]: pre-activations, then gates, then dz
	c      []float32 // [blockRows+N][H]: zeros, then the cell state behind each step; without train only blockRows, in place
	tanhC  []float32 // [N][H]: tanh(c)
	h      []float32 // [blockRows][H]: behind the last step
	out    []float32 // [N][H]: h behind each step, where a layer is behind
	dh, dc []float32 // [blockRows][H]
	dInput []float32 // [N][in]: gradient by what comes in, where that is a layer's output
}

// newWalks returns the walks of all layers, for blocks of so many rows.
func newWalks(d model.Chain, rows int, train bool) [][]*walk {
	layers := make([][]*walk, len(d.LSTMs))
	for l, r := range d.LSTMs {
		behind := l+1 < len(d.LSTMs)
		for i := range r.Directions() {
			w := &walk{in: r.In, H: r.Units, layer: l, direction: i, from: i * r.Units, k: r.In + r.Units + 1}
			states := rows
			if train {
				states = rows * d.T
				w.c, w.tanhC = floats((rows+states)*w.H), floats(states*w.H)
				w.dh, w.dc = floats(rows*w.H), floats(rows*w.H)
				if l > 0 {
					w.dInput = floats(states * w.in)
				}
			} else {
				w.c, w.tanhC = floats(rows*w.H), floats(rows*w.H)
			}
			w.a, w.z, w.h = floats(states*w.k), floats(states*4*w.H), floats(rows*w.H)
			if behind {
				w.out = floats(rows * d.T * w.H)
			}
			layers[l] = append(layers[l], w)
		}
	}
	for l := 1; l < len(layers); l++ {
		for _, w := range layers[l] {
			w.below = layers[l-1]
		}
		for _, w := range layers[l-1] {
			w.above = layers[l]
		}
	}
	return layers
}

// weights returns the walk's part of the parameters, or of a gradient.
func (w *walk) weights(p network) weights { return p.lstms[w.layer][w.direction] }

// step returns the step at which the walk takes valid step j of n, and the valid step that it takes at step j: both
// are j from the walk's end of the row.
func (w *walk) step(j, n int) int {
	if w.direction == 1 {
		return n - 1 - j
	}
	return j
}
