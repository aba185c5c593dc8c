package judge

import (
	"fmt"

	"vklstm/model"
	"vklstm/model/reference"
)

// Numbers are named quantities, in the order in which they are shown.
type Numbers struct {
	names  []string
	values map[string][]float64
	parts  map[string][]int              // where values of one size begin: a variable, an epoch
	index  map[string]func(i int) string // what to call element i; nil: by the shape of the wanted array
}

// Put appends values to the quantity of that name.
func (o *Numbers) Put(name string, values ...float64) {
	if o.values == nil {
		o.values = map[string][]float64{}
		o.index, o.parts = map[string]func(int) string{}, map[string][]int{}
	}
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.parts[name] = append(o.parts[name], len(o.values[name]))
	o.values[name] = append(o.values[name], values...)
}

// Flat puts an array of all parameters, whose elements are called by their variables.
func (o *Numbers) Flat(name string, l model.Layout, values []float64) {
	for _, v := range l.Variables {
		o.Put(name, values[v.Offset:v.Offset+v.Size()]...)
	}
	o.index[name] = func(i int) string {
		for _, v := range l.Variables {
			if i < v.Offset+v.Size() {
				return v.Name + brackets(v.Shape, i-v.Offset)
			}
		}
		return ""
	}
}

// variables puts each variable's part of an array of all parameters under PREFIX+NAME.
func (o *Numbers) variables(prefix string, l model.Layout, values []float64) {
	for _, v := range l.Variables {
		o.Put(prefix+v.Name, values[v.Offset:v.Offset+v.Size()]...)
	}
}

// brackets returns element i of an array of that shape as "[b][u]".
func brackets(shape []int, i int) string {
	if len(shape) == 0 && i > 0 {
		return fmt.Sprintf("[%d]", i)
	}
	s := ""
	for d := len(shape) - 1; d >= 0; d-- {
		s = fmt.Sprintf("[%d]", i%shape[d]) + s
		i /= shape[d]
	}
	return s
}

// Between lists the windows first … last−1.
func Between(first, last int) []int32 {
	out := make([]int32, 0, last-first)
	for i := first; i < last; i++ {
		out = append(out, int32(i))
	}
	return out
}

func sum[E float32 | float64](a []E) float64 {
	s := 0.0
	for _, v := range a {
		s += float64(v)
	}
	return s
}

func wideState(s *model.State) *reference.State {
	return &reference.State{Params: Wide(s.Params), M: Wide(s.M), V: Wide(s.V), Step: s.Step}
}

// Wide returns the numbers in float64.
func Wide(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

func narrow(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}
