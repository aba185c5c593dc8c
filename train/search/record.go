package search

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"vklstm/model"
	"vklstm/train"
)

// Result is how a trial's training with one seed stood at a rung.
type Result struct {
	Trial     int
	Seed      uint32
	Rung      int
	Epochs    int        // trained so far
	BestEpoch int        // counts from 0; −1: none
	ValF1     float64    // of the best epoch; NaN: undefined
	ValAUC    float64    // of the best epoch; NaN: undefined
	Stopped   train.Stop // "" where training may go on
	Reason    string     // why it stopped, for people
	Device    string     // which device trained, by which path
}

// null is x for the file, in which NaN is NULL.
func null(x float64) any {
	if math.IsNaN(x) {
		return nil
	}
	return x
}

// orNaN is a number of the file.
func orNaN(x sql.NullFloat64) float64 {
	if x.Valid {
		return x.Float64
	}
	return math.NaN()
}

// Results returns all results that the file has. The error is for some that no search of this study writes.
func (s *Store) Results(study *Study, trials int) ([]Result, error) {
	var list []Result
	rungs := study.Rungs()
	err := s.each(func(scan func(...any) error) error {
		var r Result
		var f1, auc sql.NullFloat64
		var seed int64
		if err := scan(&r.Trial, &seed, &r.Rung, &r.Epochs, &r.BestEpoch, &f1, &auc, &r.Stopped, &r.Reason, &r.Device); err != nil {
			return err
		}
		known := r.Stopped == "" || r.Stopped == train.StoppedDone || r.Stopped == train.StoppedEarly || r.Stopped == train.StoppedDiverged
		if repeat := seed - int64(study.Seed); repeat < 0 || repeat >= int64(study.Repeats) || r.Trial < 0 || r.Trial >= trials ||
			r.Rung < 0 || r.Rung >= len(rungs) || r.Epochs < 0 || r.BestEpoch < -1 || r.BestEpoch >= r.Epochs || !known {
			return s.damaged(fmt.Sprintf("a result of trial %d, seed %d, rung %d", r.Trial, seed, r.Rung))
		}
		r.Seed, r.ValF1, r.ValAUC = uint32(seed), orNaN(f1), orNaN(auc)
		list = append(list, r)
		return nil
	}, "SELECT trial, seed, rung, epochs, best_epoch, val_f1, val_auc, stopped, reason, device FROM result ORDER BY trial, seed, rung")
	return list, err
}

