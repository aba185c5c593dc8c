package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"vklstm/train"
	"vklstm/train/pool"
)

// saveEvery is how often a training that goes on is saved, so that no more is lost when the search is killed.
var saveEvery = 20 * time.Second

// train takes jobs to a rung's epochs, side by side, and saves them. Where a device's memory is too small for all of them
// it takes half as many at a time, here and from then on.
func (s *Search) train(ctx context.Context, rung, epochs int, jobs []job) (err error) {
	s.SideBySide, err = pool.Each(jobs, s.SideBySide, s.log.Note, func(jobs []job) error {
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(j job) bool {
			_, done := s.results[key{j.trial, j.seed, rung}]
			return done
		})
		if len(jobs) == 0 {
			return nil
		}
		return s.about(s.trainTogether(ctx, rung, epochs, jobs), jobs...)
	})
	return err
}

// trainTogether trains jobs side by side.
func (s *Search) trainTogether(ctx context.Context, rung, epochs int, jobs []job) error {
	configs := make([]train.Config, len(jobs))
	until := 0
	for i, j := range jobs {
		c := s.Trials[j.trial].Config
		from, err := s.Store.Paused(j.trial, j.seed)
		if err != nil {
			return s.Store.sentence(err)
		}
		if from != nil {
			until = len(from.History)
		}
		c.Parts, c.Seed, c.From = s.Parts, j.seed, from
		c.Log, c.Out, c.SaveBest, c.CheckpointDir, c.HistoryDir, c.PlotDir = nil, nil, false, "", "", ""
		configs[i] = c
		if rung == len(s.Study.Rungs())-1 {
			epochs = max(epochs, c.Epochs) // where epochs are tried
		}
	}
	p, err := train.NewPool(ctx, configs)
	if err != nil {
		return err
	}
	defer p.Close()
	if !s.told {
		s.told = true
		s.log.Note("%s", p.Device)
	}
	saved := make([]bool, len(jobs)) // as results
	last, step := time.Now(), 1
	for {
		until = min(until+step, epochs)
		began := time.Now()
		if err := p.Train(ctx, until); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(began) < saveEvery/4 {
			step *= 2
		}
		reached := until == epochs || !slices.ContainsFunc(p.Runs, func(r *train.Run) bool { return r.Stopped == "" })
		if reached || time.Since(last) >= saveEvery {
			if err := s.saveRuns(p, rung, reached, jobs, saved); err != nil {
				return err
			}
			last = time.Now()
		}
		if reached {
			return nil
		}
	}
}

// saveRuns saves how the runs of a pool stand, all at once: results where a run has ended or the rung is reached, and
// where a run goes on what it needs for that.
func (s *Search) saveRuns(p *train.Pool, rung int, reached bool, jobs []job, saved []bool) error {
	var told []Result
	last := rung == len(s.Study.Rungs())-1
	err := s.save(func() error {
		for i, r := range p.Runs {
			if saved[i] {
				continue
			}
			result, err := s.result(r, rung, jobs[i])
			if err != nil {
				return err
			}
			ended := r.Stopped != "" || reached && last
			if err := s.Store.saveHistory(result.Trial, result.Seed, r.History); err != nil {
				return err
			}
			var on *train.Snapshot
			if !ended {
				if on, err = r.Snapshot(); err != nil {
					return err
				}
			}
			if err := s.Store.savePaused(result.Trial, result.Seed, on); err != nil {
				return err
			}
			best := r.BestState()
			if ended && result.Seed != s.Study.Seed {
				best = nil // it can not become the model
			}
			if err := s.Store.saveWeights(result.Trial, result.Seed, weightsBest, best); err != nil {
				return err
			}
			if ended || reached {
				saved[i] = true
				told = append(told, result)
			}
		}
		return s.enter(rung, told...)
	})
	if err != nil {
		return err
	}
	for _, r := range told {
		s.done++
		s.tellResult(r)
	}
	if len(told) < len(jobs) && !reached {
		s.tellProgress(p, jobs)
	}
	return nil
}

// result says how a run stands. The error is one that is not the fault of the trial's settings.
func (s *Search) result(r *train.Run, rung int, j job) (Result, error) {
	if err := r.Err(); err != nil && r.Stopped != train.StoppedDiverged {
		return Result{}, s.about(err, j)
	}
	v := Result{Trial: j.trial, Seed: j.seed, Rung: rung, Epochs: len(r.History), BestEpoch: -1, ValF1: math.NaN(), ValAUC: math.NaN(),
		Stopped: r.Stopped, Reason: r.Reason, Device: r.Device}
	if r.Best.Any {
		v.BestEpoch, v.ValF1, v.ValAUC = r.Best.Epoch, r.Best.Value, r.History[r.Best.Epoch].Val.AUC
	}
	return v, nil
}

// Winner returns how the best trial's training with the study's first seed ended: the model. The error is a sentence when
// no trial has usable weights.
func (s *Search) Winner(best Ranked) (*train.Snapshot, error) {
	if math.IsNaN(best.ValF1) {
		return nil, errors.New("no trial ended with usable weights; try lower learning rates, or scale the data with --scale")
	}
	r, seed := best.Results[0], s.Study.Seed
	w, err := s.Store.Weights(best.Trial, seed, weightsBest)
	if err != nil {
		return nil, s.Store.sentence(err)
	}
	h, err := s.Store.History(best.Trial, seed)
	if err != nil {
		return nil, s.Store.sentence(err)
	}
	if w == nil || r.Stopped == "" || r.BestEpoch < 0 || len(h) != r.Epochs {
		return nil, s.Store.damaged(fmt.Sprintf("the model of trial %d", best.Trial))
	}
	return &train.Snapshot{State: w, Best: train.Best{Epoch: r.BestEpoch, Value: r.ValF1, Any: true}, BestState: w,
		LearningRate: s.Trials[best.Trial].Config.LearningRate, History: h, Stopped: r.Stopped, Reason: r.Reason}, nil
}
