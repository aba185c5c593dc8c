package portable

import (
	"math"

	"vklstm/model"
)

// probability returns sigmoid(z) in float64, which one value per row can afford.
func probability(z float64) float64 {
	e := math.Exp(-math.Abs(z))
	if z < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// softplus returns log(1 + exp(z)).
func softplus(z float64) float64 { return math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) }

// loss returns the loss of a row with this logit and label y, and its derivative by the logit. With s = 2y − 1,
// l = softplus(−s·z) and q = 1 − p_t = sigmoid(−s·z),
//
//	binary crossentropy   l                    −s·q
//	focal                 α_t·q^γ·l            −s·α_t·q^γ·(γ·(1 − q)·l + q)
//
// where q^γ = exp(−γ·softplus(s·z)), which loses nothing where q is near 0 or 1.
func loss(kind model.Loss, logit, y float64) (value, derivative float64) {
	s := 2*y - 1
	l, q := softplus(-s*logit), probability(-s*logit)
	if kind.Kind == model.BinaryCrossentropy {
		return l, -s * q
	}
	factor := 1 - kind.Alpha
	if y > 0 {
		factor = kind.Alpha
	}
	factor *= math.Exp(-kind.Gamma * softplus(s*logit))
	return factor * l, -s * factor * (kind.Gamma*probability(s*logit)*l + q)
}
