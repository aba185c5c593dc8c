//go:build cgo

package cpu

/*
#include "kernels.h"
static int64_t scratch_of(const vk_isa *I, const vk_net *L, int64_t rows, int train) { return I->scratch(L, rows, train); }
static void derive(const vk_isa *I, vk_net *L) { I->derive(L, 0, 1); }
*/
import "C"

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"vklstm/model"
	"vklstm/model/philox"
)

// maxLanes and laneBytes bound how many gradients a step's blocks are summed into. The number may depend on nothing but
// the network, or results would depend on the machine.
const (
	maxLanes  = 64
	laneBytes = 64 << 20
)

// net is one model in the layout that the kernels use: see vk_net in kernels.h.
type net struct {
	isa     *C.vk_isa
	c       *C.vk_net
	layout  model.Layout
	memory  []memory
	p, m, v memory
	grad    memory // made when training begins
	place   []int32
	step    int
	opt     model.Optimizer
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// padded is what the kernels make of the sizes of an LSTM layer.
type padded struct {
	model.Recurrent
	in, h, k, panels int   // what comes in, where it is units padded; units, padded; rows of a panel; panels
	units            []int // of the layer before that come in, of each direction; none in the first
	directions       []int // where the panels of each direction begin
}

// layers returns the padded layers of a chain, and how many floats their panels have.
func layers(c model.Chain, vl int) ([]padded, int) {
	var list []padded
	size := 0
	for i, r := range c.LSTMs {
		p := padded{Recurrent: r, in: r.In, h: roundUp(r.Units, vl)}
		if i > 0 {
			before := list[i-1]
			p.in = before.Directions() * before.h
			p.units = slices.Repeat([]int{before.Units}, before.Directions())
		}
		p.k, p.panels = p.h+p.in+1, p.h/vl
		for range r.Directions() {
			p.directions = append(p.directions, size)
			size += p.panels * p.k * 4 * vl
		}
		list = append(list, p)
	}
	return list, size
}

// newNet returns a model with zero parameters.
func newNet(isa *C.vk_isa, spec model.Spec, d model.Chain, o model.Options) (*net, error) {
	vl := int(isa.vl)
	list, head := layers(d, vl)
	last := list[len(list)-1]
	out, dense := last.Directions()*last.h, roundUp(d.D(), vl)
	np := roundUp(head+out*dense+2*dense+vl, 16)
	if np > math.MaxInt32 {
		return nil, fmt.Errorf("cpu: %d parameters when units are padded to whole vectors; at most %d", np, math.MaxInt32)
	}
	n := &net{isa: isa, layout: spec.Layout(), opt: o.Optimizer}
	var err error
	get := func(size int) memory {
		if err != nil {
			return nil
		}
		var m memory
		if m, err = allocate(size); err == nil {
			n.memory = append(n.memory, m)
		}
		return m
	}
	header := get(int(unsafe.Sizeof(C.vk_net{})+3) / 4)
	n.p, n.m, n.v = get(np), get(np), get(np)
	kt, scaling := get(dense*out), get(2*d.F)
	var directions []C.vk_direction
	for i, p := range list {
		for _, at := range p.directions {
			w := C.vk_direction{at: C.int64_t(at), w: get(p.panels * p.k * 4 * vl).c(), ut: get(4 * p.h * p.h).c()}
			if i > 0 {
				w.kt = get(4 * p.h * p.in).c()
			}
			directions = append(directions, w)
		}
	}
	if err != nil {
		n.free()
		return nil, err
	}
	filled := o.Scaling.Fill(d.F)
	copy(scaling, filled.Offset)
	copy(scaling[d.F:], filled.Factor)
	n.c = (*C.vk_net)(unsafe.Pointer(&header[0]))
	key := philox.Key(o.Seed)
	*n.c = C.vk_net{
		F: C.int64_t(d.F), D: C.int64_t(dense), T: C.int64_t(d.T),
		layers: C.int64_t(len(list)), out: C.int64_t(out), units: C.int64_t(last.Units), head: C.int64_t(head), np: C.int64_t(np),
		p: n.p.c(), m: n.m.c(), v: n.v.c(), kt: kt.c(),
		lanes:  C.int64_t(min(max(laneBytes/(4*np), 4), maxLanes)),
		offset: scaling.c(), factor: scaling[d.F:].c(),
		alpha: C.double(o.Loss.Alpha), gamma: C.double(o.Loss.Gamma),
		key: [2]C.uint32_t{C.uint32_t(key[0]), C.uint32_t(key[1])}, threshold: C.uint32_t(philox.Below(spec.Rate())),
		keep: C.float(1 / (1 - spec.Rate())),
		// An ε that is subnormal would be 0 in the kernels, and 0/0 the step of what has no gradient.
		b1: C.float(1 - o.Optimizer.Beta1), b2: C.float(1 - o.Optimizer.Beta2), epsilon: C.float(max(o.Optimizer.Epsilon, 0x1p-126)),
		l2: C.float(2 * o.Optimizer.L2), clip: C.double(o.Optimizer.ClipNorm), global_clip: C.double(o.Optimizer.GlobalClipNorm),
	}
	for i, p := range list {
		l := &n.c.layer[i]
		l.directions, l.in, l.H, l.out = C.int64_t(p.Directions()), C.int64_t(p.in), C.int64_t(p.h), C.int64_t(p.Directions()*p.h)
		l.K, l.KA, l.J = C.int64_t(p.k), C.int64_t(roundUp(p.k, 8)), C.int64_t(p.panels)
		directions = directions[copy(l.direction[:p.Directions()], directions):]
	}
	if o.Loss.Kind == model.BinaryFocal {
		n.c.focal = 1
	}
	if o.Optimizer.Kind == model.Adam {
		n.c.adam = 1
	}
	n.place = places(d, vl, list, head, dense)
	return n, nil
}

// The kernels have room for as many layers as a Spec may have.
const _ = uint(C.VK_LAYERS - model.MaxLSTMs)

// places returns where each parameter, in model.Layout order, lies in the kernels' layout.
func places(d model.Chain, vl int, list []padded, head, dense int) []int32 {
	var at []int32
	for _, p := range list {
		for _, begin := range p.directions {
			rows := func(first, n int) {
				for r := first; r < first+n; r++ {
					for gate := range 4 {
						for u := range p.Units {
							at = append(at, int32(begin+((u/vl*p.k+r)*4+gate)*vl+u%vl))
						}
					}
				}
			}
			if p.units == nil {
				rows(p.h, p.In)
			}
			for i, n := range p.units {
				rows(p.h+i*p.in/len(p.units), n)
			}
			rows(0, p.Units)
			rows(p.k-1, 1)
		}
	}
	last := list[len(list)-1]
	for i := range last.Directions() {
		for u := i * last.h; u < i*last.h+last.Units; u++ {
			for k := range d.D() {
				at = append(at, int32(head+u*dense+k))
			}
		}
	}
	head += last.Directions() * last.h * dense
	for row := range 2 {
		for k := range d.D() {
			at = append(at, int32(head+row*dense+k))
		}
	}
	return append(at, int32(head+2*dense))
}

// pack writes flat, in model.Layout order, to the kernels' layout; unpack is its inverse.
func (n *net) pack(to memory, flat []float32) {
	clear(to)
	for i, at := range n.place {
		to[at] = flat[i]
	}
}

func (n *net) unpack(flat []float32, from memory) {
	for i, at := range n.place {
		flat[i] = from[at]
	}
}

func (n *net) state() *model.State {
	s := model.NewState(n.layout.Size)
	n.unpack(s.Params, n.p)
	n.unpack(s.M, n.m)
	n.unpack(s.V, n.v)
	s.Step = n.step
	return s
}

func (n *net) setState(s *model.State) {
	n.pack(n.p, s.Params)
	n.pack(n.m, s.M)
	n.pack(n.v, s.V)
	n.step = s.Step
	C.derive(n.isa, n.c)
}

// needGradients makes room for the gradients of steps of at most n blocks.
func (n *net) needGradients(blocks int) error {
	lanes, np := min(blocks, int(n.c.lanes)), int(n.c.np)
	if len(n.grad) >= lanes*np {
		return nil
	}
	n.grad.free()
	n.grad, n.c.grad = nil, nil
	g, err := allocate(lanes * np)
	if err != nil {
		return err
	}
	n.grad, n.c.grad = g, g.c()
	return nil
}

// scratch returns the floats that a thread needs for blocks of n rows.
func (n *net) scratch(rows int, train bool) int {
	t := C.int(0)
	if train {
		t = 1
	}
	return int(C.scratch_of(n.isa, n.c, C.int64_t(rows), t))
}

func (n *net) free() {
	for _, m := range n.memory {
		m.free()
	}
	n.grad.free()
	n.memory, n.grad, n.c = nil, nil, nil
}
