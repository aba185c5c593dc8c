package data

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vklstm/model/npz"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
)

// entry is an array of a made-up file: its type and shape as the header has them, and its data.
type entry struct {
	name, typ, shape string
	data             any // of a fixed size, or a slice of such
}

// npzBytes returns an .npz file of these arrays.
func npzBytes(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", e.typ, e.shape)
		f, err := w.Create(e.name + ".npy")
		if err == nil {
			fmt.Fprintf(f, "\x93NUMPY\x01\x00%c%c%s", len(header)&255, len(header)>>8, header)
			err = binary.Write(f, binary.LittleEndian, e.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func loadBytes(data []byte, k Keys) (*Dataset, error) {
	f, err := npz.New("data.npz", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return loadFrom(f, "data.npz", k)
}

var (
	goodX = entry{"X", "<f4", "(2, 2, 2)", []float32{1, 2, 3, 4, 5, 6, 7, 8}}
	goodY = entry{"y", "<i4", "(2,)", []int32{0, 1}}
)

func TestLoadAsTheOriginalSaves(t *testing.T) {
	d, err := LoadNPZ(filepath.Join("testdata", "original.npz"), Keys{})
	if err != nil {
		t.Fatal(err)
	}
	if d.N != 17 || d.T != 6 || d.F != 6 || len(d.X) != 17*36 || d.GroupKey != "video_names" {
		t.Errorf("%d windows of %d × %d, %d values, groups %q", d.N, d.T, d.F, len(d.X), d.GroupKey)
	}
	missing := 0
	for _, v := range d.X {
		if v != v {
			missing++
		}
	}
	if missing == 0 || missing > len(d.X)/5 {
		t.Errorf("%d of %d values are missing; about 5 %% were saved as NaN", missing, len(d.X))
	}
	for i := range d.N {
		if positive := d.Y[i] == 1; positive != (i%3 == 0) {
			t.Errorf("y[%d] = %v, want every third to be 1", i, d.Y[i])
		}
		if want := fmt.Sprintf("fall-%02d-cam0.mp4", i/3); d.Group[i] != want {
			t.Errorf("group %d is %q, want %q", i, d.Group[i], want)
		}
	}
}

func TestLoadEveryType(t *testing.T) {
	path := filepath.Join("testdata", "numbers.npz")
	for _, typ := range []string{"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "big_i8", "big_f4", "big_f8"} {
		d, err := LoadNPZ(path, Keys{X: "X_" + typ, Y: "y_" + typ})
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		want := float32(23)
		if typ == "b1" {
			want = 1
		}
		if d.X[23] != want || !slices.Equal(d.Y, []float32{0, 1, 1, 0}) || d.N != 4 || d.T != 3 || d.F != 2 || d.Group != nil {
			t.Errorf("%s: %+v", typ, d)
		}
	}
	d, err := LoadNPZ(path, Keys{X: "X_fortran", Y: "y_column"})
	if err != nil || !slices.Equal(d.Y, []float32{0, 1, 1, 0}) || d.X[1] != 1 || d.X[2] != 2 {
		t.Errorf("Fortran order, column of labels: %+v, %v", d, err)
	}
}

func TestLoadGroups(t *testing.T) {
	numbers := entry{"subject", "<i8", "(2,)", []int64{7, 8}}
	single := entry{"video_names", "<i8", "()", int64(3)}
	list := entry{"group", "<i8", "(3,)", []int64{1, 2, 3}}
	ids := entry{"video_ids", "<i8", "(2,)", []int64{4, 4}}
	for _, tc := range []struct {
		name    string
		entries []entry
		key     string
		want    []string
		wantKey string
	}{
		{"none", nil, "", nil, ""},
		{"the only one", []entry{ids}, "", []string{"4", "4"}, "video_ids"},
		{"the first", []entry{ids, numbers}, "", []string{"7", "8"}, "subject"},
		{"those that fit", []entry{single, list, ids}, "", []string{"4", "4"}, "video_ids"},
		{"chosen", []entry{ids, numbers}, "video_ids", []string{"4", "4"}, "video_ids"},
		{"any name", []entry{{"person", "|u1", "(2, 1)", []uint8{1, 2}}}, "person", []string{"1", "2"}, "person"},
	} {
		d, err := loadBytes(npzBytes(t, append(tc.entries, goodX, goodY)...), Keys{Group: tc.key})
		if err != nil || !slices.Equal(d.Group, tc.want) || d.GroupKey != tc.wantKey {
			t.Errorf("%s: %+v, %v; want %q from %q", tc.name, d, err, tc.want, tc.wantKey)
		}
	}
	for key, want := range map[string]string{
		"video_names": "data.npz: video_names has shape (); 2 windows need (2,)", "group": "data.npz: group has shape (3,); 2 windows need (2,)",
		"absent": `data.npz: no array "absent"; the file holds video_names () int64, group (3,) int64, X (2, 2, 2) float32, y (2,) int32; choose one with --group-key`,
	} {
		_, err := loadBytes(npzBytes(t, single, list, goodX, goodY), Keys{Group: key})
		if err == nil || err.Error() != want {
			t.Errorf("group key %s: %v; want %q", key, err, want)
		}
	}
}

func TestBadInput(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x := func(typ, shape string, data any) []entry { return []entry{{"X", typ, shape, data}, goodY} }
	y := func(typ, shape string, data any) []entry { return []entry{goodX, {"y", typ, shape, data}} }
	hostile := "\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R."
	for _, tc := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"nothing", nil, `no array "y"; the file holds no arrays`},
		{"no X", []entry{goodY}, `no array "X"; the file holds y (2,) int32; choose one with --x-key`},
		{"no y", []entry{goodX}, `no array "y"; the file holds X (2, 2, 2) float32; choose one with --y-key`},
		{"2 dimensions", x("<f4", "(2, 4)", make([]float32, 8)), "X has shape (2, 4); windows need 3 dimensions, (N, T, F)"},
		{"4 dimensions", x("<f4", "(2, 1, 2, 2)", make([]float32, 8)), "X has shape (2, 1, 2, 2); windows need 3 dimensions"},
		{"one number", x("<f4", "()", float32(1)), "X has shape (); windows need 3 dimensions"},
		{"text", x("<U1", "(2,)", []uint32{'a', 'b'}), "X is <U1, not numbers; save it with .astype"},
		{"complex", x("<c8", "(1, 1, 1)", []float32{1, 2}), "X is complex64, not numbers"},
		{"objects", x("|O", "(2,)", []byte(hostile)), "X holds a pickle that calls posix.system; refused"},
		{"no windows", x("<f4", "(0, 60, 6)", []float32{}), "X has shape (0, 60, 6), so it holds no values"},
		{"no features", x("<f4", "(2, 60, 0)", []float32{}), "X has shape (2, 60, 0), so it holds no values"},
		{"too many features", x("|u1", "(1, 1, 16777217)", make([]uint8, 16777217)), "at most 2147483647 windows of 16777216 steps and 16777216 features"},
		{"all NaN", x("<f4", "(2, 2, 2)", []float32{nan, nan, nan, nan, nan, nan, nan, nan}), "X holds nothing but NaN"},
		{"infinite", x("<f4", "(2, 2, 2)", []float32{0, 0, 0, 0, 0, 0, 0, inf}), "X holds +Inf in window 1, step 1, feature 1"},
		{"minus infinity", x("<f4", "(2, 2, 2)", []float32{0, 0, 0, -inf, 0, 0, 0, 0}), "X holds -Inf in window 0, step 1, feature 1"},
		{"beyond float32", x("<f8", "(2, 2, 2)", []float64{0, 0, 0, 1e39, 0, 0, 0, 0}), "X holds a value beyond float32's range at [0][1][1]"},
		{"too few labels", y("<i4", "(1,)", []int32{1}), "y holds 1 labels for 2 windows"},
		{"too many labels", y("<i4", "(3,)", []int32{1, 0, 1}), "y holds 3 labels for 2 windows"},
		{"label 0.5", y("<f4", "(2,)", []float32{1, 0.5}), "y holds 0.5 at [1]"},
		{"nearly 1", y("<f8", "(2,)", []float64{0, 1 + 1e-12}), "y holds 1.000000000001 at [1]"},
		{"label NaN", y("<f4", "(2,)", []float32{1, nan}), "y holds NaN at [1]"},
		{"two ones", y("<i4", "(2, 2)", []int32{1, 0, 1, 1}), "y has shape (2, 2) and in row 1 no single 1 among zeros"},
		{"no one", y("<f4", "(2, 2)", []float32{0, 0.5, 0, 1}), "y has shape (2, 2) and in row 0 no single 1 among zeros"},
		{"three dimensions", y("<i4", "(2, 1, 1)", []int32{1, 0}), "y has shape (2, 1, 1); one label for each of the 2 windows is needed, (2,), or one-hot rows, (2, classes)"},
		{"an empty label", y("<U1", "(2,)", []uint32{'0', 0}), "y holds an empty label"},
		{"one label", y("<i4", "()", int32(1)), "y has shape ()"},
		{"labels of objects", y("|O", "(2,)", []byte(hostile)), "y holds a pickle that calls posix.system; refused"},
		{"labels of dates", y("<M8[D]", "(2,)", []int64{1, 2}), "y is "},
		{"hostile groups", []entry{goodX, goodY, {"video_names", "|O", "(2,)", []byte(hostile)}}, "video_names holds a pickle that calls posix.system; refused"},
	} {
		_, err := loadBytes(npzBytes(t, tc.entries...), Keys{})
		if err == nil || !strings.HasPrefix(err.Error(), "data.npz: ") || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one sentence that begins with data.npz and holds %q", tc.name, err, tc.want)
		}
	}
	path := filepath.Join(t.TempDir(), "none.npz")
	if _, err := LoadNPZ(path, Keys{}); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, npzBytes(t, goodX, goodY)[:100], 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNPZ(path, Keys{}); err == nil || !strings.Contains(err.Error(), "the zip file is cut off or damaged") {
		t.Errorf("cut off: %v", err)
	}
}

// Negative zero and numbers below float32's normal range are 0, so that all devices agree on which steps are masked.
func TestTinyNumbersAreZero(t *testing.T) {
	tiny := math.Float32frombits(0x007fffff) // the largest subnormal
	d, err := loadBytes(npzBytes(t, entry{"X", "<f4", "(2, 2, 2)", []float32{tiny, -tiny, float32(math.Copysign(0, -1)), 0x1p-126, -0x1p-126, 0, 1, 0}}, goodY), Keys{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 0, 0, 0x1p-126, -0x1p-126, 0, 1, 0} {
		if math.Float32bits(d.X[i]) != math.Float32bits(want) {
			t.Errorf("x[%d] = %v, want %v", i, d.X[i], want)
		}
	}
}

func TestCheck(t *testing.T) {
	labelled := func(y ...float32) *Dataset {
		d := &Dataset{Path: "data.npz", N: len(y), T: 1, F: 1, X: make([]float32, len(y)), Y: y}
		for i := range d.X {
			d.X[i] = 1
		}
		return d
	}
	mixed := labelled(0, 1, 0, 1, 0, 1)
	empty := labelled(0, 1, 0, 1, 0, 1)
	clear(empty.X)
	empty.X[5] = 1 // in the test part alone
	grouped := labelled(0, 1, 0, 1, 0, 1)
	grouped.Group, grouped.GroupKey = []string{"c", "b", "b", "a", "a", "d"}, "video_names"
	parts := Parts{[]int32{0, 1}, []int32{2, 3}, []int32{4, 5}}
	for _, tc := range []struct {
		name     string
		d        *Dataset
		p        Parts
		warnings []string // what each must hold
		err      string
	}{
		{"good", mixed, parts, nil, ""},
		{"validation empty", mixed, Parts{parts.Train, nil, parts.Test}, nil, "6 windows leave the validation part empty; a random split needs at least 7 windows"},
		{"test empty", mixed, Parts{parts.Train, parts.Val, nil}, nil, "leave the test part empty"},
		{"training empty", mixed, Parts{nil, parts.Val, parts.Test}, nil, "leave the training part empty"},
		{"no positive window", labelled(0, 0, 0, 0, 0, 0), parts, nil, "y is 0 in all 6 windows; training needs at least one window of each class"},
		{"no negative window", labelled(1, 1, 1, 1, 1, 1), parts, nil, "y is 1 in all 6 windows"},
		{"training of one class", mixed, Parts{[]int32{0, 2}, []int32{1, 4}, []int32{3, 5}}, nil,
			"the training part holds 2 windows, all with y = 0; at least one with y = 1 is needed there, and the file has 3"},
		{"test of one class", mixed, Parts{[]int32{0, 1}, []int32{2, 3}, []int32{5}},
			[]string{"the test part holds 1 windows, all with y = 1: AUC is undefined there"}, ""},
		{"two of one class", mixed, Parts{[]int32{0, 1}, []int32{2, 4}, []int32{5}},
			[]string{"the validation part holds 2 windows, all with y = 0", "the test part"}, ""},
		{"nothing to see", empty, parts, nil, "every step of the training part is masked"},
		{"shared groups", grouped, parts, []string{`windows of one video_names lie in several parts (2 of them, "a" for one)`}, ""},
		{"whole groups", grouped, Parts{[]int32{0, 5}, []int32{1, 2}, []int32{3, 4}}, nil, ""},
	} {
		warnings, err := tc.d.Check(tc.p, Division{})
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.err)
		}
		if len(warnings) != len(tc.warnings) {
			t.Errorf("%s: warnings %q, want %q", tc.name, warnings, tc.warnings)
			continue
		}
		for i, w := range tc.warnings {
			if !strings.Contains(warnings[i], w) {
				t.Errorf("%s: warning %q, want %q", tc.name, warnings[i], w)
			}
		}
	}
	if _, err := mixed.Check(Parts{}, Division{}); !errors.Is(err, ErrTooSmall) {
		t.Errorf("%v does not wrap ErrTooSmall", err)
	}
}

