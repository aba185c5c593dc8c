package vulkan

import (
	"context"
	"fmt"
	"math"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/shaders/words"
)

// predictRows is the most windows that one submission of Predict takes.
const predictRows = 1024

// predictor runs one model on windows that come from the host, R at a time.
type predictor struct {
	network
	k    int
	pass alloc
	mask *gpu.Recording
	run  *gpu.Recording
}

func (p *predictor) free() {
	for _, r := range []*gpu.Recording{p.mask, p.run} {
		if r != nil {
			r.Free()
		}
	}
	p.pass.free()
}

// predictor returns the one for model k and at least rows windows, as far as the device allows.
func (e *Engine) predictor(k, rows int) (*predictor, error) {
	s, err := e.predictShape(rows)
	if err != nil {
		return nil, err
	}
	for i, p := range e.infer {
		if p.k == k && p.R == s.R {
			return p, nil
		}
		if p.k == k { // another size: this model keeps one at a time
			p.free()
			e.infer = append(e.infer[:i], e.infer[i+1:]...)
			break
		}
	}
	p := &predictor{network: network{
		shape: s, chain: e.chain, layout: e.layout, params: e.params.Slice(k*e.stride, e.stride), tables: e.tables, path: e.resident, walkers: e.walkers, half: e.half,
	}, k: k, pass: alloc{dev: e.dev}}
	a := &p.pass
	p.options, p.scaling, p.cursor = a.words("predict.options", words.Options), a.floats("predict.scaling", 4*s.F), a.words("predict.cursor", 1)
	p.label = a.floats("predict.y", s.R)
	p.epochBuffers(a, 1)
	p.activate(a, false)
	c := chunk{n: s.R, raw: a.words("predict.x", s.R*s.T*s.F), valid: a.words("predict.valid", s.R*s.T)}
	p.chunks = []chunk{c}
	if a.err != nil {
		p.free()
		return nil, a.err
	}
	if err := p.prepare(e, c); err != nil {
		p.free()
		return nil, err
	}
	e.infer = append(e.infer, p)
	return p, nil
}

// predictShape plans a pass over rows windows of one model, fewer where the device asks for it.
func (e *Engine) predictShape(rows int) (shape, error) {
	if r := e.resident; r != nil {
		rows = max(1, min(rows, int(e.dev.Limits().StorageRange)/(4*e.chain.T*max(r.InputWidth(), e.chain.F))))
		return newShape(e.chain, 1, e.stride, rows, rows), nil
	}
	s, err := planShape(e.chain, e.walkers != nil, 1, e.stride, rows, e.dev.Limits(), e.dev.Info().Memory)
	s.B = s.R
	return s, err
}

// prepare fills the buffers that stay and makes the recording.
func (p *predictor) prepare(e *Engine, c chunk) error {
	p.mask = e.dev.NewRecording("predict")
	rec := p.mask
	p.recordStart(rec)
	rec.Fill(p.label, 0)
	rec.Fill(p.cursor, 0)
	rec.Fill(p.batch.schedule, 0)
	if err := rec.Run(); err != nil {
		return err
	}
	p.run = e.dev.NewRecording("predict")
	kernel.Mask{Raw: c.raw, Valid: c.valid, N: p.R, T: p.T, F: p.F}.Record(p.run)
	p.recordEvaluation(p.run)
	if err := p.run.End(); err != nil {
		return err
	}
	weight := make([]float32, p.R)
	if p.path != nil {
		place := make([]uint32, p.R)
		for i := range place {
			place[i] = uint32(i)
		}
		if err := p.input.place.Write(place); err != nil {
			return err
		}
	}
	for _, err := range []error{
		p.options.Write(optionsOf(e.opts[p.k], e.spec.Rate(), 0)), p.scaling.Write(scalingWords(e.opts[p.k:p.k+1], p.F)), p.batch.weight.Write(weight),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Predict returns P(y = 1) of the windows x by model k; see model.Engine.
func (e *Engine) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	size := e.chain.T * e.chain.F
	if len(x)%size != 0 {
		return nil, fmt.Errorf("vulkan: %d values are no whole number of %d × %d windows: %w", len(x), e.chain.T, e.chain.F, model.ErrShape)
	}
	n := len(x) / size
	out := make([]float32, 0, n)
	if n == 0 {
		return out, nil
	}
	rows := min(n, predictRows)
	if rows > 1 { // one size for every larger call, so that recordings are reused
		rows = predictRows
		for rows/2 >= n {
			rows /= 2
		}
	}
	p, err := e.predictor(k, rows)
	if err != nil {
		return nil, err
	}
	for first := 0; first < n; first += p.R {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := p.predict(x[first*size : min(first+p.R, n)*size])
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// predict runs up to R windows.
func (p *predictor) predict(x []float32) ([]float32, error) {
	n := len(x) / (p.T * p.F)
	window := make([]uint32, p.R)
	for i := range window {
		window[i] = uint32(i)
		if i >= n {
			window[i] = words.NoWindow
		}
	}
	if err := p.batch.window.Write(window); err != nil {
		return nil, err
	}
	if err := p.chunks[0].raw.Write(bits(x)); err != nil {
		return nil, err
	}
	if err := p.run.Run(); err != nil {
		return nil, err
	}
	out := make([]float32, n)
	return out, p.batch.probability.Read(out)
}

// maskOf computes the masks of a chunk just uploaded.
func (e *Engine) maskOf(c chunk) error {
	rec := e.dev.NewRecording("mask")
	defer rec.Free()
	kernel.Mask{Raw: c.raw, Valid: c.valid, N: c.n, T: e.chain.T, F: e.chain.F}.Record(rec)
	return rec.Run()
}

// bits returns the bit patterns of x: NaN keeps its meaning on a device that need not keep NaN.
func bits(x []float32) []uint32 {
	out := make([]uint32, len(x))
	for i, v := range x {
		out[i] = math.Float32bits(v)
	}
	return out
}
