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
#include "backward.h"
#include "stages.h"
#include "loss.h"
#include "update.h"

// forwardOp runs op i of a block.
INL void forwardOp(const int train, const vk_net *L, const vk_job *J, const int32_t *src, const int32_t *at, block *B, int64_t i,
		uint32_t time, const double *sums, int64_t blocks) {
	const vk_op *O = L->op + i;
	const float *x = i > 0 ? B->y[i - 1] : NULL;
	float *y = B->y[i];
	int64_t rows = rowsOf(B, O);
	switch (O->kind) {
	case VK_LSTM: lstmForward(train, L, J, src, B, O->layer, x, y); break;
	case VK_MERGE: mergeForward(O, rows, x, y); break;
	case VK_DROPOUT: if (train) dropoutForward(L, J, B, O, at, time, x, B->kept[i], y); break;
	case VK_NORMALIZE: normalizeForward(L, B, O, sums, blocks, x, B->kept[i], y); break;
	case VK_DENSE: for (int64_t r = 0; r < rows; r++) denseForward(L, O, x + r * O->in, y + r * O->out);
	}
}

// outcome writes a row's probabilities and, where labels are known, its loss times w. It returns the derivatives by the logits.
INL const double *outcome(const vk_net *L, const vk_job *J, const block *B, int64_t i, const float *z, double w) {
	double *p = B->column, *d = p + L->classes;
	if (L->classes == 1) {
		J->probability[i] = (float)logistic(z[0]);
		if (J->label) J->loss[i] = (float)(w * binary(L, z[0], J->label[i], d));
		return d;
	}
	double total = softmax(L->classes, z, p);
	for (int64_t c = 0; c < L->classes; c++) J->probability[i * L->classes + c] = (float)p[c];
	if (J->label) J->loss[i] = (float)(w * categorical(L, z, p, total, (int64_t)J->label[i], d));
	return d;
}

static void CAT(infer, ISA)(const vk_net *L, const vk_job *J, int64_t b, float *s) {
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	block *B = layout(L, J, src, J->row[b + 1] - J->row[b], 0, s);
	for (int64_t i = 0; i < L->ops; i++) forwardOp(0, L, J, src, at, B, i, 0, NULL, 0);
	int64_t width = L->op[L->ops - 1].out;
	for (int64_t r = 0; r < B->n; r++) outcome(L, J, B, at[B->order[r]], B->y[L->ops - 1] + r * width, 1);
}

// losses ends a block's way forward: probabilities and losses go to the job's places, the gradient of scale · sum(weight · loss) by the
// logits to dy.
static void losses(const vk_net *L, const vk_job *J, block *B, const int32_t *at, double scale) {
	int64_t width = L->op[L->ops - 1].out;
	memset(B->dy, 0, sizeof(float) * (size_t)(B->n * width));
	for (int64_t r = 0; r < B->n; r++) {
		int64_t i = at[B->order[r]];
		double w = J->weight ? J->weight[i] : 1;
		const double *d = outcome(L, J, B, i, B->y[L->ops - 1] + r * width, w);
		for (int64_t c = 0; c < L->classes; c++) B->dy[r * width + c] = (float)(w * d[c] * scale);
	}
}

// backwardOp takes dy of op i back to what came in, and adds the gradient of the op's parameters to G; of an LSTM's it writes them unless
// add is set.
static void backwardOp(const vk_net *L, block *B, int64_t i, const double *sums, int64_t blocks, int64_t own, float *G, int add) {
	const vk_op *O = L->op + i;
	int64_t rows = rowsOf(B, O);
	float *dy = B->dy, *dx = B->dx, *kept = B->kept[i];
	switch (O->kind) {
	case VK_LSTM: lstmBackward(L, B, O->layer, dy, dx, G, add); break;
	case VK_MERGE: mergeBackward(O, rows, B->y[i - 1], dy, dx); break;
	case VK_DROPOUT: dropoutBackward(rows * O->out, kept, dy, dx); break;
	case VK_NORMALIZE: normalizeBackward(L, B, O, sums, blocks, own, kept, dy, dx, G); break;
	case VK_DENSE: for (int64_t r = 0; r < rows; r++) denseBackward(L, O, B->y[i - 1] + r * O->in, B->y[i] + r * O->out, dy + r * O->out, dx + r * O->in, G);
	}
	B->dy = dx;
	B->dx = dy;
}

// gradient runs one phase of a block forward and back: probabilities and losses go to the job's places, the gradient of the mean over
// the step's rows of weight · loss is written to G, or added with add set. A phase ends in front of each VK_NORMALIZE, on both ways, when the
// block's sums for it are made; the next begins when those of all the step's blocks are.
static void CAT(gradient, ISA)(const vk_job *J, int64_t first, int64_t blocks, int64_t b, int64_t phase, uint32_t time, float *G, int add, float *s) {
	const vk_net *L = J->net;
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	int64_t own = b - first;
	if (J->states) s = J->states + own * J->state;
	block *B = (block *)s;
	if (phase == 0) {
		B = layout(L, J, src, J->row[b + 1] - J->row[b], 1, s);
		if (!add) memset(G + L->head, 0, sizeof(float) * (size_t)(L->np - L->head));
	}
	for (; !B->back; B->op++, B->summed = 0) {
		if (B->op == L->ops) {
			losses(L, J, B, at, 1. / (double)(J->row[first + blocks] - J->row[first]));
			B->back = 1;
			break;
		}
		const vk_op *O = L->op + B->op;
		if (O->kind == VK_NORMALIZE && !B->summed) {
			moments(O, rowsOf(B, O), B->y[B->op - 1], J->sums + own * L->sums + O->sums);
			B->summed = 1;
			return;
		}
		forwardOp(1, L, J, src, at, B, B->op, time, J->sums, blocks);
	}
	for (; B->op > 0; B->op--, B->summed = 0) {
		const vk_op *O = L->op + B->op - 1;
		if (O->kind == VK_NORMALIZE && !B->summed) {
			slopes(O, rowsOf(B, O), B->kept[B->op - 1], B->dy, J->sums + own * L->sums + O->sums);
			B->summed = 1;
			return;
		}
		backwardOp(L, B, B->op - 1, J->sums, blocks, own, G, add);
	}
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
	static vk_isa isa = { NAME, VL, 0, CAT(scratch, ISA), CAT(gradient, ISA), CAT(move, ISA), CAT(infer, ISA), CAT(sum, ISA), CAT(norms, ISA), CAT(update, ISA),
		CAT(derive, ISA), CAT(activate, ISA), CAT(peak, ISA) };
	isa.ok = ok;
	return &isa;
}
