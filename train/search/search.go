package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/progress"
)

// Trial is a trial ready to be trained.
type Trial struct {
	Settings []Setting
	// Config trains it with the study's first seed. Its Dataset is the search's; its Parts may be nil, and are then the
	// study's.
	Config train.Config
	// Kind names what of the engine the settings choose: only trials of one Kind are trained side by side.
	Kind string
}

// Search is a search at work.
type Search struct {
	Study  *Study
	Trials []Trial
	Parts  *data.Parts // of the data, the same for all
	Store  *Store

	// SideBySide is how many trainings there are at once at most, of one network, batch and engine; 0: 16, or fewer where
	// they are large. Results do not depend on it.
	SideBySide int

	Log       io.Writer // a line for each trial and rung; nil: none
	LogFormat string    // progress.Text or progress.JSON

	log     *progress.Log
	results map[key]Result
	leader  int  // the best trial so far of those through the last rung, which keeps its weights; −1: none
	done    int  // trainings through the current rung
	of      int  // trainings of that rung
	told    bool // on which device they are
}

// key is where a result stands.
type key struct {
	trial int
	seed  uint32
	rung  int
}

// job is a training to take to a rung.
type job struct {
	trial  int
	seed   uint32
	epochs int // trained and saved already
}

// Run trains what is not trained yet and returns the trials in order, the winner first. When ctx ends it returns ctx's
// error; what was saved until then stays, and the next Run goes on from there.
func (s *Search) Run(ctx context.Context) ([]Ranked, error) {
	s.log = progress.New(s.Log, s.LogFormat, false)
	list, err := s.Store.Results(s.Study, len(s.Trials))
	if err != nil {
		return nil, s.Store.sentence(err)
	}
	s.results = map[key]Result{}
	for _, r := range list {
		s.results[key{r.Trial, r.Seed, r.Rung}] = r
	}
	alive := make([]int, len(s.Trials))
	for i := range alive {
		alive[i] = i
	}
	rungs := s.Study.Rungs()
	var out []Ranked
	for rung, epochs := range rungs {
		if err := s.rung(ctx, rung, epochs, alive); err != nil {
			return nil, err
		}
		order := rank(s.ranking(rung, alive))
		if rung+1 == len(rungs) {
			out = append(out, order...)
			break
		}
		keep := s.Study.promoted(len(order))
		out = append(out, order[keep:]...)
		alive = nil
		for _, r := range order[:keep] {
			alive = append(alive, r.Trial)
		}
		slices.Sort(alive)
	}
	return rank(out), nil
}

// ranking sums up the trials at a rung that all of them have reached.
func (s *Search) ranking(rung int, trials []int) []Ranked {
	var list []Ranked
	for _, t := range trials {
		list = append(list, ranked(t, s.Trials[t].Settings, s.at(rung, t)))
	}
	return list
}

// seeds returns the seeds of a trial's trainings.
func (s *Study) seeds() []uint32 {
	list := make([]uint32, s.Repeats)
	for i := range list {
		list[i] = s.Seed + uint32(i)
	}
	return list
}

// at returns a trial's results at a rung; fewer than there are seeds where it is not through.
func (s *Search) at(rung, trial int) []Result {
	var list []Result
	for _, seed := range s.Study.seeds() {
		if r, ok := s.results[key{trial, seed, rung}]; ok {
			list = append(list, r)
		}
	}
	return list
}

