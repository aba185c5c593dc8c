package bench

import "math/bits"

// pcg64 is numpy's default generator: PCG XSL-RR 128/64 (O'Neill 2014, PCG: A Family of Simple Fast Space-Efficient
// Statistically Good Algorithms for Random Number Generation), seeded through numpy's SeedSequence. It gives what
// np.random.default_rng(seed) gives.
type pcg64 struct {
	high, low       uint64 // state
	incHigh, incLow uint64
	half            uint32 // the upper half of a 64-bit draw of which the lower half was given out
	hasHalf         bool
}

// newPCG64 is np.random.default_rng(seed) for a seed below 2³².
func newPCG64(seed uint32) *pcg64 {
	w := seedWords(seed)
	word := func(i int) uint64 { return uint64(w[2*i]) | uint64(w[2*i+1])<<32 }
	g := &pcg64{incHigh: word(2)<<1 | word(3)>>63, incLow: word(3)<<1 | 1}
	g.step()
	var carry uint64
	g.low, carry = bits.Add64(g.low, word(1), 0)
	g.high, _ = bits.Add64(g.high, word(0), carry)
	g.step()
	return g
}

// seedWords is np.random.SeedSequence(seed).generate_state(8): a pool of four words, each mixed with all others
// (O'Neill 2015, Developing a seed_seq Alternative).
func seedWords(seed uint32) [8]uint32 {
	const (
		initA, multA = 0x43b0d7e5, 0x931e8875
		initB, multB = 0x8b51f9dd, 0x58f38ded
		mixL, mixR   = 0xca01f9dd, 0x4973f715
		shift        = 16
	)
	hash := uint32(initA)
	hashmix := func(v uint32) uint32 {
		v ^= hash
		hash *= multA
		v *= hash
		return v ^ v>>shift
	}
	mix := func(x, y uint32) uint32 {
		r := uint32(mixL)*x - uint32(mixR)*y
		return r ^ r>>shift
	}
	pool := [4]uint32{seed}
	for i := range pool {
		pool[i] = hashmix(pool[i])
	}
	for from := range pool {
		for to := range pool {
			if from != to {
				pool[to] = mix(pool[to], hashmix(pool[from]))
			}
		}
	}
	var out [8]uint32
	hash = initB
	for i := range out {
		v := pool[i%4] ^ hash
		hash *= multB
		v *= hash
		out[i] = v ^ v>>shift
	}
	return out
}

// step moves the state on: state·multiplier + increment, modulo 2¹²⁸.
func (g *pcg64) step() {
	const high, low = 2549297995355413924, 4865540595714422341
	h, l := bits.Mul64(g.low, low)
	h += g.low*high + g.high*low
	var carry uint64
	g.low, carry = bits.Add64(l, g.incLow, 0)
	g.high, _ = bits.Add64(h, g.incHigh, carry)
}

func (g *pcg64) uint64() uint64 {
	g.step()
	return bits.RotateLeft64(g.high^g.low, -int(g.high>>58))
}

// uint32 gives the lower half of a draw, and at the next call the upper one, as numpy does.
func (g *pcg64) uint32() uint32 {
	if g.hasHalf {
		g.hasHalf = false
		return g.half
	}
	v := g.uint64()
	g.half, g.hasHalf = uint32(v>>32), true
	return uint32(v)
}

// random is Generator.random: uniform in [0,1).
func (g *pcg64) random() float64 { return float64(g.uint64()>>11) * 0x1p-53 }

// uniform is Generator.uniform(low, high). The conversion keeps compilers from fusing.
func (g *pcg64) uniform(low, high float64) float64 { return low + float64((high-low)*g.random()) }

// integer is Generator.integers(low, high), high excluded, for a range below 2³² (Lemire 2019, Fast random integer
// generation in an interval).
func (g *pcg64) integer(low, high int) int {
	n := uint32(high - low)
	if n == 1 {
		return low // numpy draws nothing
	}
	unfair := -n % n // 2³² mod n
	for {
		if h, l := bits.Mul32(g.uint32(), n); l >= unfair {
			return low + int(h)
		}
	}
}
