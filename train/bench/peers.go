package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// maxTime bounds a peer's times, in their own units: a ratio to ours must stay a number that JSON can hold.
const maxTime = 1e15

// ReadPeers reads results, one JSON object a line, as the peers' script and this program print them. Lines that say
// "skipped" and empty ones are left out. In older output a check may be a list; only single ones are kept.
func ReadPeers(r io.Reader, name string) ([]Result, error) {
	var list []Result
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var in struct {
			Result
			Check   json.RawMessage `json:"check"`
			Skipped string          `json:"skipped"`
		}
		if err := json.Unmarshal(line, &in); err != nil {
			return nil, fmt.Errorf("%s, line %d: it is not a result as peers.py prints them: %w", name, n, err)
		}
		if in.Peer == "" {
			return nil, fmt.Errorf("%s, line %d: it has no \"peer\"; give lines that peers.py printed", name, n)
		}
		if in.Skipped != "" {
			continue
		}
		for _, v := range []float64{in.StartS, in.EpochS.Median, in.EpochS.Min, in.EpochS.Max, in.StepUS, in.Infer1US, in.Infer1000US, in.EpochGPU} {
			if v < 0 || v > maxTime {
				return nil, fmt.Errorf("%s, line %d: a time of %g is none; give lines that peers.py printed", name, n, v)
			}
		}
		_ = json.Unmarshal(in.Check, &in.Result.Check) // a list stays 0, which is no check
		list = append(list, in.Result)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

// Comparison is a peer's result beside ours. A ratio is the peer's time by ours, above 1 where we are faster, and 0
// where either has no such time.
type Comparison struct {
	Result                 // the peer's, the median of Runs results
	Runs           int     `json:"runs"` // how many lines of this peer fit
	EpochRatio     float64 `json:"epoch_ratio,omitempty"`
	StepRatio      float64 `json:"step_ratio,omitempty"`
	Infer1Ratio    float64 `json:"infer1_ratio,omitempty"`
	Infer1000Ratio float64 `json:"infer1000_ratio,omitempty"`
	Fastest        bool    `json:"fastest"` // the least epoch time of the peers
}

// Compare takes the peers' results on our shape, mask and number of threads (any number beside a GPU), one line per peer
// and note, in the order in which they come first. Several lines of one are merged, each number to its median.
func Compare(ours Result, peers []Result) []Comparison {
	type key struct{ peer, note string }
	groups := map[key][]Result{}
	var order []key
	for _, p := range peers {
		if p.Shape != ours.Shape || p.Mask != ours.Mask || ours.Threads > 0 && p.Threads != ours.Threads {
			continue
		}
		k := key{p.Peer, p.Note}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], p)
	}
	var list []Comparison
	for _, k := range order {
		list = append(list, compare(ours, groups[k]))
	}
	best := -1
	for i, c := range list {
		if c.EpochS.Median > 0 && (best < 0 || c.EpochS.Median < list[best].EpochS.Median) {
			best = i
		}
	}
	if best >= 0 {
		list[best].Fastest = true
	}
	return list
}

func compare(ours Result, runs []Result) Comparison {
	c := Comparison{Result: Merge(runs), Runs: len(runs)}
	ratio := func(theirs, ours float64) float64 {
		if ours <= 0 {
			return 0
		}
		return theirs / ours
	}
	c.EpochRatio = ratio(c.EpochS.Median, ours.EpochS.Median)
	c.StepRatio = ratio(c.StepUS, ours.StepUS)
	c.Infer1Ratio = ratio(c.Infer1US, ours.Infer1US)
	c.Infer1000Ratio = ratio(c.Infer1000US, ours.Infer1000US)
	return c
}

// Merge makes one result of several runs of the same work: every time is the runs' median, the least and the most epoch
// are those of all. runs must not be empty.
func Merge(runs []Result) Result {
	r := runs[0]
	of := func(get func(Result) float64) float64 {
		var v []float64
		for _, run := range runs {
			v = append(v, get(run))
		}
		return median(v)
	}
	r.StartS = of(func(r Result) float64 { return r.StartS })
	r.EpochS.Median = of(func(r Result) float64 { return r.EpochS.Median })
	for _, run := range runs {
		r.EpochS.Min, r.EpochS.Max = min(r.EpochS.Min, run.EpochS.Min), max(r.EpochS.Max, run.EpochS.Max)
	}
	r.StepUS = of(func(r Result) float64 { return r.StepUS })
	r.Infer1US = of(func(r Result) float64 { return r.Infer1US })
	r.Infer1000US = of(func(r Result) float64 { return r.Infer1000US })
	return r
}
