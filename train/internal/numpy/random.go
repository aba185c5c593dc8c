// Package numpy draws what NumPy's legacy generator, np.random.RandomState, draws from the same seed.
package numpy

import "gonum.org/v1/gonum/mathext/prng"

// Random is np.random.RandomState(seed): MT19937, seeded by one word. Its draws go on from one call to the next.
type Random struct{ mt *prng.MT19937 }

// New returns the generator of a seed.
func New(seed uint32) *Random {
	mt := prng.NewMT19937()
	mt.Seed(uint64(seed))
	return &Random{mt}
}

// Shuffle is RandomState.shuffle of n elements: a Fisher–Yates shuffle whose bounded draws take the low bits and reject
// what is too large.
func (r *Random) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		mask := uint32(i)
		for shift := 1; shift < 32; shift *= 2 {
			mask |= mask >> shift
		}
		j := r.mt.Uint32() & mask
		for j > uint32(i) {
			j = r.mt.Uint32() & mask
		}
		swap(i, int(j))
	}
}
