package reference

import (
	"math"
	"slices"

	"vklstm/model"
)

// LossCategorical is loss_categorical.comp for one row of C classes: the probabilities p[C] = softmax(logits), the loss, and dl[C]. With target t,
// 1 of class y and 0 of the others, which label smoothing mixes with 1/C, and q_c = 1 − p_c,
//
//	crossentropy  l = Σ_c t_c·(−log p_c)                dl_j = p_j·Σt − t_j
//	focal         l = Σ_c α_c·t_c·q_c^γ·(−log p_c)
//
// Crossentropy is focal with α = 1 and γ = 0. The derivative of a term by its own logit is H_c = α_c·t_c·q_c^γ·(γ·p_c·log p_c − q_c),
// by another logit j −H_c·p_j/q_c. q_c is the sum of the other probabilities, so that nothing is lost where p_c rounds to 1.
func LossCategorical(kind model.Loss, logits []float64, y int) (p []float64, l float64, dl []float64) {
	C, most, sum := len(logits), slices.Max(logits), 0.0
	p, dl = make([]float64, C), make([]float64, C)
	for j, z := range logits {
		p[j] = math.Exp(z - most)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	for c, z := range logits {
		t := kind.LabelSmoothing / float64(C)
		if c == y {
			t += 1 - kind.LabelSmoothing
		}
		if t == 0 {
			continue
		}
		q := 0.0
		for j, v := range p {
			if j != c {
				q += v
			}
		}
		factor, gamma := t, 0.0
		if kind.Kind == model.CategoricalFocal {
			gamma = kind.Gamma
			factor *= kind.AlphaOf(c) * math.Pow(q, gamma)
		}
		logp := z - most - math.Log(sum)
		if q < 0.5 {
			logp = math.Log1p(-q)
		}
		l -= factor * logp
		H := factor * (gamma*p[c]*logp - q)
		dl[c] += H
		for j, v := range p {
			if j != c && q > 0 {
				dl[j] -= H * v / q
			}
		}
	}
	return p, l, dl
}