func TestRealFiles(t *testing.T) {
	for _, tc := range []struct {
		file     string
		keys     Keys
		n, pos   int
		groups   int
		groupKey string
	}{
		{"urfd_movenet_6feat.npz", Keys{}, 624, 129, 70, "video_names"},
		{"urfd_movenet_6feat.npz", Keys{X: "X_raw", Y: "y_event", Group: "group"}, 624, 102, 70, "group"},
		{"weda_fall_25hz.npz", Keys{Group: "subject"}, 7570, 1750, 25, "subject"},
		{"sisfall_25hz.npz", Keys{Group: "subject"}, 16178, 5392, 38, "subject"},
	} {
		d, err := LoadNPZ(traintest.Shared(t, "data", tc.file), tc.keys)
		if err != nil {
			t.Error(err)
			continue
		}
		groups := map[string]bool{}
		for _, g := range d.Group {
			groups[g] = true
		}
		if pos := d.Positives(metrics.All(d.N)); d.N != tc.n || d.T != 60 || d.F != 6 || pos != tc.pos || len(groups) != tc.groups || d.GroupKey != tc.groupKey {
			t.Errorf("%s: %d windows of %d × %d, %d positive, %d groups from %s; want %+v", tc.file, d.N, d.T, d.F, pos, len(groups), d.GroupKey, tc)
		}
		p, err := SplitGroup(d, 42)
		if err != nil {
			t.Error(err)
			continue
		}
		warnings, err := d.Check(p, Division{})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %q", tc.file, err, warnings)
		}
		t.Logf("%s: %d %d %d windows, %d %d %d positive", tc.file, len(p.Train), len(p.Val), len(p.Test), d.Positives(p.Train), d.Positives(p.Val), d.Positives(p.Test))
	}
}

