package reference

import "vklstm/model"

// MergeBackward is merge_backward.comp: it returns the gradient by direction d of a layer, [R][H], from that by the merged output.
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
