package reference

import (
	"math"

	"github.com/go-gl/mathgl/mgl64"

	"vklstm/model"
	"vklstm/model/augment"
)

// Move is what gather.comp does to a window that is moved: shift, magnitude, rotation, as four random words set them. In
// x[T][F] NaN is a missing cell.
func Move(x []float64, f int, a model.Augment, words [4]uint32) []float64 {
	T, out := len(x)/f, make([]float64, len(x))
	most := int(float32(a.Shift) * float32(T)) // rounded as the shader does, since the floor jumps
	shift := int(uint64(words[1])*uint64(2*most+1)>>32) - most
	factor := 1 + a.Magnitude*(2*float64(words[2]>>8)*0x1p-24-1)
	rotation := augment.Rotation(words[3], a.Rotate)
	for t := range T {
		for i := range f {
			out[t*f+i] = math.NaN()
			if from := t - shift; from >= 0 && from < T {
				out[t*f+i] = factor * x[from*f+i]
			}
		}
		for n := range a.Triplets {
			row := out[t*f+3*n:][:3]
			v := rotation.Rotate(mgl64.Vec3{row[0], row[1], row[2]})
			if v[0]+v[1]+v[2] == v[0]+v[1]+v[2] { // none missing
				copy(row, v[:])
			}
		}
	}
	return out
}
