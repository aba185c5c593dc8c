package gputest

import (
	"math"
	"strings"
	"testing"
)

func TestNear(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	n32, i32 := float32(nan), float32(inf)
	for _, tc := range []struct {
		name  string
		got   []float32
		want  []float64
		tol   float64
		shape []int
		msg   string // "" passes
	}{
		{"equal", []float32{1, 2}, []float64{1, 2}, 0, nil, ""},
		{"within", []float32{1, 2}, []float64{1.5, 2}, 0.5, nil, ""},
		{"beyond", []float32{1, 2, 3, 4, 5, 6}, []float64{1, 2, 3.5, 4, 7, 6}, 0.25, []int{2, 3}, "worst at [1][1]: got 5, want 7, error 2 = 8 × tolerance 0.25; 2 of 6"},
		{"flat index", []float32{1, 2}, []float64{1, 3}, 0.5, nil, "worst at [1]"},
		{"NaN", []float32{1, n32}, []float64{1, 1}, 1e9, nil, "worst at [1]: got NaN"},
		{"NaN wanted", []float32{n32}, []float64{nan}, 1e9, nil, "got NaN, want NaN"},
		{"number for NaN", []float32{1}, []float64{nan}, 1e9, nil, "want NaN"},
		{"infinity", []float32{i32, -i32}, []float64{inf, -inf}, 0, nil, ""},
		{"wrong infinity", []float32{i32}, []float64{-inf}, 1e9, nil, "got +Inf, want -Inf"},
		{"overflow", []float32{i32}, []float64{1}, 1e9, nil, "got +Inf"},
		{"infinite tolerance", []float32{n32}, []float64{1}, math.Inf(1), nil, "got NaN"},
		{"NaN tolerance", []float32{1}, []float64{2}, nan, nil, "tolerance NaN"},
		{"lengths", []float32{1}, []float64{1, 2}, 1, nil, "1 elements, want 2"},
		{"shape", []float32{1, 2}, []float64{1, 2}, 1, []int{3}, "shape [3]"},
		{"nothing", nil, nil, 1, nil, "nothing to compare"},
	} {
		msg := compare("x", tc.got, tc.want, tc.tol, tc.shape)
		if (msg == "") != (tc.msg == "") || !strings.Contains(msg, tc.msg) {
			t.Errorf("%s: %q, want %q", tc.name, msg, tc.msg)
		}
	}
}
