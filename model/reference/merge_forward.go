package reference

import "vklstm/model"

// MergeForward is merge_forward.comp: it makes one output of a layer's directions, each [R][H]: [R][2H] for Concat, else [R][H].
func MergeForward(merge model.Merge, directions [][]float64, rows int) []float64 {
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
