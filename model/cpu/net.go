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
	states  memory // of the blocks of a step that has phases
	sums    memory // what these add up for all of them
	place   []int32
	step    int
	opt     model.Optimizer
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// values are those that pass from one op to the next: parts of units each, every part padded.
type values struct{ parts, units, padded int }

func (v values) width() int { return v.parts * v.padded }

// place returns where value i lies among the padded ones.
func (v values) place(i int) int { return i/v.units*v.padded + i%v.units }

// padded is what the kernels make of the sizes of an LSTM layer.
type padded struct {
	model.Recurrent
	values              // what it puts out
	before       values // what comes in; of the first layer the features, which are not padded
	h, k, panels int    // units, padded; rows of a panel; panels
	directions   []int  // where the panels of each direction begin
}

func newPadded(r model.Recurrent, before values, vl int) padded {
	h := roundUp(r.Units, vl)
	return padded{Recurrent: r, values: values{r.Directions(), r.Units, h}, before: before, h: h, k: h + before.width() + 1, panels: h / vl}
}

// variable is one of a layer without memory: rows × columns of what comes in and goes out.
type variable struct {
	at, n, out    int // where it begins, floats, padded columns
	kernel, turns bool
	place         []int32 // of each element, in model.Layout order
	index         int     // in model.Layout
}

// network is a chain in the kernels' layout: what newNet tells them.
type network struct {
	vl        int
	lstms     []padded
	ops       []C.vk_op
	variables []variable
	moving    []variable // after np
	head, np  int
	sums      int
	phases    int
	seen      values // what the next op reads
	sequence  int
	width     int
}

var merges = map[model.Merge]C.int32_t{model.Sum: C.VK_SUM, model.Average: C.VK_AVERAGE, model.Product: C.VK_PRODUCT}
var activations = map[model.Activation]C.int32_t{model.Linear: C.VK_LINEAR, model.Relu: C.VK_RELU, model.Tanh: C.VK_TANH, model.Sigmoid: C.VK_SIGMOID}

// lay lays a chain out.
func lay(c model.Chain, vl int) *network {
	w := &network{vl: vl, phases: 1, seen: values{1, c.F, c.F}}
	before := w.seen
	for _, r := range c.LSTMs { // their panels come first
		p := newPadded(r, before, vl)
		for range r.Directions() {
			p.directions = append(p.directions, w.head)
			w.head += p.panels * p.k * 4 * vl
		}
		w.lstms = append(w.lstms, p)
		if before = p.values; r.Bidirectional && r.Merge != model.Concat {
			before = values{1, r.Units, p.h}
		}
	}
	w.np = w.head
	for i, r := range c.LSTMs {
		last := i+1 == len(c.LSTMs)
		w.add(C.vk_op{kind: C.VK_LSTM, layer: C.int64_t(i)}, w.lstms[i].values, !last)
		if r.Bidirectional && r.Merge != model.Concat {
			w.add(C.vk_op{kind: C.VK_MERGE, how: merges[r.Merge]}, values{1, r.Units, w.lstms[i].h}, !last)
		}
		stages := r.Between
		if last {
			stages = c.Head
		}
		for j, s := range stages {
			w.stage(s, !last, last && j+1 == len(stages) && c.Classes == 1)
		}
	}
	for i := range w.moving {
		w.moving[i].shift(roundUp(w.np, 16))
	}
	w.np = roundUp(w.np, 16)
	return w
}

// add appends an op that puts out values.
func (w *network) add(o C.vk_op, out values, steps bool) {
	o.in, o.out = C.int64_t(w.seen.width()), C.int64_t(out.width())
	if steps {
		o.steps = 1
		w.sequence = max(w.sequence, w.seen.width(), out.width())
	}
	w.width = max(w.width, w.seen.width(), out.width())
	w.ops, w.seen = append(w.ops, o), out
}

