package vulkan

import (
	"context"
	"fmt"
	"math"
	"slices"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/shaders/words"
)

// predictRows is the most windows that one submission of Predict takes.
const predictRows = 1024

// predictor runs one model on windows that come from the host, R at a time.
type predictor struct {
	stage
	k   int
	run *gpu.Recording
}

// predictor returns the one for model k and at least rows windows, as far as the device allows.
func (e *Engine) predictor(k, rows int) (*predictor, error) {
	s, err := e.path.planPrediction(rows)
	if err != nil {
		return nil, err
	}
	for i, p := range e.infer {
		if p.k == k && p.R == s.R {
			return p, nil
		}
		if p.k == k { // another size: this model keeps one at a time
			p.free()
			e.infer = slices.Delete(e.infer, i, i+1)
			break
		}
	}
	p := &predictor{k: k}
	if err := p.prepare(e, s); err != nil {
		p.free()
		return nil, err
	}
	e.infer = append(e.infer, p)
	return p, nil
}

// prepare makes the buffers, fills those that stay, and makes the recording.
func (p *predictor) prepare(e *Engine, s shape) (err error) {
	a := &p.lasting
	a.dev = e.dev
	net := e.network(s)
	net.opts, net.length = e.opts[p.k:p.k+1], nil
	net.params = e.params.Slice(p.k*e.stride, e.stride)
	net.options, net.scaling, net.cursor = a.words("predict.options", words.Options), a.floats("predict.scaling", 4*s.F), a.words("predict.cursor", 1)
	net.label, net.alphas = a.floats("predict.y", s.R), a.floats("predict.alphas", e.chain.Classes)
	c := chunk{n: s.R, raw: a.words("predict.x", s.R*s.T*s.F), valid: a.words("predict.valid", s.R*s.T)}
	net.chunks = []chunk{c}
	if err := p.open(e, net, false); err != nil {
		return err
	}
	if err := p.lengthen(1); err != nil {
		return err
	}
	if p.run, err = p.record("predict", e.mask(c).Record, p.recordEvaluation); err != nil {
		return err
	}
	for _, err := range []error{
		p.options.Write(optionsOf(p.opts[0], e.spec.Rate(), 0)), p.scaling.Write(scalingWords(p.opts, p.F)), p.label.Write(make([]float32, s.R)), p.alphas.Write(make([]float32, e.chain.Classes)),
		p.begin(newOrder(s, 1)),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Predict returns the probabilities of the windows x by model k; see model.Engine.
func (e *Engine) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	size := e.chain.T * e.chain.F
	if len(x)%size != 0 {
		return nil, fmt.Errorf("vulkan: %d values are no whole number of %d × %d windows: %w", len(x), e.chain.T, e.chain.F, model.ErrShape)
	}
	n := len(x) / size
	out := make([]float32, 0, n*e.chain.Classes)
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
	out := make([]float32, n*p.chain.Classes)
	return out, p.batch.probability.Read(out)
}

// maskOf computes the masks of a chunk just uploaded.
func (e *Engine) maskOf(c chunk) error {
	rec := e.dev.NewRecording("mask")
	defer rec.Free()
	e.mask(c).Record(rec)
	return rec.Run()
}

// mask is the kernel that computes the masks of a chunk.
func (e *Engine) mask(c chunk) kernel.Mask {
	return kernel.Mask{Raw: c.raw, Valid: c.valid, Masked: e.chain.Masked, Value: e.chain.MaskValue, N: c.n, T: e.chain.T, F: e.chain.F}
}

// bits returns the bit patterns of x: NaN keeps its meaning on a device that need not keep NaN.
func bits(x []float32) []uint32 {
	out := make([]uint32, len(x))
	for i, v := range x {
		out[i] = math.Float32bits(v)
	}
	return out
}
