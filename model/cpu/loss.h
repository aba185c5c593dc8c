// Part of generic.h: the losses, of one row each.

INL double softplus(double z) { return (z > 0 ? z : 0) + log1p(exp(-fabs(z))); }
INL double logistic(double z) {
	double e = exp(-fabs(z));
	return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

// binary returns a row's loss and its derivative by the logit. With s = 2y - 1, l = softplus(-s z), q = 1 - p_t:
//
//	binary crossentropy   l                   -s q
//	focal                 α_t q^γ l           -s α_t q^γ (γ (1 - q) l + q)
//
// where q^γ = exp(-γ softplus(s z)), which loses nothing where q is near 0 or 1. Label smoothing makes the target of the
// crossentropy t = y·(1 − smoothing) + smoothing/2.
INL double binary(const vk_net *L, double z, double y, double *derivative) {
	double s = 2 * y - 1, l = softplus(-s * z), q = logistic(-s * z);
	if (!L->focal && L->smoothing > 0) {
		double t = y * (1 - L->smoothing) + L->smoothing / 2;
		*derivative = logistic(z) - t;
		return t * softplus(-z) + (1 - t) * softplus(z);
	}
	if (!L->focal) {
		*derivative = -s * q;
		return l;
	}
	double f = (y > 0 ? L->alpha : 1 - L->alpha) * exp(-L->gamma * softplus(s * z));
	*derivative = -s * f * (L->gamma * logistic(s * z) * l + q);
	return f * l;
}

// softmax makes the probabilities p of C logits; it returns the largest logit + log Σ exp(z − largest).
INL double softmax(int64_t C, const float *z, double *p) {
	double most = z[0], sum = 0;
	for (int64_t c = 1; c < C; c++) most = z[c] > most || z[c] != z[c] ? z[c] : most;
	for (int64_t c = 0; c < C; c++) sum += p[c] = exp(z[c] - most);
	for (int64_t c = 0; c < C; c++) p[c] /= sum;
	return most + log(sum);
}

// categorical returns a row's loss and writes its derivatives by the C logits, given their softmax p and what softmax returned: see
// CategoricalLoss of the reference, term by term. q, the probability of all other classes, is a sum of theirs, so that nothing is
// lost where p is near 1.
INL double categorical(const vk_net *L, const float *z, const double *p, double total, int64_t y, double *derivative) {
	int64_t C = L->classes;
	double l = 0;
	for (int64_t c = 0; c < C; c++) derivative[c] = 0;
	for (int64_t c = 0; c < C; c++) {
		double t = L->smoothing / (double)C + (c == y ? 1 - L->smoothing : 0), q = 0;
		if (t == 0) continue;
		for (int64_t j = 0; j < C; j++) q += j == c ? 0 : p[j];
		double gamma = L->focal ? L->gamma : 0, f = L->focal ? t * L->classAlpha[c] * pow(q, gamma) : t;
		double logp = q < 0.5 ? log1p(-q) : z[c] - total;
		double h = f * (gamma * p[c] * logp - q);
		l -= f * logp;
		derivative[c] += h;
		for (int64_t j = 0; j < C && q > 0; j++) derivative[j] -= j == c ? 0 : h * p[j] / q;
	}
	return l;
}