// stage appends a layer without memory; logit says that it is a last one of one unit.
func (w *network) stage(s model.Stage, steps, logit bool) {
	switch s.Kind {
	case model.Dropout:
		if philox.Below(s.Rate) > 0 {
			w.add(C.vk_op{kind: C.VK_DROPOUT, parts: C.int64_t(w.seen.parts), units: C.int64_t(w.seen.units), stream: C.uint32_t(s.Stream),
				threshold: C.uint32_t(philox.Below(s.Rate)), keep: C.float(1 / (1 - s.Rate))}, w.seen, steps)
		}
	case model.BatchNormalization:
		o := C.vk_op{kind: C.VK_NORMALIZE, variable: C.int64_t(len(w.variables)), small: C.double(s.Small), momentum: C.double(s.Momentum), sums: C.int64_t(w.sums)}
		for i := range 2 {
			w.variables = append(w.variables, w.vector(&w.np, w.seen, s.First+i))
		}
		from := 0
		for _, v := range w.moving {
			from += v.n
		}
		o.moving = C.int64_t(from) // from np on, which is not known yet
		for i := range 2 {
			w.moving = append(w.moving, w.vector(&from, w.seen, s.Moving+i))
		}
		w.sums += 4*w.seen.width() + 1
		w.phases += 2
		w.add(o, w.seen, steps)
	case model.Dense:
		out := values{1, s.Out, roundUp(s.Out, w.vl)}
		if logit {
			out.padded = 1
		}
		o := C.vk_op{kind: C.VK_DENSE, how: activations[s.Activation], variable: C.int64_t(len(w.variables)), units: C.int64_t(s.Out)}
		in := w.seen
		kernel := variable{at: w.np, n: in.width() * out.padded, out: out.padded, kernel: true, turns: !logit, index: s.First}
		for i := range s.In {
			for u := range s.Out {
				kernel.place = append(kernel.place, int32(w.np+in.place(i)*out.padded+u))
			}
		}
		w.np += kernel.n
		bias := w.vector(&w.np, values{1, s.Out, roundUp(s.Out, w.vl)}, s.First+1)
		w.variables = append(w.variables, kernel, bias)
		w.add(o, out, steps)
	}
}

// vector lays out a variable of one value for each of v.
func (w *network) vector(at *int, v values, index int) variable {
	a := variable{at: *at, n: v.width(), out: v.width(), index: index}
	for i := range v.parts * v.units {
		a.place = append(a.place, int32(*at+v.place(i)))
	}
	*at += a.n
	return a
}

func (v *variable) shift(by int) {
	v.at += by
	for i := range v.place {
		v.place[i] += int32(by)
	}
}

// size returns the floats of the parameters and the moving moments.
func (w *network) size() int {
	n := w.np
	for _, v := range w.moving {
		n += v.n
	}
	return n
}

