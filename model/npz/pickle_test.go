package npz

import (
	"archive/zip"
	"bytes"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
)

// arrayStart is an object array up to the state of its four elements, as NumPy writes it in protocol 2.
const (
	arrayStart = "\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x04\x85"
	objectType = "cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
	listStart  = arrayStart + objectType + "\x89](" // then elements
	arrayEnd   = "etb."
	whole      = listStart + "NNNN" + arrayEnd
)

// labelsOf reads pickle as the object array g of four labels.
func labelsOf(t testing.TB, pickle string) ([]string, error) {
	t.Helper()
	z := zipped(t, "g.npy", npy(descr("|O", "(4,)"), []byte(pickle)), zip.Store)
	f, err := New("data.npz", bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	labels, _, err := f.Labels("g", 4)
	return labels, err
}

func TestHostilePickles(t *testing.T) {
	if _, err := labelsOf(t, whole); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<16)
	for _, tc := range []struct{ name, pickle, want string }{
		{"os.system", "\x80\x02cposix\nsystem\nU\x02id\x85R.", "data.npz: g holds a pickle that calls posix.system; refused; save it with .astype(str)"},
		{"inside the array", listStart + "cbuiltins\neval\nU\x031+1\x85RNNN" + arrayEnd, "calls builtins.eval; refused"},
		{"STACK_GLOBAL", "\x80\x04\x8c\x02nt\x8c\x06system\x93\x8c\x02id\x85R.", "calls nt.system; refused"},
		{"INST", "\x80\x02(U\x02idiposix\nsystem\n.", "calls posix.system; refused"},
		{"INST of what is known", "\x80\x02(inumpy\nndarray\n.", "calls numpy.ndarray; refused"},
		{"NumPy's own functions", "\x80\x02cnumpy\nload\nU\x01x\x85R.", "calls numpy.load; refused"},
		{"getattr", "\x80\x02cbuiltins\ngetattr\n.", "calls builtins.getattr; refused"},
		{"dotted", "\x80\x04\x8c\x05numpy\x8c\x11f2py.compile.exec\x93.", "calls numpy.f2py.compile.exec; refused"},
		{"control characters", "\x80\x04\x8c\x05\x1b[31m\x8c\x01x\x93.", `calls "\x1b[31m.x"; refused`},
		{"long name", "\x80\x02c" + long + "\nf\n.", "x…; refused"},
		{"a class called", "\x80\x02cnumpy\nndarray\n)R.", "calls numpy.ndarray; refused"},
		{"not a function", "\x80\x02U\x01x)R.", "calls what is no function; refused"},
		{"another array type", "\x80\x02cnumpy.core.multiarray\n_reconstruct\nU\x01xK\x00\x85U\x01b\x87R.", "are not NumPy's"},
		{"another codec", "\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xU\x03rot\x86R.", "are not NumPy's"},
		{"PERSID", "\x80\x02U\x01xQ.", "operation 0x51"},
		{"EXT1", "\x80\x02\x82\x01.", "operation 0x82"},
		{"NEWOBJ", "\x80\x02cnumpy\nndarray\n)\x81.", "operation 0x81"},
		{"NEXT_BUFFER", "\x80\x05\x97.", "operation 0x97"},
		{"operation 255", "\x80\x02\xff.", "operation 0xff"},
		{"protocol 0", "\x80\x00N.", "protocol 0"},
		{"protocol 9", "\x80\x09N.", "protocol 9"},
		{"2^60 bytes", "\x80\x04\x8e\x00\x00\x00\x00\x00\x00\x00\x10", "cut off or damaged"},
		{"2^64 - 1 bytes", "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "cut off or damaged"},
		{"negative count", "\x80\x02T\xff\xff\xff\xff", "cut off or damaged"},
		{"long number", "\x80\x02\x8b\x00\x10\x00\x00" + strings.Repeat("\x7f", 4096) + ".", "more than an array of such values needs"},
		{"no STOP", "\x80\x02N", "cut off"},
		{"nothing", "", "cut off"},
		{"empty stack", "\x80\x02.", "values that are not there"},
		{"below a mark", "\x80\x02N(\x85.", "values that are not there"},
		{"below a mark, one", "\x80\x02N(q\x00.", "values that are not there"},
		{"no mark", "\x80\x02Nt.", "values that are not there"},
		{"no such memo", "\x80\x02h\x07.", "values that are not there"},
		{"append to None", "\x80\x02NNa.", "values that are not there"},
		{"not an array", "\x80\x02N.", "something else than an array"},
		{"array without state", strings.TrimSuffix(arrayStart, "(K\x01K\x04\x85") + ".", "another shape"},
		{"three elements", listStart + "NNN" + arrayEnd, "another shape"},
		{"more after it", whole + "N", "holds more after its pickle"},
		{"overflowing shape", strings.Replace(whole, "K\x01K\x04\x85", "K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", 1), "another shape"},
		{"negative shape", strings.Replace(whole, "K\x01K\x04\x85", "K\x01J\xff\xff\xff\xff\x85", 1), "are not NumPy's"},
		{"a list in itself", "\x80\x02]q\x00h\x00a.", "something else than an array"},
		{"a class for a label", listStart + "cnumpy\nndarray\nNNN" + arrayEnd, "holds a class at [0]"},
		{"many operations", "\x80\x02" + strings.Repeat("N", 1<<16) + ".", "more than an array of such values needs; refused"},
		{"megabytes", "\x80\x02B\x00\x00\x80\x00" + strings.Repeat("x", 1<<23) + ".", "bytes for 4 labels"},
	} {
		_, err := labelsOf(t, tc.pickle)
		wantError(t, tc.name, err, tc.want)
	}
}

// A pickle must not make the machine allocate more than some multiple of its own bytes.
func TestPickleMemory(t *testing.T) {
	for name, pickle := range map[string]string{
		"claimed bytes": "\x80\x04\x8e\x00\x00\x00\x00\x00\x00\x00\x10",
		"claimed frame": "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x10N.",
		"empty lists":   "\x80\x02" + strings.Repeat("]", 1<<20) + ".",
		"nested tuples": "\x80\x02)" + strings.Repeat("\x85", 1<<20) + ".",
		// Each step doubles what a copy would hold; sharing costs nothing.
		"billion laughs": "\x80\x02)" + strings.Repeat("q\x00h\x00\x86", 1<<10) + ".",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := loadObjects([]byte(pickle), []int{4}, opsSlack+4*perLabel)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
			t.Errorf("%s: %d bytes allocated", name, used)
		}
	}
}

