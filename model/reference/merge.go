package reference

import "vklstm/model"

// Merge makes one output of a layer's directions, each [R][H]: [R][2H] for Concat, else [R][H].
func Merge(merge model.Merge, directions [][]float64, rows int) []float64 {
	if len(directions) == 1 || merge == model.Concat {
		return beside(directions, rows)
	}
	out := make([]float64, len(directions[0]))
	for i, f := range directions[0] {
		switch b := directions[1][i]; merge {
		case model.Sum:
			out[i] = f + b
		case model.Average:
			out[i] = (f + b) / 2
		case model.Product:
			out[i] = f * b
		}
	}
	return out
}

// MergeBackward returns the gradient by direction d of a layer, [R][H], from that by the merged output.
func MergeBackward(merge model.Merge, directions [][]float64, rows, d int, dOut []float64) []float64 {
	if len(directions) == 1 || merge == model.Concat {
		h := len(directions[0]) / rows
		return columns(dOut, rows, len(directions)*h, d*h, h)
	}
	out := make([]float64, len(dOut))
	for i, v := range dOut {
		switch merge {
		case model.Sum:
			out[i] = v
		case model.Average:
			out[i] = v / 2
		case model.Product:
			out[i] = v * directions[1-d][i]
		}
	}
	return out
}