// newNet returns a model with zero parameters.
func newNet(isa *C.vk_isa, spec model.Spec, d model.Chain, o model.Options) (*net, error) {
	vl := int(isa.vl)
	w := lay(d, vl)
	if w.size() > math.MaxInt32 {
		return nil, fmt.Errorf("cpu: %d parameters when units are padded to whole vectors; at most %d", w.size(), math.MaxInt32)
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
	n.p, n.m, n.v = get(w.size()), get(w.size()), get(w.size())
	scaling, ops := get(2*d.F), get(len(w.ops)*int(unsafe.Sizeof(C.vk_op{}))/4)
	variables, alphas := get(len(w.variables)*int(unsafe.Sizeof(C.vk_variable{}))/4), get(2*d.Classes)
	all := len(w.variables)
	for _, p := range w.lstms {
		all += 3 * p.Directions()
	}
	scale, norm := get(all), get(2*all)
	var directions []C.vk_direction
	for i, p := range w.lstms {
		for _, at := range p.directions {
			x := C.vk_direction{at: C.int64_t(at), w: get(p.panels * p.k * 4 * vl).c(), ut: get(4 * p.h * p.h).c()}
			if i > 0 {
				x.kt = get(4 * p.h * p.before.width()).c()
			}
			directions = append(directions, x)
		}
	}
	var turned []*C.float
	for _, v := range w.variables {
		var m memory
		if v.turns {
			m = get(v.n)
		}
		turned = append(turned, m.c())
	}
	if err != nil {
		n.free()
		return nil, err
	}
	filled := o.Scaling.Fill(d.F)
	copy(scaling, filled.Offset)
	copy(scaling[d.F:], filled.Factor)
	classAlpha := unsafe.Slice((*float64)(unsafe.Pointer(&alphas[0])), d.Classes)
	for c := range classAlpha {
		classAlpha[c] = o.Loss.AlphaOf(c)
	}
	n.c = (*C.vk_net)(unsafe.Pointer(&header[0]))
	key := philox.Key(o.Seed)
	*n.c = C.vk_net{
		F: C.int64_t(d.F), T: C.int64_t(d.T), mask: C.float(d.MaskValue),
		layers: C.int64_t(len(w.lstms)), ops: C.int64_t(len(w.ops)), classes: C.int64_t(d.Classes),
		sequence: C.int64_t(w.sequence), width: C.int64_t(w.width), head: C.int64_t(w.head), np: C.int64_t(w.np),
		p: n.p.c(), m: n.m.c(), v: n.v.c(),
		lanes:  C.int64_t(min(max(laneBytes/(4*w.np), 4), maxLanes)),
		offset: scaling.c(), factor: scaling[d.F:].c(),
		alpha: C.double(o.Loss.Alpha), gamma: C.double(o.Loss.Gamma), smoothing: C.double(o.Loss.LabelSmoothing), classAlpha: (*C.double)(&classAlpha[0]),
		key: [2]C.uint32_t{C.uint32_t(key[0]), C.uint32_t(key[1])},
		// An ε that is subnormal would be 0 in the kernels, and 0/0 the step of what has no gradient.
		b1: C.float(1 - o.Optimizer.Beta1), b2: C.float(1 - o.Optimizer.Beta2), epsilon: C.float(max(o.Optimizer.Epsilon, 0x1p-126)),
		l2: C.float(2 * o.Optimizer.L2), clip: C.double(o.Optimizer.ClipNorm), global_clip: C.double(o.Optimizer.GlobalClipNorm),
		scale: scale.c(), norm: (*C.double)(unsafe.Pointer(norm.c())),
		variables: C.int64_t(len(w.variables)), variable: (*C.vk_variable)(unsafe.Pointer(variables.c())),
		phases: C.int64_t(w.phases), sums: C.int64_t(w.sums), op: (*C.vk_op)(unsafe.Pointer(ops.c())),
		masked: flag(d.Masked), focal: flag(o.Loss.Kind == model.BinaryFocal || o.Loss.Kind == model.CategoricalFocal), adam: flag(o.Optimizer.Kind == model.Adam),
	}
	for i, p := range w.lstms {
		l := &n.c.layer[i]
		l.directions, l.in, l.H, l.out = C.int64_t(p.Directions()), C.int64_t(p.before.width()), C.int64_t(p.h), C.int64_t(p.width())
		l.K, l.KA, l.J = C.int64_t(p.k), C.int64_t(roundUp(p.k, 8)), C.int64_t(p.panels)
		l.relu, l.backwards, l.last = flag(p.Activation == model.Relu), flag(p.GoBackwards), flag(i+1 == len(w.lstms))
		directions = directions[copy(l.direction[:p.Directions()], directions):]
	}
	for i, p := range w.ops[1:] {
		if l := w.ops[i].layer; p.kind == C.VK_LSTM && w.ops[i].kind == C.VK_LSTM && n.c.layer[l].backwards == 0 {
			n.c.layer[l].direct, n.c.layer[l+1].fed = 1, 1
		}
	}
	for i, v := range w.variables {
		unsafe.Slice(n.c.variable, len(w.variables))[i] = C.vk_variable{at: C.int64_t(v.at), n: C.int64_t(v.n), out: C.int64_t(v.out), kernel: flag(v.kernel), turned: turned[i]}
	}
	for i, p := range w.ops {
		if p.kind == C.VK_NORMALIZE {
			p.moving += C.int64_t(w.np)
		}
		unsafe.Slice(n.c.op, len(w.ops))[i] = p
	}
	n.place = w.places(n.layout)
	return n, nil
}

func flag(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

// The kernels have room for as many layers as a Spec may have.
const _ = uint(C.VK_LAYERS - model.MaxLSTMs)

// places returns where each parameter, in model.Layout order, lies in the kernels' layout.
func (w *network) places(layout model.Layout) []int32 {
	at := make([]int32, layout.Size)
	for _, p := range w.lstms {
		for d, begin := range p.directions {
			next := at[layout.Variables[p.First+3*d].Offset:]
			row := func(r int) {
				for gate := range 4 {
					for u := range p.Units {
						next[0] = int32(begin + ((u/w.vl*p.k+r)*4+gate)*w.vl + u%w.vl)
						next = next[1:]
					}
				}
			}
			for i := range p.In {
				row(p.h + p.before.place(i))
			}
			for u := range p.Units {
				row(u)
			}
			row(p.k - 1)
		}
	}
	for _, v := range slices.Concat(w.variables, w.moving) {
		copy(at[layout.Variables[v.index].Offset:], v.place)
	}
	return at
}

// pack writes flat, in model.Layout order, to the kernels' layout; unpack is its inverse, for the first of
// them.
func (n *net) pack(to memory, flat []float32) {
	clear(to)
	for i, at := range n.place {
		to[at] = flat[i]
	}
}

func (n *net) unpack(flat []float32, from memory) {
	for i := range flat {
		flat[i] = from[n.place[i]]
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

// needStates makes room for what n blocks of `rows` rows keep from one phase of a step to the next.
func (n *net) needStates(blocks, rows int) (err error) {
	if n.c.phases == 1 {
		return nil
	}
	grow := func(m *memory, size int) {
		if err == nil && len(*m) < size {
			m.free()
			*m, err = allocate(size)
		}
	}
	grow(&n.states, blocks*n.scratch(rows, true))
	grow(&n.sums, 2*blocks*int(n.c.sums))
	return err
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
	n.states.free()
	n.sums.free()
	n.memory, n.grad, n.states, n.sums, n.c = nil, nil, nil, nil, nil
}
