package npz

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// open opens a file that testdata/make.py made with NumPy.
func open(t testing.TB, name string) *File {
	t.Helper()
	f, err := Open(filepath.Join("..", "..", "train", "data", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// counting is 0, 1, 2, …: what the arrays X_… hold, in C order.
func counting(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	return x
}

func TestNumbersOfEveryType(t *testing.T) {
	for _, name := range []string{"numbers.npz", "packed.npz", "formats.npz"} {
		f := open(t, name)
		read := 0
		for _, key := range f.names {
			key = strings.TrimSuffix(key, ".npy")
			if key == "X_lzma" || !strings.HasPrefix(key, "X_") && !strings.HasPrefix(key, "y") {
				continue
			}
			read++
			want, wantShape := counting(24), []int{4, 3, 2}
			switch {
			case key == "X_b1":
				for i := range want {
					want[i] = min(want[i], 1)
				}
			case key == "y_column":
				want, wantShape = []float32{0, 1, 1, 0}, []int{4, 1}
			case key[0] == 'y':
				want, wantShape = []float32{0, 1, 1, 0}, []int{4}
			}
			got, shape, err := f.Float32(key)
			if err != nil || !slices.Equal(got, want) || !slices.Equal(shape, wantShape) {
				t.Errorf("%s: Float32(%q) = %v, %v, %v; want %v, %v", name, key, got, shape, err, want, wantShape)
			}
			double, _, err := f.Float64(key)
			for i, v := range double {
				if v != float64(want[i]) {
					t.Errorf("%s: Float64(%q)[%d] = %v, want %v", name, key, i, v, want[i])
				}
			}
			if err != nil || len(double) != len(want) {
				t.Errorf("%s: Float64(%q): %d values, %v", name, key, len(double), err)
			}
		}
		if want := map[string]int{"numbers.npz": 45, "packed.npz": 45, "formats.npz": 8}[name]; read != want {
			t.Errorf("%s: %d arrays read, want %d", name, read, want)
		}
	}
}

func TestHalfPrecisionBounds(t *testing.T) {
	f := open(t, "numbers.npz")
	short, _, err := f.Float32("special_f2")
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := f.Float32("special_f4") // NumPy's own conversion
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Float32bits(short[i]) != math.Float32bits(want[i]) && !(short[i] != short[i] && want[i] != want[i]) {
			t.Errorf("float16 [%d] = %v, want %v", i, short[i], want[i])
		}
	}
	for u, want := range map[uint16]float64{0x7c00: math.Inf(1), 0xfc00: math.Inf(-1), 0x3c00: 1, 0x8001: -0x1p-24, 0x7bff: 65504} {
		if got := float64(half(u)); got != want {
			t.Errorf("half(%#x) = %v, want %v", u, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	names := []string{"fall-01", "fall-01", "adl-é漢𝄞", ""}
	for key, want := range map[string][]string{
		"U": names, "U_big": names, "column": names, "empty": {"", "", "", ""},
		"S":  {"fall-01", "fall-01", "adl-é??", ""},
		"i4": {"7", "7", "-3", "0"},
		"i8": {"9007199254740992", "9007199254740993", "-5", "0"}, "i8_big": {"9007199254740992", "9007199254740993", "-5", "0"},
		"u8": {"18446744073709551615", "7", "3", "0"},
		"f8": {"7", "7", "2.5", "NaN"}, "bool": {"1", "0", "1", "1"},
	} {
		got, numbers, err := open(t, "labels.npz").Labels(key, 4)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Labels(%q) = %q, %v; want %q", key, got, err, want)
		}
		if text := strings.ContainsAny(key[:1], "USce"); numbers == text {
			t.Errorf("Labels(%q): numbers %v", key, numbers)
		}
	}
	for _, protocol := range []string{"2", "2_old", "3", "3_old", "4", "5"} {
		for key, want := range map[string][]string{
			"object": names, "object_column": names,
			"object_mixed":  {"fall-01", "7", "None", "byé"},
			"object_more":   {"1180591620717411303424", "-9223372036854775808", "2.5", "True"},
			"object_numpy":  {"fall-01", "-7", "18446744073709551615", "2.5"},
			"object_numpy2": {"ab", "True", "é", "-1"},
		} {
			got, numbers, err := open(t, "labels.npz").Labels(key+"_"+protocol, 4)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("Labels(%q) = %q, %v; want %q", key+"_"+protocol, got, err, want)
			}
			if numbers != (key == "object_more") {
				t.Errorf("Labels(%q): numbers %v", key+"_"+protocol, numbers)
			}
		}
		for key, want := range map[string]string{"object_list": "a list at [0]", "object_array": "an array at [0]"} {
			if key+protocol == "object_array5" {
				want = "calls numpy._core.numeric._frombuffer; refused" // how NumPy 2 writes an array of numbers
			}
			_, _, err := open(t, "labels.npz").Labels(key+"_"+protocol, 4)
			wantError(t, key+"_"+protocol, err, want)
		}
	}
	_, _, err := open(t, "labels.npz").Labels("three", 4)
	wantError(t, "three", err, "three has shape (3,); 4 windows need (4,)")
}

func TestContents(t *testing.T) {
	got := open(t, "numbers.npz").Contents()
	for _, want := range []string{"X_b1 (4, 3, 2) bool, y_b1 (4,) bool, X_i1 (4, 3, 2) int8", "y_big_f4 (4,) float32", "y_f8 (4,) float64, and 12 more"} {
		if !strings.Contains(got, want) {
			t.Errorf("Contents() = %q, want it to hold %q", got, want)
		}
	}
	for key, want := range map[string]string{"y_column": "(4, 1) int64", "scalar": "() float32", "special_f2": "(1, 4, 2) float16"} {
		h, err := open(t, "numbers.npz").Header(key)
		if got := h.ShapeText() + " " + h.Type; got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", key, got, err, want)
		}
	}
	if got := open(t, "original.npz").Contents(); got != "X (17, 6, 6) float64, y (17,) bool, video_names (17,) object" {
		t.Errorf("Contents() = %q", got)
	}
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v; want one that holds %q", what, err, want)
	}
}

func TestRefusedTypes(t *testing.T) {
	f := open(t, "numbers.npz")
	for key, want := range map[string]string{
		"text": "text is <U1, not numbers", "complex": "complex is complex64, not numbers", "time": "time is <M8[ns], not numbers",
		"structured": "structured is structured, not numbers", "absent": `no array "absent"; the file holds X_b1 (4, 3, 2) bool`,
	} {
		_, _, err := f.Float32(key)
		wantError(t, key, err, want)
	}
	_, _, err := f.Labels("complex", 4)
	wantError(t, "complex", err, "complex has shape")
	_, _, err = open(t, "formats.npz").Float32("X_lzma")
	wantError(t, "lzma", err, "X_lzma is compressed by zip method 14; save it with np.savez")
}

// npy returns an array as NumPy writes it, with this text for a header and this data.
func npy(header string, data []byte) []byte {
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	return append(append(b, header...), data...)
}

func descr(typ, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", typ, shape)
}

// zipped returns a zip file with one entry, deflated or not.
func zipped(t testing.TB, name string, data []byte, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err == nil {
		_, err = e.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lying returns a stored zip entry that holds data and claims to hold size bytes, packed into packed.
func lying(t testing.TB, data []byte, packed, size uint64, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.CreateRaw(&zip.FileHeader{Name: "X.npy", Method: method, CompressedSize64: packed, UncompressedSize64: size})
	if err == nil {
		_, err = e.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func deflated(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, data []byte) error {
	t.Helper()
	f, err := New("data.npz", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	_, _, err = f.Float32("X")
	return err
}

func TestDamaged(t *testing.T) {
	good := npy(descr("<f4", "(2, 1, 1)"), make([]byte, 8))
	huge := npy(descr("<f4", "(4398046511104,)"), nil)          // 16 TiB
	packed := deflated(t, append(huge, make([]byte, 1<<17)...)) // 128 KiB of them
	whole := zipped(t, "X.npy", good, zip.Store)
	broken := bytes.Clone(whole)
	broken[30+len("X.npy")+len(good)-1] ^= 1
	if err := read(t, whole); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "data.npz: the file is empty"},
		{"text", []byte("time,x,y\n0,1,2\n"), "data.npz: not a zip file"},
		{"npy", good, "data.npz: a single .npy array; put X and y into one file"},
		{"HDF5", []byte("\x89HDF\r\n\x1a\n....."), "data.npz: an HDF5 file"},
		{"half a file", whole[:len(whole)/2], "data.npz: the zip file is cut off or damaged"},
		{"checksum", broken, "data.npz: X is damaged: its checksum is wrong"},
		{"no array", zipped(t, "X.npy", []byte("hello, world"), zip.Store), "X is not a NumPy array"},
		{"empty entry", zipped(t, "X.npy", nil, zip.Store), "X is cut off"},
		{"short header", zipped(t, "X.npy", good[:20], zip.Store), "X is cut off"},
		{"version 9", zipped(t, "X.npy", append([]byte(magic), 9, 0, 1, 0), zip.Store), "X has format version 9"},
		{"header of 4 GiB", zipped(t, "X.npy", append([]byte(magic), 2, 0, 255, 255, 255, 255), zip.Store), "header of more than 64 KiB"},
		{"less than the header says", zipped(t, "X.npy", good[:len(good)-1], zip.Store), "its header claims (2, 1, 1) float32, but the file holds 7 bytes"},
		{"more than the header says", zipped(t, "X.npy", append(good, 0), zip.Store), "but the file holds 9 bytes"},
		{"16 TiB in the header", zipped(t, "X.npy", huge, zip.Store), "its header claims (4398046511104,) float32, but the file holds 0 bytes"},
		{"16 TiB in the directory", lying(t, huge, 1<<44+uint64(len(huge)), 1<<44+uint64(len(huge)), zip.Store), "it claims 17592186044"},
		{"16 TiB, packed", lying(t, packed, uint64(len(packed)), 1<<44+uint64(len(huge)), zip.Deflate), "is damaged: it claims 17592186044"},
		{"stored sizes differ", lying(t, npy(descr("<f4", "(2, 1, 1)"), nil), uint64(len(good)-8), uint64(len(good)), zip.Store), "is damaged"},
		{"overflowing shape", zipped(t, "X.npy", npy(descr("<f4", "(4611686018427387904, 4, 4)"), nil), zip.Store), "its header claims"},
		{"shape beyond int64", zipped(t, "X.npy", npy(descr("<f4", "(99999999999999999999,)"), nil), zip.Store), "header that cannot be read"},
		{"negative shape", zipped(t, "X.npy", npy(descr("<f4", "(-2, 1, 1)"), nil), zip.Store), "a shape that is no tuple of sizes"},
		{"two negatives", zipped(t, "X.npy", npy(descr("<f4", "(-2, -1)"), make([]byte, 8)), zip.Store), "a shape that is no tuple of sizes"},
		{"float shape", zipped(t, "X.npy", npy(descr("<f4", "(2.5,)"), nil), zip.Store), "header that cannot be read"},
		{"no shape", zipped(t, "X.npy", npy("{'descr': '<f4', 'fortran_order': False}", nil), zip.Store), "no shape"},
		{"no order", zipped(t, "X.npy", npy("{'descr': '<f4', 'shape': (1,)}", nil), zip.Store), "no fortran_order"},
		{"no descr", zipped(t, "X.npy", npy("{'fortran_order': False, 'shape': (1,)}", nil), zip.Store), "no descr"},
		{"odd type", zipped(t, "X.npy", npy(descr("<q9", "(1,)"), nil), zip.Store), "unknown type <q9"},
		{"code", zipped(t, "X.npy", npy("__import__('os').system('id')", nil), zip.Store), "no dict"},
		{"nested", zipped(t, "X.npy", npy(strings.Repeat("(", 60000), nil), zip.Store), "no dict"},
		{"float128", zipped(t, "X.npy", npy(descr("<f16", "(1,)"), make([]byte, 16)), zip.Store), "X is float128, not numbers"},
		{"zero-size int", zipped(t, "X.npy", npy(descr("<i0", "(1,)"), nil), zip.Store), "not numbers"},
		{"beyond float32", zipped(t, "X.npy", npy(descr("<f8", "(1, 2)"), binary.LittleEndian.AppendUint64(make([]byte, 8), math.Float64bits(-1e39))), zip.Store),
			"X holds a value beyond float32's range at [0][1]"},
	} {
		wantError(t, tc.name, read(t, tc.data), tc.want)
	}
	encrypted := bytes.Clone(whole)
	directory := bytes.Index(encrypted, []byte("PK\x01\x02"))
	encrypted[directory+8] |= 1
	wantError(t, "encrypted", read(t, encrypted), "X is encrypted")
	_, err := Open(t.TempDir())
	wantError(t, "folder", err, "not a regular file")
	_, err = Open(filepath.Join(t.TempDir(), "none.npz"))
	wantError(t, "no file", err, "give the path of an .npz file")
	if !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") && !strings.Contains(err.Error(), "cannot find") {
		t.Errorf("no file: %v", err)
	}
}

// A file whose entry is cut in the middle of its data but whose directory is whole.
func TestCutOff(t *testing.T) {
	data := npy(descr("<f4", "(100000,)"), make([]byte, 400000))
	packed := zipped(t, "X.npy", data, zip.Deflate)
	// Damage the deflate stream in its middle: less than a byte of it is left as it was.
	at := bytes.Index(packed, []byte("PK\x07\x08"))
	for i := 40; i < at-8; i++ {
		packed[i] = 0xff
	}
	wantError(t, "deflate", read(t, packed), "X is")
}

// A small file must not make the reader allocate much, whatever it claims.
func TestMemoryFollowsTheFile(t *testing.T) {
	huge := npy(descr("<f4", "(4398046511104,)"), nil)
	packed := deflated(t, append(huge, make([]byte, 1<<17)...))
	files := map[string][]byte{
		"header":    zipped(t, "X.npy", huge, zip.Store),
		"directory": lying(t, huge, 1<<44, 1<<44+uint64(len(huge)), zip.Store),
		"packed":    lying(t, packed, 1<<44, 1<<44+uint64(len(huge)), zip.Deflate),
		"deflate":   lying(t, packed, uint64(len(packed)), 1<<44+uint64(len(huge)), zip.Deflate),
	}
	for name, data := range files {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read(t, data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(data))
		}
	}
}

// An entry may claim 1032 times its packed size and then end early: memory is given as data comes.
func TestMemoryFollowsTheData(t *testing.T) {
	const packed = 3 << 20
	data := make([]byte, packed) // random, so that deflate finds nothing
	for i, rng := range rand.New(rand.NewPCG(1, 2)).Perm(packed) {
		data[i] = byte(rng)
	}
	const n = 75 << 20 // elements, 300 MiB
	header := npy(descr("<f4", fmt.Sprintf("(%d,)", n)), nil)
	stream := deflated(t, append(header, data...))
	z := lying(t, stream, uint64(len(stream)), uint64(len(header))+4*n, zip.Deflate)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := read(t, z)
	runtime.ReadMemStats(&after)
	wantError(t, "cut off", err, "X is cut off")
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*firstGrow+(8<<20) {
		t.Errorf("%d bytes allocated for a file of %d", used, len(z))
	}
}

// What packs a thousand to one is a bomb where it must lie in memory, and is read in rows, which need none.
func TestPackedBomb(t *testing.T) {
	const n = 272 << 20
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.Create("X.npy")
	if err != nil {
		t.Fatal(err)
	}
	e.Write(npy(descr("|u1", fmt.Sprintf("(%d, 1024)", n/1024)), nil))
	for range n >> 20 {
		e.Write(make([]byte, 1<<20))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a bomb", read(t, b.Bytes()), "no measured data")
	f, err := New("data.npz", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	values := 0
	if err := f.Rows("X", 4096, func(part []float32) error { values += len(part); return nil }); err != nil || values != n {
		t.Errorf("%d values, %v", values, err)
	}
}

// An entry whose size its packed bytes bear out gets its memory once: growing would hold the array nearly twice.
func TestMemoryIsTakenOnce(t *testing.T) {
	const n = firstGrow + firstGrow/4
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		data := make([]byte, n)
		for i, rng := 0, rand.New(rand.NewPCG(1, 2)); i < n; i++ {
			data[i] = byte(rng.Uint32() & 3) // two bits of eight: it packs to some quarter, and no further
		}
		z := zipped(t, "X", npy(descr("|u1", fmt.Sprintf("(%d,)", n)), data), method)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := New("data.npz", bytes.NewReader(z), int64(len(z)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Float32("X"); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 4*n+4*n/10 {
			t.Errorf("method %d, %d packed bytes: %d bytes allocated for %d", method, len(z), used, 4*n)
		}
	}
}

// A deflated entry is read, and grows, in steps: its end must be found whatever its size is.
func TestDeflatedInSteps(t *testing.T) {
	const n = 3*chunk/4 + 7 // three chunks and a bit
	data := npy(descr("<f4", fmt.Sprintf("(%d,)", n)), nil)
	for i := range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(i)))
	}
	z := zipped(t, "X", data, zip.Deflate)
	f, err := New("data.npz", bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := f.Float32("X")
	if err != nil || !slices.Equal(got, counting(n)) {
		t.Errorf("%d values, %v", len(got), err)
	}
}

func TestNamesTwice(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, name := range []string{"X.npy", "X", "X"} {
		e, _ := w.CreateHeader(&zip.FileHeader{Name: name})
		e.Write(npy(descr("|u1", "(1,)"), []byte{byte(i)}))
	}
	w.Close()
	f, err := New("data.npz", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := f.Float32("X"); err != nil || got[0] != 2 {
		t.Errorf("Float32(X) = %v, %v; want [2]: the last of the entries named exactly so", got, err)
	}
}

func BenchmarkFloat32(b *testing.B) {
	const n = 8 << 20
	for _, tc := range []struct {
		name, typ string
		size      int
		method    uint16
	}{{"stored/float32", "<f4", 4, zip.Store}, {"stored/float64", "<f8", 8, zip.Store}, {"stored/big-endian", ">f4", 4, zip.Store}, {"deflated/float32", "<f4", 4, zip.Deflate}} {
		b.Run(tc.name, func(b *testing.B) {
			data := make([]byte, n*tc.size)
			for i := range data {
				data[i] = byte(i * i >> 8 & 0x3f)
			}
			z := zipped(b, "X.npy", npy(descr(tc.typ, fmt.Sprintf("(%d,)", n)), data), tc.method)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := read(b, z); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
