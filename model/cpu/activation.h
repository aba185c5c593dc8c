// Part of generic.h: the activations. The weights of the forward pass are scaled, so that a gate's z is what 2 must be raised to:
//
//	sigmoid   1/(1 + 2^z)           z scaled by -log2(e)
//	tanh      (2^z - 1)/(2^z + 1)   z scaled by 2·log2(e); 2^z - 1 is computed without cancellation
//
// 2^z = 2^n · 2^r with n whole. On |r| <= 1/2, (2^r - 1)/r is the minimax polynomial q0 … q5, 0.2 units of 2^-24 off.
#define LOG2E 1.44269504f
#ifndef EXP2PARTS
// EXP2PARTS splits z: r = z - n and s = 2^n.
#define EXP2PARTS(z, r, s) do { \
	vf magic = all(12582912.f), n_ = z + magic; /* 1.5·2^23: adding it rounds to a whole number */ \
	s = (vf)(((vi)n_ - (0x4B400000 - 127)) << 23); \
	r = z - (n_ - magic); } while (0)
#endif
#ifndef RECIPROCAL
#define RECIPROCAL(x) (1.f / (x))
#endif

// grown returns (2^r - 1)·s for the parts of z.
INL vf grown(vf r, vf s) {
	vf q = r * 1.5469735e-4f + 1.3390867e-3f;
	q = q * r + 9.618031e-3f;
	q = q * r + 5.550357e-2f;
	q = q * r + 2.402265e-1f;
	q = q * r + 6.931472e-1f;
	return q * r * s;
}
// below and above return what a sigmoid, 1/below, and a tanh, above/(above + 2), are made of. The bounds keep 2^z finite,
// and products of two of them; where they act, a tanh is 1 to the last digit and a sigmoid below 3e-19.
INL vf below(vf z) {
	z = VMIN(all(62.f), z);
#ifdef EXP2
	return 1.f + EXP2(z);
#else
	vf r, s;
	z = VMAX(all(-126.f), z);
	EXP2PARTS(z, r, s);
	return 1.f + (grown(r, s) + s);
#endif
}
INL vf above(vf z) {
	vf r, s;
	z = VMIN(all(62.f), z);
#ifndef EXP2
	z = VMAX(all(-126.f), z);
#endif
	EXP2PARTS(z, r, s);
	return grown(r, s) + (s - 1.f);
}
INL vf sigmoid2(vf z) { return RECIPROCAL(below(z)); }
INL vf tanh2(vf z) {
	vf e = above(z);
	return e * RECIPROCAL(e + 2.f);
}

