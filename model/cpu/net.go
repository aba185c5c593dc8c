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
	dims    model.Dims
	memory  []memory
	p, m, v memory
	grad    memory // made when training begins
	place   []int32
	step    int
	opt     model.Optimizer
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// newNet returns a model with zero parameters.
func newNet(isa *C.vk_isa, spec model.Spec, d model.Dims, o model.Options) (*net, error) {
	vl := int(isa.vl)
	h, dense := roundUp(d.H, vl), roundUp(d.D, vl)
	k, panels := h+d.F+1, h/vl
	np := roundUp(panels*k*4*vl+h*dense+2*dense+vl, 16)
	if np > math.MaxInt32 {
		return nil, fmt.Errorf("cpu: %d parameters when units are padded to whole vectors; at most %d", np, math.MaxInt32)
	}
	n := &net{isa: isa, layout: spec.Layout(), dims: d, opt: o.Optimizer}
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
	w, ut, kt := get(panels*k*4*vl), get(4*h*h), get(dense*h)
	scaling := get(2 * d.F)
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
		F: C.int64_t(d.F), H: C.int64_t(h), D: C.int64_t(dense), T: C.int64_t(d.T),
		K: C.int64_t(k), KA: C.int64_t(roundUp(k, 8)), J: C.int64_t(panels), np: C.int64_t(np),
		p: n.p.c(), m: n.m.c(), v: n.v.c(), w: w.c(), ut: ut.c(), kt: kt.c(),
		lanes:  C.int64_t(min(max(laneBytes/(4*np), 4), maxLanes)),
		offset: scaling.c(), factor: scaling[d.F:].c(),
		alpha: C.double(o.Loss.Alpha), gamma: C.double(o.Loss.Gamma),
		key: [2]C.uint32_t{C.uint32_t(key[0]), C.uint32_t(key[1])}, threshold: C.uint32_t(philox.Below(spec.Rate())),
		keep: C.float(1 / (1 - spec.Rate())),
		// An ε that is subnormal would be 0 in the kernels, and 0/0 the step of what has no gradient.
		b1: C.float(1 - o.Optimizer.Beta1), b2: C.float(1 - o.Optimizer.Beta2), epsilon: C.float(max(o.Optimizer.Epsilon, 0x1p-126)),
		clip: C.double(o.Optimizer.ClipNorm), global_clip: C.double(o.Optimizer.GlobalClipNorm),
	}
	if o.Loss.Kind == model.BinaryFocal {
		n.c.focal = 1
	}
	if o.Optimizer.Kind == model.Adam {
		n.c.adam = 1
	}
	n.place = places(d, vl, h, dense)
	return n, nil
}

// places returns where each parameter, in model.Layout order, lies in the kernels' layout.
func places(d model.Dims, vl, h, dense int) []int32 {
	var at []int32
	k := h + d.F + 1
	rows := func(first, n int) {
		for r := first; r < first+n; r++ {
			for gate := range 4 {
				for u := range d.H {
					at = append(at, int32(((u/vl*k+r)*4+gate)*vl+u%vl))
				}
			}
		}
	}
	rows(h, d.F)
	rows(0, d.H)
	rows(h+d.F, 1)
	head := h / vl * k * 4 * vl
	for u := range d.H {
		for i := range d.D {
			at = append(at, int32(head+u*dense+i))
		}
	}
	for row := h; row < h+2; row++ {
		for i := range d.D {
			at = append(at, int32(head+row*dense+i))
		}
	}
	return append(at, int32(head+(h+2)*dense))
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

// needGradients makes room for the gradients of steps of at most so many blocks.
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

// scratch returns the floats that a thread needs for blocks of so many rows.
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
