// A header, though it holds code: go build looks for changes in files that it knows, and an .inc is none. So are its parts,
// which it includes.
// The kernels, written once in GCC's vector extensions and compiled for each instruction set. The including file sets
// VL (floats in a vector), MR (rows of a register tile), ISA and NAME, and what the extensions lack: VMIN, VMAX (both
// return the second operand when one is NaN), VSQRT. RECIPROCAL, EXP2PARTS and EXP2 may be set to something faster.
#include "vector.h"
#include "activation.h"
#include "product.h"
#include "block.h"
#include "forward.h"
#include "head.h"
#include "backward.h"
#include "update.h"

static void CAT(infer, ISA)(const vk_net *L, const vk_job *J, int64_t b, float *s) {
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	block B;
	layout(&B, L, J, src, J->row[b + 1] - J->row[b], 0, s);
	forward(0, L, J, src, &B);
	for (int64_t r = 0; r < B.n; r++) {
		int64_t i = at[B.order[r]];
		double d, z = head(L, B.h + r * L->out, B.dense);
		J->probability[i] = (float)logistic(z);
		if (J->label) J->loss[i] = (float)loss(L, z, J->label[i], &d);
	}
}

// gradient runs one block forward and back: probabilities and losses go to the job's places, the gradient of
// scale · sum(weight · loss) is written to G, or added with add set.
static void CAT(gradient, ISA)(const vk_net *L, const vk_job *J, int64_t b, double scale, uint32_t time, float *G, int add, float *s) {
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	int64_t H = L->out;
	block B;
	layout(&B, L, J, src, J->row[b + 1] - J->row[b], 1, s);
	forward(1, L, J, src, &B);
	if (!add) memset(G + L->head, 0, sizeof(float) * (size_t)(L->np - L->head));
	for (int64_t r = 0; r < B.n; r++) {
		int64_t i = at[B.order[r]];
		const float *h = B.h + r * H;
		if (L->threshold) {
			dropout(L, (uint32_t)(i % J->batch), time, B.keep);
			for (int64_t u = 0; u < H; u++) B.hd[u] = B.keep[u] != 0 ? h[u] * B.keep[u] : 0;
		} else {
			memcpy(B.hd, h, sizeof(float) * (size_t)H);
		}
		double z = head(L, B.hd, B.dense), w = J->weight ? J->weight[i] : 1, d;
		J->loss[i] = (float)(w * loss(L, z, J->label[i], &d));
		J->probability[i] = (float)logistic(z);
		headBackward(L, &B, (float)(w * d * scale), G, B.dh + r * H);
	}
	backward(L, &B, G, add);
}

static void CAT(activate, ISA)(int which, const float *x, float *y, int64_t n) {
	for (int64_t i = 0; i + VL <= n; i += VL) st(y + i, which ? tanh2(ld(x + i) * (2 * LOG2E)) : sigmoid2(ld(x + i) * -LOG2E));
}

// peak is a product that touches no memory: as many sums as hide the latency of an FMA.
static double CAT(peak, ISA)(int64_t rounds) {
	vf acc[12], x = all(0.999f), y = all(0.001f);
	UNROLL for (int i = 0; i < 12; i++) acc[i] = all((float)i);
	for (int64_t k = 0; k < rounds; k++) {
		_Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) acc[i] = acc[i] * x + y;
		__asm__ volatile("" : : "x"(acc[0]));
	}
	float s = 0;
	for (int i = 0; i < 12; i++) s += acc[i][0];
	return s;
}

const vk_isa *CAT(vk_isa, ISA)(int ok) {
	static vk_isa isa = { NAME, VL, 0, CAT(scratch, ISA), CAT(gradient, ISA), CAT(infer, ISA), CAT(sum, ISA), CAT(norms, ISA), CAT(update, ISA),
		CAT(derive, ISA), CAT(activate, ISA), CAT(peak, ISA) };
	isa.ok = ok;
	return &isa;
}
