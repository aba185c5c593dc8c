package data

import (
	"maps"
	"math/big"
	"slices"
)

// Groups returns the names of the groups in the order in which np.unique has them (numbers by size, text by code
// points), and of each window the place of its group in that order; nil and nil where the data has no groups.
func (d *Dataset) Groups() (names []string, of []int32) {
	if d.Group == nil {
		return nil, nil
	}
	place := map[string]int32{}
	for _, g := range d.Group {
		place[g] = 0
	}
	names = slices.Sorted(maps.Keys(place))
	if d.groupNumbers {
		slices.SortStableFunc(names, compareNumbers)
	}
	for i, g := range names {
		place[g] = int32(i)
	}
	of = make([]int32, len(d.Group))
	for i, g := range d.Group {
		of[i] = place[g]
	}
	return names, of
}

// compareNumbers compares numbers that are written in decimal, exactly; what is no number, NaN for one, is the largest.
func compareNumbers(a, b string) int {
	x, xOK := numberOf(a)
	y, yOK := numberOf(b)
	switch {
	case xOK && yOK:
		return x.Cmp(y)
	case xOK:
		return -1
	case yOK:
		return 1
	}
	return 0
}

// numberOf reads a label of an array of numbers.
func numberOf(label string) (*big.Rat, bool) {
	switch label { // of an object array
	case "True":
		label = "1"
	case "False":
		label = "0"
	}
	return new(big.Rat).SetString(label)
}
