package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// categoricalTol bounds errors of probabilities, loss and gradient in units of u, for logits that differ by up to a: exp errs by
// 6 + 4a and as much comes of the sum and 5 of a quotient; −log p by as much absolutely, and relative to itself where p is near 1;
// q^γ by γ times what q errs, and by its exponent γ·a. Terms of a gradient are bounded by the sum of their sizes.
func categoricalTol(a, gamma float64, classes int) float64 {
	return 2*(6+4*a) + 10 + float64(classes) + gamma*(2*(6+4*a)+float64(classes)+30*a+20) + 30
}

func TestLossCategorical(t *testing.T) {
	for _, loss := range []model.Loss{
		{Kind: model.CategoricalCrossentropy}, {Kind: model.CategoricalCrossentropy, LabelSmoothing: 0.25},
		{Kind: model.CategoricalFocal, Alpha: 0.25, Gamma: 2}, {Kind: model.CategoricalFocal, Alpha: 0.5, Gamma: 0.5, LabelSmoothing: 0.125},
	} {
		for _, tc := range []struct {
			C     int
			scale float64
		}{{2, 1}, {3, 4}, {7, 20}, {40, 60}} {
			t.Run(fmt.Sprintf("%s γ=%v smoothing=%v/C=%d/scale=%v", loss.Kind, loss.Gamma, loss.LabelSmoothing, tc.C, tc.scale), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					rng := source(t)
					C := tc.C
					c := newLossCase(rng, 2, 9, 20, 9, []model.Loss{loss}, 1)
					c.logit = randoms(rng, c.K*c.R*C, tc.scale)
					for i := range c.label {
						c.label[i] = float32(rng.IntN(C))
					}
					alphas := make([]float32, c.K*C)
					for i := range alphas {
						alphas[i] = rng.Float32()
					}
					var options []uint32
					for _, o := range c.options {
						options = append(options, optionsOf(o, 0, 0)...)
					}
					places := c.S * c.K * c.B
					k := kernel.LossCategorical{
						Logit: put(t, d, "logit", c.logit), OrderWindow: put(t, d, "order", c.order), OrderWeight: put(t, d, "weight", c.weight),
						Label: put(t, d, "label", c.label), Options: put(t, d, "options", options), Schedule: put(t, d, "schedule", c.schedule),
						Cursor: put(t, d, "cursor", []uint32{uint32(c.step)}), Alphas: put(t, d, "alphas", alphas),
						Probability: blank[float32](t, d, "probability", places*C), Loss: blank[float32](t, d, "loss", places), DLogit: blank[float32](t, d, "dlogit", c.K*c.R*C),
						K: c.K, R: c.R, B: c.B, C: C, S: c.S, Row0: c.row0,
					}
					run(t, d, k)
					p, l, dl := get(t, k.Probability), get(t, k.Loss), get(t, k.DLogit)
					for m := range c.K {
						for r := range c.R {
							at, i := (c.step*c.K+m)*c.B+c.row0+r, m*c.R+r
							gotP, gotDL := p[at*C:(at+1)*C], dl[i*C:(i+1)*C]
							if c.order[at] == words.NoWindow {
								equal(t, "of no window", append(append([]float32{l[at]}, gotP...), gotDL...), make([]float32, 2*C+1), 2*C+1)
								continue
							}
							of := loss
							if of.Kind == model.CategoricalFocal {
								of.ClassAlpha = wide(alphas[m*C : (m+1)*C])
							}
							y := int(c.label[c.order[at]])
							w, inverse := float64(c.weight[at]), float64(math.Float32frombits(c.schedule[(c.step*c.K+m)*words.Schedule+words.InverseBatch]))
							wantP, wantL, wantDL := reference.LossCategorical(of, wide(c.logit[i*C:(i+1)*C]), y)
							tol := u * categoricalTol(2*tc.scale, of.Gamma, C)
							var tolP, tolDL []float64
							sum := 0.0
							for j := range C {
								sum += math.Abs(wantDL[j])
								tolP = append(tolP, tol*wantP[j]+tiny)
							}
							for j := range C {
								wantDL[j] *= w * inverse
								tolDL = append(tolDL, tol*sum*w*inverse+tiny)
							}
							nearEach(t, "probability", gotP, wantP, tolP, C)
							nearEach(t, "loss", l[at:at+1], []float64{w * wantL}, []float64{tol*w*wantL + tiny}, 1)
							nearEach(t, "dlogit", gotDL, wantDL, tolDL, C)
						}
					}
					for i, v := range l { // places of other steps and passes
						if i/c.B/c.K != c.step || i%c.B < c.row0 || i%c.B >= c.row0+c.R {
							equal(t, "a place of another step", append([]float32{v}, p[i*C:(i+1)*C]...), repeated(canary[float32](), C+1), C+1)
						}
					}
				})
			})
		}
	}
}

func repeated(v float32, n int) (list []float32) {
	for range n {
		list = append(list, v)
	}
	return list
}

func BenchmarkLossCategorical(b *testing.B) {
	b.Run("B=32/C=6", func(b *testing.B) {
		d := gputest.Device(b)
		const C = 6
		c := newLossCase(source(b), 1, 32, 32, 0, []model.Loss{{Kind: model.CategoricalCrossentropy}}, 1)
		bench(b, d, 0, 4*32*(3*C+4), kernel.LossCategorical{
			Logit: put(b, d, "logit", randoms(source(b), 32*C, 2)), OrderWindow: put(b, d, "order", c.order), OrderWeight: put(b, d, "weight", c.weight),
			Label: put(b, d, "label", c.label), Options: put(b, d, "options", optionsOf(c.options[0], 0, 0)), Schedule: put(b, d, "schedule", c.schedule),
			Cursor: put(b, d, "cursor", []uint32{0}), Alphas: put(b, d, "alphas", make([]float32, C)),
			Probability: blank[float32](b, d, "probability", c.S*32*C), Loss: blank[float32](b, d, "loss", c.S*32), DLogit: blank[float32](b, d, "dlogit", 32*C),
			K: 1, R: 32, B: 32, C: C, S: c.S,
		})
	})
}