func TestLong(t *testing.T) {
	for b, want := range map[string]int64{"": 0, "\x00": 0, "\xff": -1, "\xff\x00": 255, "\x00\x80": -32768,
		"\x00\x00\x00\x00\x00\x00\x00\x80": math.MinInt64} {
		if got := long([]byte(b)); got != want {
			t.Errorf("long(% x) = %v, want %d", b, got, want)
		}
	}
}

// FuzzPickle holds that no pickle makes the machine panic, allocate without bound, or return a wrong number of
// elements.
func FuzzPickle(f *testing.F) {
	for _, s := range []string{whole, listStart + "NK\x07M\x07\x01G\x3f\xf0\x00\x00\x00\x00\x00\x00" + arrayEnd,
		"\x80\x04\x8c\x02nt\x8c\x06system\x93\x8c\x02id\x85R.", "\x80\x02]q\x00h\x00a."} {
		f.Add([]byte(s))
	}
	z := open(f, "labels.npz")
	for _, name := range z.names {
		if !strings.HasPrefix(name, "object") {
			continue
		}
		_, r, err := z.open(name)
		if err != nil {
			f.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		items, err := loadObjects(data, []int{4}, 10000)
		runtime.ReadMemStats(&after)
		// 10,000 operations allocate some 2 MB (TestPickleMemory); the fuzzing engine allocates beside them.
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%d bytes allocated for %d", used, len(data))
		}
		if err == nil && len(items) != 4 {
			t.Errorf("%d items", len(items))
		}
		for _, item := range items {
			labelOf(item)
			kindOf(item)
		}
	})
}

// FuzzHeader holds that no header makes the parser panic, and that sizes are never negative.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{descr("<f4", "(624, 60, 6)"), descr("|O", "(4L,)"), descr("<U7", "()"), descr("<M8[ns]", "(1,)"),
		"{'descr': [('a', '<f4'), ('b', '<i2', (2,))], 'fortran_order': True, 'shape': (3,)}", "((((", "{'a': {'b': -1}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHeader(text)
		if err != nil {
			return
		}
		if h.ItemSize < 0 || h.Number() && h.ItemSize == 0 {
			t.Errorf("%q: item size %d", text, h.ItemSize)
		}
		for _, n := range h.Shape {
			if n < 0 {
				t.Errorf("%q: shape %v", text, h.Shape)
			}
		}
		h.ShapeText()
	})
}
