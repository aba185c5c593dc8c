package metrics

import "math"

var NaN = math.NaN()

// labelsOf returns the labels of the listed windows.
func Labels(labels []float32, windows []int32) []float32 {
	y := make([]float32, len(windows))
	for i, w := range windows {
		y[i] = labels[w]
	}
	return y
}

// class is the label as an index.
func Class(y float32) int {
	if y > 0.5 {
		return 1
	}
	return 0
}

// all returns 0 … n−1.
func All(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// MeanProbability returns the mean over members of each window's probability, members[k][n], as Keras's Average layer
// takes it: their sum in float32, in order, divided by their number.
func MeanProbability(members [][]float32) []float32 {
	mean := append([]float32(nil), members[0]...)
	if len(members) == 1 {
		return mean
	}
	for _, p := range members[1:] {
		for i := range mean {
			mean[i] += p[i]
		}
	}
	for i := range mean {
		mean[i] /= float32(len(members))
	}
	return mean
}
