package search

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"vklstm/train/data"
	"vklstm/train/internal/wording"
)

// The values of Study.Method.
const (
	MethodGrid   = "grid"   // every combination of the lists
	MethodRandom = "random" // Trials settings, drawn
)

// Study is what a search looks for, and how: all that its results depend on.
type Study struct {
	Space   Space
	Method  string // MethodGrid or MethodRandom
	Trials  int    // of MethodRandom; a grid has as many as it has combinations
	Seed    uint32 // of the split, of what is drawn, and of a trial's first training; the next has Seed + 1
	Repeats int    // trainings of a trial, each with its own seed, on the same parts of the data
	Epochs  int    // at most, of a training

	MinEpochs int // of the first rung; 0: no rungs, every trial is trained to its end
	Reduction int // of the trials of a rung the best 1/Reduction go on, one at least

	Flags []Setting // of training, by name: what all trials have in common
	Data  string    // HashData of the data set
}

// The bounds of a study.
const (
	maxRepeats   = 1000
	maxReduction = 1000
)

// Check returns an error, one sentence, for the first setting that makes no sense.
func (s *Study) Check() error {
	if err := s.Space.Check(); err != nil {
		return err
	}
	switch {
	case s.Method != MethodGrid && s.Method != MethodRandom:
		return fmt.Errorf("--method %q: it must be %s or %s", wording.Short(s.Method), MethodGrid, MethodRandom)
	case s.Method == MethodRandom && (s.Trials < 1 || s.Trials > MaxTrials):
		return fmt.Errorf("--trials %d: it must be at least 1 and at most %d", s.Trials, MaxTrials)
	case s.Repeats < 1 || s.Repeats > maxRepeats:
		return fmt.Errorf("--seeds %d: it must be at least 1 and at most %d", s.Repeats, maxRepeats)
	case uint64(s.Seed)+uint64(s.Repeats)-1 > math.MaxUint32:
		return fmt.Errorf("--seed %d with --seeds %d: the last seed is beyond %d", s.Seed, s.Repeats, uint32(math.MaxUint32))
	case s.Reduction == 0 && s.MinEpochs == 0:
		return nil
	case s.Reduction < 2 || s.Reduction > maxReduction:
		return fmt.Errorf("--reduction %d: it must be at least 2 and at most %d (3 is usual)", s.Reduction, maxReduction)
	case s.MinEpochs < 1 || s.MinEpochs > s.Epochs:
		return fmt.Errorf("--min-epochs %d: it must be at least 1 and at most --epochs, %d", s.MinEpochs, s.Epochs)
	}
	for _, d := range s.Space {
		if d.Name == "epochs" {
			return fmt.Errorf("--try epochs with --asha: its rungs are epochs, the same for all trials; try epochs without --asha")
		}
	}
	return nil
}

// Settings returns the settings of every trial.
func (s *Study) Settings() ([][]Setting, error) {
	if s.Method == MethodGrid {
		return s.Space.Grid()
	}
	return s.Space.Random(uint64(s.Seed), s.Trials)
}

// Rungs returns the epochs at which trials are compared: MinEpochs, times Reduction each time, and Epochs at the end.
func (s *Study) Rungs() []int {
	var rungs []int
	if s.MinEpochs > 0 {
		for e := s.MinEpochs; e < s.Epochs; e *= s.Reduction {
			rungs = append(rungs, e)
		}
	}
	return append(rungs, s.Epochs)
}

// promoted returns how many of n trials go on to the next rung.
func (s *Study) promoted(n int) int { return max(1, n/s.Reduction) }

// identity lists all that results depend on, under the names by which a user knows it.
func (s *Study) identity() []Setting {
	list := []Setting{{"--method", s.Method}, {"--seeds", strconv.Itoa(s.Repeats)}, {"--seed", strconv.FormatUint(uint64(s.Seed), 10)}}
	if s.Method == MethodRandom {
		list = append(list, Setting{"--trials", strconv.Itoa(s.Trials)})
	}
	if s.MinEpochs > 0 {
		list = append(list, Setting{"--min-epochs", strconv.Itoa(s.MinEpochs)}, Setting{"--reduction", strconv.Itoa(s.Reduction)})
	}
	for i, d := range s.Space {
		text := d.String()
		if d.Choices != nil {
			text = fmt.Sprintf("%s, one of %q", d.Name, d.Choices)
		}
		list = append(list, Setting{fmt.Sprintf("--try %d", i+1), text})
	}
	for _, f := range s.Flags {
		list = append(list, Setting{"--" + f.Name, f.Value})
	}
	return append(list, Setting{"data (SHA-256)", s.Data})
}

// difference returns, for people, how two identities differ; "" when they do not.
func difference(old, now []Setting) string {
	values := map[string]string{}
	for _, s := range old {
		values[s.Name] = s.Value
	}
	for _, s := range now {
		was, ok := values[s.Name]
		delete(values, s.Name)
		switch {
		case !ok:
			return fmt.Sprintf("it has no %s, and now it is %s", s.Name, wording.Short(s.Value))
		case was != s.Value && strings.HasPrefix(s.Name, "data"):
			return "its windows, labels, groups or divisors are others"
		case was != s.Value:
			return fmt.Sprintf("its %s is %s, and now it is %s", s.Name, wording.Short(was), wording.Short(s.Value))
		}
	}
	for _, s := range old {
		if was, ok := values[s.Name]; ok {
			return fmt.Sprintf("its %s is %s, and now there is none", s.Name, wording.Short(was))
		}
	}
	return ""
}

// HashData returns the SHA-256 of a data set's shape, windows, labels, groups and divisors, in hexadecimal: the same for the
// same content, whatever the file's name and compression.
func HashData(d *data.Dataset) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d\n", d.N, d.T, d.F)
	b := make([]byte, 0, 1<<16)
	for _, list := range [][]float32{d.X, d.Y} {
		for _, x := range list {
			if b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x)); len(b) == cap(b) {
				h.Write(b)
				b = b[:0]
			}
		}
	}
	h.Write(b)
	for _, g := range d.Group {
		fmt.Fprintf(h, "%d %s\n", len(g), g)
	}
	if d.Divisor != nil {
		fmt.Fprintf(h, "divided by %v\n", d.Divisor)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