// rung takes the trials that are left to a rung's epochs.
func (s *Search) rung(ctx context.Context, rung, epochs int, alive []int) error {
	var jobs []job
	var ended []Result
	for _, t := range alive {
		for _, seed := range s.Study.seeds() {
			before := s.results[key{t, seed, rung - 1}]
			switch _, done := s.results[key{t, seed, rung}]; {
			case done:
			case before.Stopped != "": // there is nothing left to train of it
				before.Rung = rung
				ended = append(ended, before)
			default:
				jobs = append(jobs, job{trial: t, seed: seed})
			}
		}
	}
	s.of = len(alive) * s.Study.Repeats
	s.done = s.of - len(jobs)
	s.tellRung(rung, epochs, len(alive))
	s.leader = -1
	for _, t := range alive {
		if len(s.at(rung, t)) == s.Study.Repeats && (s.leader < 0 || s.better(rung, t, s.leader)) {
			s.leader = t
		}
	}
	if err := s.save(func() error {
		if err := s.forgetOthers(alive); err != nil {
			return err
		}
		return s.enter(rung, ended...)
	}); err != nil {
		return err
	}
	for i, j := range jobs {
		var err error
		if jobs[i].epochs, err = s.Store.PausedEpochs(j.trial, j.seed); err != nil {
			return s.Store.sentence(err)
		}
	}
	batches, err := s.batches(jobs)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if err := s.train(ctx, rung, epochs, b); err != nil {
			return err
		}
	}
	return nil
}

// batches puts jobs together that can be trained side by side: of one network, batch and engine, and equally far.
func (s *Search) batches(jobs []job) ([][]job, error) {
	var order []string
	alike, size := map[string][]job{}, map[string]int{}
	for _, j := range jobs {
		c := s.Trials[j.trial].Config
		spec, err := c.Network(c.Dataset)
		if err != nil {
			return nil, s.about(err, j)
		}
		k := fmt.Sprint(s.Trials[j.trial].Kind, spec, c.Batch, j.epochs)
		if alike[k] == nil {
			order = append(order, k)
		}
		alike[k], size[k] = append(alike[k], j), spec.Layout().Size
	}
	var batches [][]job
	for _, k := range order {
		for b := range slices.Chunk(alike[k], s.atOnce(size[k])) {
			batches = append(batches, b)
		}
	}
	return batches, nil
}

// How many models are trained at once unless it is said.
const (
	usuallyAtOnce = 16
	atOnceSize    = 1 << 25 // parameters of all of them; a model needs about ten times the memory of its parameters
)

// atOnce returns how many models of `size` parameters are trained at once.
func (s *Search) atOnce(size int) int {
	if s.SideBySide > 0 {
		return s.SideBySide
	}
	return max(1, min(usuallyAtOnce, atOnceSize/size))
}

// save commits what write does.
func (s *Search) save(write func() error) error {
	return s.Store.sentence(s.Store.save(write))
}

// better reports whether trial a stands before trial b at a rung that both are through.
func (s *Search) better(rung, a, b int) bool {
	return compare(ranked(a, nil, s.at(rung, a)), ranked(b, nil, s.at(rung, b))) < 0
}

// enter writes results of a rung. Of the trials that are through the last one only the best so far keeps weights, those of
// its first seed, which are the model.
func (s *Search) enter(rung int, list ...Result) error {
	for _, r := range list {
		s.results[key{r.Trial, r.Seed, rung}] = r
		if err := s.Store.saveResult(r); err != nil {
			return err
		}
	}
	if rung != len(s.Study.Rungs())-1 {
		return nil
	}
	for _, r := range list {
		if r.Trial == s.leader || len(s.at(rung, r.Trial)) < s.Study.Repeats {
			continue
		}
		loser := r.Trial
		if s.leader < 0 || s.better(rung, r.Trial, s.leader) {
			loser, s.leader = s.leader, r.Trial
		}
		if loser >= 0 {
			if err := s.Store.forget(loser); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetOthers lets go of the weights of trials that are out.
func (s *Search) forgetOthers(alive []int) error {
	trials, err := s.Store.WithWeights()
	if err != nil {
		return err
	}
	for _, t := range trials {
		if !slices.Contains(alive, t) {
			if err := s.Store.forget(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// about says which trial an error is about: the first of those trained together.
func (s *Search) about(err error, jobs ...job) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("trial %d (%s): %w", jobs[0].trial, settingsText(s.Trials[jobs[0].trial].Settings), err)
}