// FuzzNPZ holds that no file makes the loader panic, and that what it loads is what it promises.
func FuzzNPZ(f *testing.F) {
	f.Add(npzBytes(f, goodX, goodY))
	f.Add(npzBytes(f, entry{"X", "<f8", "(2, 1, 1)", []float64{1, math.NaN()}}, goodY, entry{"subject", "<U2", "(2,)", []uint32{'a', 0, 'b', 'c'}}))
	for _, name := range []string{"original.npz", "formats.npz"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, k := range []Keys{{}, {X: "X_deflated"}} {
			fuzzLoad(t, data, k)
		}
	})
}

// FuzzArrays is FuzzNPZ for what is inside the file, after the zip's checksums: X, y and a group as .npy files.
func FuzzArrays(f *testing.F) {
	npy := func(e entry) []byte {
		z, err := zip.NewReader(bytes.NewReader(npzBytes(f, e)), int64(len(npzBytes(f, e))))
		if err != nil {
			f.Fatal(err)
		}
		r, err := z.File[0].Open()
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	for _, e := range []entry{
		{"group", "<U2", "(2,)", []uint32{'a', 0, 'b', 'c'}}, {"group", ">i8", "(2, 1)", []int64{1, 2}}, {"group", "|S3", "(2,)", []byte("abcdef")},
		{"group", "|O", "(2,)", []byte("\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.")},
	} {
		f.Add(npy(goodX), npy(goodY), npy(e))
	}
	f.Add(npy(entry{"X", ">f2", "(3, 1, 1)", []uint16{1, 2, 3}}), npy(entry{"y", "|b1", "(3, 1)", []uint8{0, 1, 0}}), []byte{})
	f.Fuzz(func(t *testing.T, x, y, group []byte) {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for i, data := range [][]byte{x, y, group} {
			e, err := w.CreateHeader(&zip.FileHeader{Name: []string{"X.npy", "y.npy", "group.npy"}[i]})
			if err == nil {
				_, err = e.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		fuzzLoad(t, b.Bytes(), Keys{})
	})
}

// fuzzLoad loads data and checks the result, also of what is done with it next.
func fuzzLoad(t *testing.T, data []byte, k Keys) {
	d, err := loadBytes(data, k)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "data.npz: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q is no line that names the file", err)
		}
		return
	}
	if d.N < 1 || len(d.X) != d.N*d.T*d.F || len(d.Y) != d.N || d.Group != nil && len(d.Group) != d.N {
		t.Fatalf("%d × %d × %d: %d values, %d labels, %d groups", d.N, d.T, d.F, len(d.X), len(d.Y), len(d.Group))
	}
	for _, v := range d.X {
		if math.IsInf(float64(v), 0) {
			t.Fatal("an infinity")
		}
	}
	if d.N > 1000 {
		return
	}
	p := SplitRandom(d.N, 42)
	if d.Check(p, Division{}); len(p.Train) > 0 {
		if s, _, err := FitScaling(ScaleStandard, d, p.Train, Masking{}); err == nil && s.Check(d.F) != nil {
			t.Fatal(s.Check(d.F))
		}
	}
	if p, err := SplitGroup(d, 42); err == nil && len(p.Train)+len(p.Val)+len(p.Test) != d.N {
		t.Fatal("windows got lost")
	}
}
