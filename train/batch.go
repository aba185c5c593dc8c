package train

import (
	"math/bits"

	"vklstm/model/philox"
	"vklstm/train/data"
)

// Permutation returns the order of the windows 0 … n−1 in an epoch (counted from 0): a Fisher–Yates shuffle whose
// draws are a pure function of seed and epoch, so that it is the same on every engine and a continued run goes on
// with the order that it would have had. Every order is equally likely, exactly: draws are whole numbers, and the
// few that would favour some are drawn again.
func Permutation(n int, seed uint64, epoch int) []int32 {
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(i)
	}
	key := philox.Key(seed)
	for i := n - 1; i > 0; i-- {
		j := below(uint32(i+1), uint32(i), uint32(epoch), key)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// below returns a number in [0, n), each equally likely, from the words of element i of the epoch's shuffle
// (Lemire 2019, Fast random integer generation in an interval, algorithm 5). It takes the first of the four words
// that is fair: all but about n/2³² of them. Should none be, the next draw has another item number.
func below(n, i, epoch uint32, key [2]uint32) uint32 {
	unfair := -n % n // 2³² mod n
	for item := uint32(0); ; item++ {
		for _, word := range philox.Draw([4]uint32{i, item, epoch, philox.Shuffle}, key) {
			if high, low := bits.Mul32(word, n); low >= unfair {
				return high
			}
		}
	}
}

// classWeights returns the weight of a window of each class: n/(classes·count), counted over the windows, so that
// all classes weigh the same in sum and the mean weight is 1. All classes must be there.
func classWeights(d *data.Dataset, windows []int32) []float64 {
	count := d.Counts(windows)
	weights := make([]float64, len(count))
	for c, n := range count {
		weights[c] = float64(len(windows)) / float64(len(count)*n)
	}
	return weights
}
