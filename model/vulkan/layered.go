package vulkan

import (
	"fmt"
	"slices"
	"strings"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// layered is the resident path for stacks of LSTM layers and for both directions: all time steps of a layer's direction are one
// dispatch, and one back, with the recurrent weights in the registers of workgroups. The rest is as on the general path.
type layered struct {
	layerwise
	layers []workgroups
}

func (l *layered) describe(why string, _ shape) string {
	var threads, lanes []string
	for _, w := range l.layers {
		threads, lanes = append(threads, fmt.Sprint(4*w.hp)), append(lanes, fmt.Sprint(w.lanes))
	}
	return fmt.Sprintf("resident path (%s, float32), because %s: a dispatch for all steps of a layer's direction, workgroups of %s threads, sums over %s lanes",
		units(l.chain), why, strings.Join(slices.Compact(threads), ", "), strings.Join(slices.Compact(lanes), ", "))
}

func (l *layered) newPass(n *network, a *alloc, train bool) pass {
	p := newLayersPass(n, a, train)
	s := &layeredSteps{layersPass: p, workgroups: l.layers}
	for _, r := range n.chain.LSTMs {
		var pairs []f32
		for range r.Directions() {
			if train {
				pairs = append(pairs, a.floats("lstm.pairs", n.K*n.R*n.T*2*r.Units))
			} else {
				pairs = append(pairs, a.floats("unused.pairs", 4))
			}
		}
		s.pairs = append(s.pairs, pairs)
	}
	p.steps = s
	return p
}

// layeredSteps are the time steps of layered.
type layeredSteps struct {
	*layersPass
	workgroups []workgroups // of each LSTM layer
	pairs      [][]f32      // of each LSTM layer, its directions: [K][T][R][H][2], what the way back multiplies with
}

func (s *layeredSteps) recordStart(*gpu.Recording) {}

func (s *layeredSteps) forward(rec *gpu.Recording, i int, train bool) {
	for d, v := range s.layers[i] {
		kernel.ResidentDirectionForward{
			ResidentDirection: s.direction(i, d), Hidden: v.h, Train: train, Relu: s.chain.LSTMs[i].Activation == model.Relu,
		}.Record(rec)
	}
}

func (s *layeredSteps) back(rec *gpu.Recording, i int) {
	for d, v := range s.layers[i] {
		kernel.ResidentDirectionBackward{
			ResidentDirection: s.direction(i, d), DHidden: v.dh, Flow: v.flow, LG: s.workgroups[i].lanes,
			FlowsToMasked: i+1 < len(s.layers) && s.chain.LSTMs[i].GoBackwards,
		}.Record(rec)
	}
}

// direction is what forward and back share for direction d of layer i.
func (s *layeredSteps) direction(i, d int) kernel.ResidentDirection {
	layer, w := s.chain.LSTMs[i], s.workgroups[i]
	return kernel.ResidentDirection{
		Params: s.params, Mask: s.mask, Gates: s.layers[i][d].gates, Pairs: s.pairs[i][d],
		K: s.K, R: s.R, T: s.T, W: w.perModel(s.R, s.R*s.K*layer.Directions()), H: layer.Units, P: s.P, HP: w.hp,
		KernelOffset: s.offset(layer.First + 3*d + model.RecurrentKernel), Reverse: reversed(layer, d),
	}
}
