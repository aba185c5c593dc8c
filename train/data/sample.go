package data

import (
	"fmt"
	"math"

	"vklstm/model/philox"
)

// SampleWindows is the number of windows in the sample that is trained on when there is no file.
const SampleWindows = 640

// Sample returns n made-up windows of 60 frames × 6 pose features in [0,1], as a pose tracker might see people
// fall (y = 1, a third), and walk, sit down, drop onto a sofa, lie down, pick things up and get up (y = 0). Ten
// windows are of one person. Frames and values go missing, and a third of the windows is padded with zeros.
//
// A fall is a fast descent that ends on the floor. Lying alone does not tell it, for people lie down slowly and
// are found lying; nor does the fast descent, for they bend and drop onto sofas; so the order and tempo of frames
// must be learnt. The features are: torso angle (0 upright, 1 lying), hip height, vertical velocity (above 0.5 is
// down), motion, shoulder symmetry, knee bend.
//
// The windows are the same on every machine: draws come from Philox (stream SampleStream), and the arithmetic is
// of sums and products that no compiler fuses. It panics when n is negative.
//
// GroupKey is empty: the persons are made up, and Check does not warn about them.
func Sample(n int, seed uint64) *Dataset {
	const steps, features = 60, 6
	d := &Dataset{
		Path: "the sample", N: n, T: steps, F: features,
		X: make([]float32, n*steps*features), Y: make([]float32, n), Classes: DefaultClasses(2), Group: make([]string, n),
	}
	for i := range n {
		person := i / sampleGroup
		d.Group[i] = fmt.Sprintf("person-%03d", person+1)
		w := sampler{key: philox.Key(seed), item: uint32(i)}
		p := sampler{key: philox.Key(seed), item: uint32(person), time: 1}
		d.Y[i] = w.window(d.X[i*steps*features:][:steps*features], p.between(0.68, 0.86), p.between(-0.04, 0.04))
	}
	return d
}

// sampleGroup is the number of windows of one person.
const sampleGroup = 10

// sampler draws numbers: counter (element, item, time, SampleStream), item the window with time 0 or the person
// with time 1.
type sampler struct {
	key              [2]uint32
	item, time, next uint32
}

// uniform returns a number in [0,1).
func (s *sampler) uniform() float64 {
	w := philox.Draw([4]uint32{s.next / 4, s.item, s.time, philox.SampleStream}, s.key)[s.next%4]
	s.next++
	return float64(philox.Uniform(w))
}

func (s *sampler) between(low, high float64) float64 { return mix(low, high, s.uniform()) }

// frames returns a whole number from low to high.
func (s *sampler) frames(low, high int) int { return low + int(s.uniform()*float64(high-low+1)) }

// noise returns a number with mean 0 and standard deviation sd: the sum of three uniform ones, which needs no
// function that machines compute differently.
func (s *sampler) noise(sd float64) float64 {
	return float64(2 * sd * (s.uniform() + s.uniform() + s.uniform() - 1.5))
}

// mix returns a + (b − a)·s. The conversion keeps compilers from fusing product and sum.
func mix(a, b, s float64) float64 { return a + float64((b-a)*s) }

// pose is a posture: torso angle, hip height, knee bend, each in [0,1].
type pose struct{ torso, hip, knee float64 }

func (p pose) towards(q pose, s float64) pose {
	s = float64(float64(s*s) * (3 - float64(2*s))) // starts and ends at rest
	return pose{mix(p.torso, q.torso, s), mix(p.hip, q.hip, s), mix(p.knee, q.knee, s)}
}

// move is a change of posture that starts at a frame and takes some frames.
type move struct {
	to          pose
	start, take int
}

// window fills x[60][6] and returns its label. stand is the person's hip height when standing, lean the torso
// angle that the camera adds.
func (s *sampler) window(x []float32, stand, lean float64) float32 {
	const features = 6
	steps := len(x) / features
	// The first and the last frames of some windows are padding: the person came into view late, or left early.
	from, to := 0, steps
	switch u := s.uniform(); {
	case u < 0.17:
		from = s.frames(1, 14)
	case u < 0.34:
		to = steps - s.frames(1, 14)
	}
	up := pose{s.between(0.02, 0.14), stand, s.between(0, 0.12)}
	chair := pose{s.between(0.08, 0.25), s.between(0.38, 0.5), s.between(0.5, 0.7)}
	floor := pose{s.between(0.75, 0.95), s.between(0.08, 0.22), s.between(0.05, 0.5)}
	bent := pose{s.between(0.45, 0.75), s.between(0.35, 0.55), s.between(0.2, 0.7)}
	at, label, walking := up, float32(0), false
	var moves []move
	// last makes the change to a posture that takes some frames the last one, some frames before the end.
	last := func(q pose, take, still int) { moves = append(moves, move{q, to - still - take, take}) }
	switch u := s.uniform(); {
	case u < 0.33: // falls, a fifth of them off a chair
		label = 1
		if walking = s.uniform() < 0.6; s.uniform() < 0.2 {
			at, walking = chair, false
		}
		last(floor, s.frames(7, 11), s.frames(3, 20))
	case u < 0.47: // lies down slowly
		last(floor, s.frames(26, 34), s.frames(1, 12))
	case u < 0.57: // drops onto a sofa
		last(chair, s.frames(7, 11), s.frames(3, 20))
	case u < 0.68: // sits down
		last(chair, s.frames(16, 26), s.frames(3, 20))
	case u < 0.78: // picks something up
		rise, still := s.frames(7, 12), s.frames(1, 14)
		take := s.frames(7, 11)
		moves = append(moves, move{bent, to - still - rise - s.frames(1, 6) - take, take})
		last(up, rise, still)
	case u < 0.86: // gets up from the floor
		at = floor
		last(up, s.frames(12, 28), s.frames(3, 14))
	case u < 0.91: // lies
		at = floor
	default:
		walking = true
	}
	blind := s.frames(from, to-8) // a run of frames in which one feature is hidden, in a quarter of the windows
	hidden := s.frames(0, 4*features-1)
	before := at
	here := at
	for t := range steps {
		row := x[t*features : (t+1)*features]
		if t < from || t >= to {
			continue // zeros
		}
		for _, m := range moves {
			if t == m.start {
				at = here
			}
			if t >= m.start && t <= m.start+m.take {
				here = at.towards(m.to, float64(t-m.start)/float64(m.take))
			}
		}
		down := before.hip - here.hip
		change := math.Abs(down) + float64(0.5*math.Abs(here.torso-before.torso))
		before = here
		bob := 0.0
		if walking && (len(moves) == 0 || t < moves[0].start) {
			bob = s.noise(0.02)
			change += math.Abs(bob)
		}
		values := [features]float64{
			here.torso + lean + s.noise(0.03),
			here.hip + bob + s.noise(0.02),
			0.5 + float64(6*down) + s.noise(0.03),
			0.05 + float64(8*change) + s.noise(0.03),
			0.5 + float64(0.3*(here.torso-0.5)) + s.noise(0.1),
			here.knee + s.noise(0.06),
		}
		lost := s.uniform() < 0.03
		for f, v := range values {
			row[f] = float32(min(max(v, 0), 1))
			if s.uniform() < 0.02 || lost || f == hidden && t >= blind && t < blind+8 {
				row[f] = float32(math.NaN())
			}
		}
	}
	return label
}
