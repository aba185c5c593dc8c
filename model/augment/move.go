package augment

import (
	"math"

	"github.com/go-gl/mathgl/mgl64"

	"vklstm/model"
	"vklstm/model/philox"
)

// A rotation is one of Axes · Angles: an axis of a lattice on the sphere, and one of equally spaced angles.
const (
	Axes   = 1 << 12
	Angles = 1 << 8
)

// Axis returns unit vector i of Axes: a Fibonacci lattice, whose point i lies in the middle of ring i of as many rings of
// equal area, the golden angle on from the one before. Its points are some 3° apart, and any cap of the sphere holds its
// share of them to within 1/300 of all (González 2010, Measurement of areas on a sphere using Fibonacci and
// latitude-longitude lattices, Mathematical Geosciences 42).
func Axis(i int) mgl64.Vec3 {
	golden := math.Pi * (3 - math.Sqrt(5))
	return mgl64.SphericalToCartesian(1, math.Acos(1-(2*float64(i)+1)/Axes), math.Mod(float64(i)*golden, 2*math.Pi))
}

// Angle returns angle i of Angles in radians: the middle of part i of [0, degrees].
func Angle(i int, degrees float64) float64 {
	return mgl64.DegToRad(degrees) * (float64(i) + 0.5) / Angles
}

// Turn returns the axis and the angle that a random word stands for, each equally probable.
func Turn(word uint32) (axis, angle int) { return int(word >> 20), int(word >> 12 & (Angles - 1)) }

// Rotation returns the rotation by a random angle of [0, degrees] around a random axis, exact: what engines compute of it is
// rounded to float32.
func Rotation(word uint32, degrees float64) mgl64.Quat {
	axis, angle := Turn(word)
	return mgl64.QuatRotate(Angle(angle, degrees), Axis(axis))
}

// axisTable is Tables.Axis.
func axisTable() []float32 {
	out := make([]float32, 0, 3*Axes)
	for i := range Axes {
		a := Axis(i)
		out = append(out, float32(a[0]), float32(a[1]), float32(a[2]))
	}
	return out
}

// AngleTable returns [Angles][2], sin θ and 1 − cos θ of each angle of [0, degrees]: of the quaternion (cos θ/2, sin θ/2),
// since 1 − cos θ would cancel.
func AngleTable(degrees float64) []float32 {
	out := make([]float32, 0, 2*Angles)
	for i := range Angles {
		q := mgl64.QuatRotate(Angle(i, degrees), mgl64.Vec3{1, 0, 0})
		out = append(out, float32(2*q.W*q.V[0]), float32(2*q.V[0]*q.V[0]))
	}
	return out
}

// Move is how a window is moved.
type Move struct {
	Shift       int     // steps that it is late: cell t comes from step t − Shift
	Factor      float32 // of all values
	Axis, Angle int     // that triplets turn by
}

// DrawMove returns how the window with this number is moved in the epoch, false for not at all, under the key philox.Key(seed).
// T is the steps of a window.
func DrawMove(a model.Augment, T int, key [2]uint32, window, epoch uint32) (Move, bool) {
	below := philox.Below(a.MoveProb)
	if below == 0 {
		return Move{}, false
	}
	r := philox.Draw([4]uint32{0, window, epoch, philox.Move}, key)
	if r[0]>>8 >= below {
		return Move{}, false
	}
	most := uint32(float32(float32(a.Shift) * float32(T)))
	m := Move{
		Shift:  int(uint64(r[1])*uint64(2*most+1)>>32) - int(most),
		Factor: 1 + float32(float32(a.Magnitude)*(2*philox.Uniform(r[2])-1)),
	}
	m.Axis, m.Angle = Turn(r[3])
	return m, true
}

// Turning returns how many features turn with their triplets.
func Turning(a model.Augment) int {
	if a.Rotate > 0 {
		return 3 * a.Triplets
	}
	return 0
}

// move shifts the cells of x, multiplies them by a factor and turns the triplets. A triplet of which a value is missing in a
// step is not turned in that step: what it would become is not known.
func (in *Input) move(x []float32, m Move) {
	copy(in.cells, x)
	turning := Turning(in.augment)
	axis, angle := in.tables.Axis[3*m.Axis:][:3], in.angles[2*m.Angle:][:2]
	var rows [3][3]float32
	for i := range rows {
		rows[i] = turnRow(axis, angle[0], angle[1], i)
	}
	for t := range in.t {
		out, from := x[t*in.f:(t+1)*in.f], t-m.Shift
		if from < 0 || from >= in.t {
			for i := range out {
				out[i] = missing
			}
			continue
		}
		row := in.cells[from*in.f : (from+1)*in.f]
		for i := range row {
			row[i] = float32(row[i] * m.Factor) // a missing cell stays so
		}
		copy(out, row)
		for first := 0; first < turning; first += 3 {
			v := row[first : first+3]
			if v[0] != v[0] || v[1] != v[1] || v[2] != v[2] {
				continue
			}
			out[first] = turned(rows[0], v[0], v[1], v[2])
			out[first+1] = turned(rows[1], v[1], v[2], v[0])
			out[first+2] = turned(rows[2], v[2], v[0], v[1])
		}
	}
}

// turnRow returns row i of the rotation around axis[3] by the angle with this sin θ and 1 − cos θ (Rodrigues),
//
//	I + sin θ·K + (1 − cos θ)·K²,  K·v = axis × v
//
// from the element on the diagonal on: with i, j, k in cyclic order all three rows read alike.
func turnRow(axis []float32, sine, versine float32, i int) [3]float32 {
	j, k := (i+1)%3, (i+2)%3
	part := float32(versine * axis[i])
	return [3]float32{
		1 - float32(versine*float32(float32(axis[j]*axis[j])+float32(axis[k]*axis[k]))),
		float32(part*axis[j]) - float32(sine*axis[k]),
		float32(part*axis[k]) + float32(sine*axis[j]),
	}
}

// turned returns the component that the row stands for of a turned vector, whose components come in the row's order.
func turned(row [3]float32, a, b, c float32) float32 {
	return float32(float32(row[0]*a)+float32(row[1]*b)) + float32(row[2]*c)
}
