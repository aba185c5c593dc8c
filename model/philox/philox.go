// Package philox is Philox 4×32-10, a counter-based random generator: 128 bits of counter and 64 bits of key give
// 128 random bits, with no state in between (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as
// 1, 2, 3. SC 2011, section 3.3). shaders/include/philox.glsl is the same in GLSL, so that every engine draws the
// same dropout, augmentation and order of windows from
//
//	key     = the run's seed
//	counter = (element, item, time, stream)
//
// where stream says what is drawn, time is the optimizer step or the epoch, item the batch row or the window, and
// element the place inside it. The constants Shuffle, Dropout, … are the streams, and say what the other words mean.
package philox

// Streams, the last word of the counter.
const (
	Shuffle      = 1 // order of windows: element i of the Fisher–Yates shuffle, item 0, time = epoch
	DropoutMask  = 2 // LSTM output: element = unit/4 (word unit%4), item = batch row, time = optimizer step from 0
	Augment      = 3 // element 0: word 0 gates the window, word 1 sets the warp; item = window, time = epoch
	Noise        = 4 // element = cell/4 (word cell%4), cell = t·F + f; item = window, time = epoch
	FeatureDrop  = 5 // element = cell/4 (word cell%4); item = window, time = epoch
	Init         = 6 // initial parameters: element i of variable item, time 0
	SampleStream = 7 // the sample that train makes itself
	Move         = 8 // element 0: word 0 gates the window, word 1 sets its shift, word 2 its magnitude, word 3 its rotation; item = window, time = epoch
	Search       = 9 // settings that a search tries: element = hash of the flag's name, item = attempt, time = trial
)

// Draw returns the four random words of counter c under key k.
func Draw(c [4]uint32, k [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57 // multipliers
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // key increments (Weyl sequence)
	)
	for round := 0; round < 10; round++ {
		if round > 0 {
			k[0] += w0
			k[1] += w1
		}
		p0, p1 := uint64(m0)*uint64(c[0]), uint64(m1)*uint64(c[2])
		c = [4]uint32{uint32(p1>>32) ^ c[1] ^ k[0], uint32(p1), uint32(p0>>32) ^ c[3] ^ k[1], uint32(p0)}
	}
	return c
}

// Key splits a seed into the two words of a key, low word first.
func Key(seed uint64) [2]uint32 { return [2]uint32{uint32(seed), uint32(seed >> 32)} }

// Uniform turns a random word into a float32 in [0,1), a multiple of 2⁻²⁴, exact in every engine.
func Uniform(word uint32) float32 { return float32(word>>8) * 0x1p-24 }

// Below returns the number that word>>8 is compared with so that word>>8 < Below(p) holds with probability p,
// rounded to a multiple of 2⁻²⁴. Comparing integers keeps the engines' draws identical.
func Below(p float64) uint32 {
	switch {
	case !(p > 0):
		return 0
	case p >= 1:
		return 1 << 24
	}
	return uint32(p*(1<<24) + 0.5)
}
