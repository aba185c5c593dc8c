package spirv

import (
	"os"
	"testing"
)

func load(t testing.TB, name string) []byte {
	t.Helper()
	code, err := os.ReadFile("../../gpu/testdata/spv/" + name + ".spv")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestParse(t *testing.T) {
	type binding struct {
		name           string
		readonly, only bool // only: writeonly
	}
	for _, tc := range []struct {
		name      string
		constants []uint32
		local     [3]uint32
		push      uint32
		shared    uint64
		bindings  []binding
		ids       uint32 // specialisation constants 0 to ids−1
	}{
		{"scale", nil, [3]uint32{64, 1, 1}, 8, 0, []binding{{"x", true, false}, {"y", false, true}}, 0},
		{"mix", nil, [3]uint32{64, 1, 1}, 4, 0, []binding{{"x", true, false}, {"y", false, false}}, 0},
		{"count", nil, [3]uint32{1, 1, 1}, 8, 0, []binding{{"threads", false, false}, {"groups", false, false}}, 3},
		{"count", []uint32{16, 4}, [3]uint32{16, 4, 1}, 8, 0, []binding{{"threads", false, false}, {"groups", false, false}}, 3},
		{"count", []uint32{16}, [3]uint32{16, 1, 1}, 8, 0, []binding{{"threads", false, false}, {"groups", false, false}}, 3},
		{"tile", nil, [3]uint32{8, 8, 1}, 4, 8*8*16 + 8*4, []binding{{"x", true, false}, {"y", false, true}}, 1},
		{"tile", []uint32{5}, [3]uint32{5, 5, 1}, 4, 5*5*16 + 5*4, []binding{{"x", true, false}, {"y", false, true}}, 1},
		{"empty", nil, [3]uint32{1, 1, 1}, 0, 0, nil, 0},
	} {
		m, err := Parse(load(t, tc.name))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if err := m.Contiguous(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := m.LocalSize(tc.constants); got != tc.local {
			t.Errorf("%s %v: local size %v, want %v", tc.name, tc.constants, got, tc.local)
		}
		if got := m.SharedBytes(tc.constants); got != tc.shared {
			t.Errorf("%s %v: %d bytes shared, want %d", tc.name, tc.constants, got, tc.shared)
		}
		if m.PushBytes != tc.push {
			t.Errorf("%s: %d bytes of push constants, want %d", tc.name, m.PushBytes, tc.push)
		}
		for id := range uint32(5) {
			if m.HasConstant(id) != (id < tc.ids) {
				t.Errorf("%s: constant %d: %t", tc.name, id, m.HasConstant(id))
			}
		}
		if len(m.Bindings) != len(tc.bindings) {
			t.Errorf("%s: %d bindings, want %d", tc.name, len(m.Bindings), len(tc.bindings))
			continue
		}
		for i, w := range tc.bindings {
			if b := m.Bindings[i]; b.Name != w.name || b.NonWritable != w.readonly || b.NonReadable != w.only {
				t.Errorf("%s: binding %d is %+v, want %+v", tc.name, i, b, w)
			}
		}
	}
}

// A buffer declared twice, as floats and as vectors, is one binding, and one that is written in either is not readonly.
func TestAliases(t *testing.T) {
	code, err := os.ReadFile("../spv/matmul.spv")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Bindings) != 5 || m.Contiguous() != nil {
		t.Fatalf("bindings %+v, want a, b, added, c and scale", m.Bindings)
	}
	for i, name := range []string{"a", "b", "added", "c", "scale"} {
		if b := m.Bindings[i]; b.Name != name || b.NonWritable != (name != "c") || b.NonReadable {
			t.Errorf("binding %d is %+v, want %s", i, b, name)
		}
	}
	m = &Module{}
	m.bind(Binding{Index: 1, Name: "x", NonWritable: true})
	m.bind(Binding{Index: 1, Name: "x4", NonReadable: true})
	if len(m.Bindings) != 1 || m.Bindings[0].NonWritable || m.Bindings[0].NonReadable || m.Bindings[0].Name != "x" {
		t.Errorf("a buffer that one declaration reads and another writes is %+v", m.Bindings)
	}
}

// Kernels with cooperative matrices are told from others.
func TestMatrices(t *testing.T) {
	for name, want := range map[string]bool{"matmul": false, "matmul_half": true} {
		code, err := os.ReadFile("../spv/" + name + ".spv")
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		if m.Matrices != want {
			t.Errorf("%s uses cooperative matrices: %t, want %t", name, m.Matrices, want)
		}
	}
}

func TestContiguous(t *testing.T) {
	m := &Module{Bindings: []Binding{{Index: 0}, {Index: 2, Name: "z"}}}
	if m.Contiguous() == nil {
		t.Error("a hole is accepted")
	}
	m = &Module{Bindings: []Binding{{Set: 1}}}
	if m.Contiguous() == nil {
		t.Error("another set is accepted")
	}
}

// FuzzParse: no input may panic or run away; what is cut off is an error or parses.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"scale", "count", "tile", "empty"} {
		code := load(f, name)
		f.Add(code)
		f.Add(code[:len(code)/2&^3])
	}
	code, err := os.ReadFile("testdata/spv/xor.spv")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code)
	f.Fuzz(func(t *testing.T, code []byte) {
		m, err := Parse(code)
		if err != nil {
			return
		}
		m.LocalSize([]uint32{3})
		m.SharedBytes(nil)
		m.HasConstant(0)
		Subgroup(code, nil)
		m.Contiguous()
	})
}
