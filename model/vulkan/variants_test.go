package vulkan

import (
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/shaders"
	"vklstm/shaders/spirv"
)

// TestVariants: every kernel of the catalogue is listed with its constants, once, and right at any size of subgroup that
// holds a quad.
func TestVariants(t *testing.T) {
	seen, listed := map[string]bool{}, map[string]bool{}
	for _, v := range Variants() {
		if seen[v.String()] {
			t.Errorf("%s is listed twice", v)
		}
		seen[v.String()], listed[v.Kernel] = true, true
		code, err := shaders.Lookup(v.Kernel)
		if err != nil {
			t.Error(err)
			continue
		}
		m, err := spirv.Parse(code)
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		n := uint32(0)
		for m.HasConstant(n) {
			n++
		}
		if int(n) != len(v.Constants) {
			t.Errorf("%s is listed with %d constants; the shader has %d", v, len(v.Constants), n)
		}
		if lanes, err := m.Subgroup(v.Constants); err != nil {
			t.Errorf("%s: %v", v, err)
		} else if lanes > 4 {
			t.Errorf("%s needs subgroups of %d lanes; some devices have 4", v, lanes)
		}
	}
	for _, name := range shaders.Names() {
		if !listed[name] {
			t.Errorf("%s is not among the variants", name)
		}
	}
}

// TestPipelinesListed: what engines compile is listed.
func TestPipelinesListed(t *testing.T) {
	shared := gputest.Device(t) // skips or fails where there is no device
	dev, err := gpu.Open(shared.Info().Name, gpu.WithCacheDir(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	for _, kind := range []model.OptimizerKind{model.Adam, model.SGD} {
		s := newSmall(8, 1)
		s.opts[0].Optimizer.Kind = kind
		e := s.open(t, dev)
		e.rowLimit = 3 // several passes, of which the later ones add
		s.train(t, e, 1, 4)
		if _, err := e.Predict(t.Context(), 0, s.win.X[:7*3]); err != nil {
			t.Fatal(err)
		}
	}
	listed := map[string]bool{}
	for _, v := range Variants() {
		listed[v.String()] = true
	}
	made := dev.Pipelines()
	for _, v := range made {
		if !listed[v.String()] {
			t.Errorf("an engine makes the pipeline %s, which Variants does not list", v)
		}
	}
	if !slices.ContainsFunc(made, func(v gpu.Variant) bool { return v.String() == "column_sum[1]" }) {
		t.Errorf("no second pass was recorded; pipelines: %v", made)
	}
}
