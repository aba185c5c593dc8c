package bench

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vklstm/model"
	"vklstm/train/saved"
)

// Latency is how long one window takes.
type Latency struct {
	Name          string        // "vklstm, CPU engine", "onnxruntime 1.32.0"
	P50, P95, P99 time.Duration // of the calls
	Calls         int
	Largest       float64 // largest |p − p of the first in the list| over the windows
}

const (
	latencyWindows = 64  // different windows that take turns
	latencyRounds  = 20  // in which all that are compared take turns
	latencyCalls   = 200 // of each, in a round
)

// timed is what is asked for one window after the other.
type timed struct {
	name        string
	probability []float32
	calls       func(n int) ([]float64, error) // µs of each
	close       func() error
}

// OneWindow is what answers for a window: a Predictor.
type OneWindow interface {
	Predict(ctx context.Context, x []float32) ([]float32, error)
}

// Latencies times predictions of single windows of m: by each of ours, and, where python is an interpreter that has them,
// by LiteRT and onnxruntime on m's exported files, in turns, so that the machine's moods meet all alike. The runtimes are
// called from Python, whose share is a few µs.
func Latencies(ctx context.Context, m *saved.Model, names []string, ours []OneWindow, python string) ([]Latency, error) {
	x := latencyInput(m)
	size := m.Spec.Timesteps * m.Spec.Features
	var list []timed
	defer func() {
		for _, c := range list {
			if c.close != nil {
				c.close()
			}
		}
	}()
	for i, p := range ours {
		probability, err := p.Predict(ctx, x)
		if err != nil {
			return nil, err
		}
		list = append(list, timed{name: names[i], probability: probability, calls: func(n int) ([]float64, error) {
			us := make([]float64, n)
			for k := range us {
				at := k % latencyWindows * size
				start := time.Now()
				if _, err := p.Predict(ctx, x[at:at+size]); err != nil {
					return nil, err
				}
				us[k] = float64(time.Since(start).Nanoseconds()) / 1000
			}
			return us, nil
		}})
	}
	if python != "" {
		dir, err := os.MkdirTemp("", "vklstm-latency")
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer os.RemoveAll(dir)
		for _, format := range []string{saved.FormatTFLite, saved.FormatONNX} {
			t, err := startRuntime(ctx, python, dir, format, m, x)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
	}
	us := make([][]float64, len(list))
	for round := range latencyRounds + 1 {
		for i, c := range list {
			part, err := c.calls(latencyCalls)
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first one warms up
				us[i] = append(us[i], part...)
			}
		}
	}
	var out []Latency
	for i, c := range list {
		slices.Sort(us[i])
		at := func(share float64) time.Duration {
			return time.Duration(1000 * us[i][min(len(us[i])-1, int(share*float64(len(us[i]))))])
		}
		l := Latency{Name: c.name, P50: at(0.5), P95: at(0.95), P99: at(0.99), Calls: len(us[i])}
		for k, p := range c.probability {
			l.Largest = max(l.Largest, math.Abs(float64(p)-float64(list[0].probability[k])))
		}
		out = append(out, l)
	}
	return out, nil
}

// latencyInput returns windows for m, in whose scaling they look like standard normal ones.
func latencyInput(m *saved.Model) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	s, f := m.Scaling.Scaling.Fill(m.Spec.Features), m.Spec.Features
	x := make([]float32, latencyWindows*m.Spec.Timesteps*f)
	for i := range x {
		v := float32(rng.NormFloat64())
		if k := s.Factor[i%f]; k != 0 {
			v = v/k + s.Offset[i%f]
		}
		x[i] = v
	}
	return x
}

//go:embed peers/latency.py
var latencyScript []byte

// startRuntime exports m and starts the runtime of that format.
func startRuntime(ctx context.Context, python, dir, format string, m *saved.Model, x []float32) (timed, error) {
	file, script, windows := filepath.Join(dir, "model."+format), filepath.Join(dir, "latency.py"), filepath.Join(dir, "x.bin")
	if _, err := saved.Export(file, m, format, model.QuantizeNone); err != nil {
		return timed{}, err
	}
	raw, err := binary.Append(nil, binary.LittleEndian, x)
	if err == nil {
		err = errors.Join(os.WriteFile(script, latencyScript, 0o600), os.WriteFile(windows, raw, 0o600))
	}
	if err != nil {
		return timed{}, fmt.Errorf("bench: %w", err)
	}
	c := exec.CommandContext(ctx, python, script, format, file, windows, fmt.Sprint(m.Spec.Timesteps), fmt.Sprint(m.Spec.Features))
	var complaints strings.Builder
	c.Stderr = &complaints
	in, err := c.StdinPipe()
	if err != nil {
		return timed{}, fmt.Errorf("bench: %w", err)
	}
	pipe, err := c.StdoutPipe()
	if err != nil {
		return timed{}, fmt.Errorf("bench: %w", err)
	}
	if err := c.Start(); err != nil {
		return timed{}, fmt.Errorf("bench: start --python %s: %w", python, err)
	}
	out := json.NewDecoder(bufio.NewReader(pipe))
	failed := func(err error) error {
		in.Close()
		c.Process.Kill()
		c.Wait()
		if e := ctx.Err(); e != nil {
			return fmt.Errorf("bench: %w", e)
		}
		lines := strings.Split(strings.TrimSpace(complaints.String()), "\n")
		return fmt.Errorf("bench: the %s runtime in %s failed (%v): %.300s; install onnxruntime and ai-edge-litert there, or leave out --python",
			format, python, err, lines[len(lines)-1])
	}
	var hello struct {
		Version     string
		Probability []float32
	}
	if err := out.Decode(&hello); err != nil {
		return timed{}, failed(err)
	}
	if len(hello.Probability) != latencyWindows {
		return timed{}, failed(fmt.Errorf("%d probabilities", len(hello.Probability)))
	}
	return timed{
		name: hello.Version, probability: hello.Probability,
		calls: func(n int) ([]float64, error) {
			var us []float64
			if _, err := io.WriteString(in, fmt.Sprintln(n)); err != nil {
				return nil, failed(err)
			}
			err := out.Decode(&us)
			if err == nil && len(us) != n {
				err = fmt.Errorf("%d times of %d calls", len(us), n)
			}
			if err != nil {
				return nil, failed(err)
			}
			return us, nil
		},
		close: func() error {
			in.Close()
			return c.Wait()
		},
	}, nil
}
