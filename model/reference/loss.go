package reference

import (
	"math"

	"vklstm/model"
)

// Loss is loss.comp for one row of two classes: the probability sigmoid(logit), the loss l before weights, and dl/dlogit. y is 0 or
// 1. With s = 2y − 1 and q = 1 − p_t = sigmoid(−s·logit),
//
//	binary crossentropy  l = softplus(−s·logit)          dl = p − y = −s·q
//	focal                l = α_t·q^γ·softplus(−s·logit)  dl = −s·α_t·q^γ·(γ·(1 − q)·softplus(−s·logit) + q)
//
// q^γ is taken as exp(−γ·softplus(s·logit)), so that nothing is lost where q rounds to 0 or 1; nothing is clipped. With label
// smoothing the crossentropy is that of the target t = y·(1 − smoothing) + smoothing/2.
func Loss(kind model.Loss, logit, y float64) (p, l, dl float64) {
	s := 2*y - 1
	p = Sigmoid(logit)
	l = Softplus(-s * logit)
	q := Sigmoid(-s * logit)
	switch {
	case kind.Kind == model.BinaryCrossentropy && kind.LabelSmoothing == 0:
		return p, l, -s * q
	case kind.Kind == model.BinaryCrossentropy:
		t := y*(1-kind.LabelSmoothing) + kind.LabelSmoothing/2
		return p, t*Softplus(-logit) + (1-t)*Softplus(logit), p - t
	}
	alpha := 1 - kind.Alpha
	if y > 0 {
		alpha = kind.Alpha
	}
	factor := alpha * math.Exp(-kind.Gamma*Softplus(s*logit))
	return p, factor * l, -s * factor * (kind.Gamma*(1-q)*l + q)
}