// saveResult writes a result.
func (s *Store) saveResult(r Result) error {
	return s.exec("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Trial, r.Seed, r.Rung, r.Epochs, r.BestEpoch, null(r.ValF1), null(r.ValAUC), string(r.Stopped), r.Reason, r.Device)
}

// historyColumns are the columns of the table that train.Columns names.
var historyColumns = strings.Join(train.Columns, ", ")

// saveHistory writes the epochs that the file does not have yet.
func (s *Store) saveHistory(trial int, seed uint32, h train.History) error {
	var have int
	if err := s.each(func(scan func(...any) error) error { return scan(&have) },
		"SELECT count(*) FROM history WHERE trial = ? AND seed = ?", trial, seed); err != nil {
		return err
	}
	statement := "INSERT INTO history (trial, seed, epoch, " + historyColumns + ") VALUES (?, ?, ?" + strings.Repeat(", ?", len(train.Columns)) + ")"
	for _, e := range h[min(have, len(h)):] {
		values := []any{trial, seed, e.Epoch}
		for _, name := range train.Columns {
			v, _ := e.Value(name)
			values = append(values, null(v))
		}
		if err := s.exec(statement, values...); err != nil {
			return err
		}
	}
	return nil
}

// column is the number of e that one of train.Columns names.
func column(e *train.Epoch, name string) *float64 {
	s := &e.Train
	if rest, ok := strings.CutPrefix(name, "val_"); ok {
		s, name = &e.Val, rest
	}
	switch name {
	case "accuracy":
		return &s.Accuracy
	case "auc":
		return &s.AUC
	case "f1":
		return &s.F1
	case "loss":
		return &s.Loss
	case "precision":
		return &s.Precision
	case "recall":
		return &s.Recall
	}
	panic("search: no column " + name)
}

// History returns the scores of a training's epochs; all else of them is not kept.
func (s *Store) History(trial int, seed uint32) (train.History, error) {
	var h train.History
	err := s.each(func(scan func(...any) error) error {
		var e train.Epoch
		values := make([]sql.NullFloat64, len(train.Columns))
		targets := []any{&e.Epoch}
		for i := range values {
			targets = append(targets, &values[i])
		}
		if err := scan(targets...); err != nil {
			return err
		}
		if e.Epoch != len(h) {
			return s.damaged(fmt.Sprintf("the history of trial %d, seed %d has no epoch %d", trial, seed, len(h)))
		}
		for i, name := range train.Columns {
			*column(&e, name) = orNaN(values[i])
		}
		h = append(h, e)
		return nil
	}, "SELECT epoch, "+historyColumns+" FROM history WHERE trial = ? AND seed = ? ORDER BY epoch", trial, seed)
	return h, err
}

// The kinds of weights.
const (
	weightsNow  = "now"
	weightsBest = "best"
)

// partBytes is the most of the weights that a row holds: SQLite has the row in memory twice.
const partBytes = 16 << 20

// saveWeights writes weights in place of those that were there.
func (s *Store) saveWeights(trial int, seed uint32, kind string, w *model.State) error {
	if err := s.exec("DELETE FROM weights WHERE trial = ? AND seed = ? AND kind = ?", trial, seed, kind); err != nil || w == nil {
		return err
	}
	b := make([]byte, 0, 4*(len(w.Params)+len(w.M)+len(w.V)))
	for _, list := range [][]float32{w.Params, w.M, w.V} {
		for _, x := range list {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	for part := 0; len(b) > 0; part++ {
		n := min(len(b), partBytes)
		if err := s.exec("INSERT INTO weights VALUES (?, ?, ?, ?, ?, ?)", trial, seed, kind, part, w.Step, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Weights returns saved weights; nil: there are none.
func (s *Store) Weights(trial int, seed uint32, kind string) (*model.State, error) {
	var b bytes.Buffer
	step, parts := 0, 0
	err := s.each(func(scan func(...any) error) error {
		var part int
		var bytes sql.RawBytes
		if err := scan(&part, &step, &bytes); err != nil {
			return err
		}
		if part != parts || step < 0 {
			return s.damaged(fmt.Sprintf("parts of the weights of trial %d, seed %d", trial, seed))
		}
		parts++
		b.Write(bytes)
		return nil
	}, "SELECT part, step, bytes FROM weights WHERE trial = ? AND seed = ? AND kind = ? ORDER BY part", trial, seed, kind)
	switch {
	case err != nil:
		return nil, err
	case parts == 0:
		return nil, nil
	case b.Len() == 0 || b.Len()%12 != 0:
		return nil, s.damaged(fmt.Sprintf("weights of trial %d, seed %d", trial, seed))
	}
	n := b.Len() / 12
	w := model.NewState(n)
	w.Step = step
	for _, list := range [][]float32{w.Params, w.M, w.V} {
		for i := range list {
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(b.Next(4)))
		}
	}
	return w, nil
}

// savePaused writes where a training goes on; nil: it does not.
func (s *Store) savePaused(trial int, seed uint32, p *train.Snapshot) error {
	if err := s.exec("DELETE FROM paused WHERE trial = ? AND seed = ?", trial, seed); err != nil {
		return err
	}
	if p == nil {
		return s.saveWeights(trial, seed, weightsNow, nil)
	}
	best := -1
	if p.Best.Any {
		best = p.Best.Epoch
	}
	if err := s.exec("INSERT INTO paused VALUES (?, ?, ?, ?)", trial, seed, p.LearningRate, best); err != nil {
		return err
	}
	return s.saveWeights(trial, seed, weightsNow, p.State)
}

// Paused returns where a training goes on; nil: at its beginning, or not at all.
func (s *Store) Paused(trial int, seed uint32) (*train.Snapshot, error) {
	var p *train.Snapshot
	best := -1
	if err := s.each(func(scan func(...any) error) error {
		p = &train.Snapshot{}
		return scan(&p.LearningRate, &best)
	}, "SELECT learning_rate, best_epoch FROM paused WHERE trial = ? AND seed = ?", trial, seed); err != nil || p == nil {
		return nil, err
	}
	var err error
	if p.State, err = s.Weights(trial, seed, weightsNow); err != nil {
		return nil, err
	}
	if p.BestState, err = s.Weights(trial, seed, weightsBest); err != nil {
		return nil, err
	}
	if p.History, err = s.History(trial, seed); err != nil {
		return nil, err
	}
	if p.State == nil || len(p.History) == 0 || best >= len(p.History) || (best >= 0) != (p.BestState != nil) {
		return nil, s.damaged(fmt.Sprintf("where trial %d, seed %d goes on", trial, seed))
	}
	if best >= 0 {
		p.Best = train.Best{Epoch: best, Value: p.History[best].Val.F1, Any: true}
	}
	return p, nil
}

// PausedEpochs returns how many epochs a training that goes on has had; 0: it begins.
func (s *Store) PausedEpochs(trial int, seed uint32) (n int, err error) {
	return n, s.each(func(scan func(...any) error) error { return scan(&n) },
		"SELECT count(*) FROM history JOIN paused USING (trial, seed) WHERE trial = ? AND seed = ?", trial, seed)
}

// WithWeights returns the trials that the file has weights of.
func (s *Store) WithWeights() (trials []int, err error) {
	return trials, s.each(func(scan func(...any) error) error {
		var t int
		err := scan(&t)
		trials = append(trials, t)
		return err
	}, "SELECT DISTINCT trial FROM weights")
}

// forget removes a trial's weights: it neither goes on nor leads.
func (s *Store) forget(trial int) error {
	if err := s.exec("DELETE FROM paused WHERE trial = ?", trial); err != nil {
		return err
	}
	return s.exec("DELETE FROM weights WHERE trial = ?", trial)
}

// SaveTest writes the best trial's scores on the test part.
func (s *Store) SaveTest(scores map[string]float64) error {
	return s.sentence(s.save(func() error {
		if err := s.exec("DELETE FROM test"); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(scores)) {
			if err := s.exec("INSERT INTO test VALUES (?, ?)", name, null(scores[name])); err != nil {
				return err
			}
		}
		return nil
	}))
}
